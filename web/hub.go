package web

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a Hub.
const (
	beat       = 100 * time.Millisecond // in which changes are gathered
	maxBeat    = 250                    // tasks that change in a beat
	floodPause = 2 * time.Second        // without events, when there are more
	linger     = 30 * time.Second       // that a reader may be away
	maxKept    = 4 << 20                // bytes of events that readers may be behind
	maxChunks  = 1024                   // the same in beats
	maxAgents  = 100                    // that a status names, in an event
	maxReaders = 256                    // over TCP; as many again on the control socket
)

// Hub passes on to many readers what changes. Events are gathered for a tenth of
// a second, in which the last one of a task takes the place of those before it,
// are encoded once, and kept for a while: each reader is somewhere in what is
// kept. Who is further behind, or comes back after more than that, gets a reset
// and goes on from there; so does everybody when too much changes at once. Its
// methods may be called by many goroutines, and none of them waits for a reader.
type Hub struct {
	epoch   string      // tells the events of this Hub from those of one before
	watched atomic.Bool // somebody reads, or may come back, and there is no flood

	encoding sync.Mutex // held by flush, so that Close comes before or behind it; locked before mu

	mu      sync.Mutex
	tasks   []Event        // of this beat
	index   map[string]int // where a task is in there
	status  *Status        // of this beat; nil: none
	armed   bool           // a flush is to come, or is under way
	flood   bool           // events are not taken until then
	closed  bool
	readers int
	away    *time.Timer // until nobody comes back; nil while somebody reads

	chunks []chunk       // what is kept, the oldest first
	first  uint64        // number of chunks[0]
	size   int           // bytes in all of them
	wake   chan struct{} // closed when there is a new chunk, or no more; nil: nobody waits
}

// chunk is the events of a beat, as they are sent.
type chunk []byte

// NewHub has no readers yet.
func NewHub() *Hub {
	b := make([]byte, 6)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return &Hub{epoch: hex.EncodeToString(b), index: map[string]int{}, first: 1}
}

// Watched tells whether events are wanted. Who publishes asks first, after what
// changed has changed, and saves himself the work.
func (h *Hub) Watched() bool { return h.watched.Load() }

// Publish tells all readers of an event, soon. What it points to does not change
// any more.
func (h *Hub) Publish(e Event) {
	if !h.watched.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.flood {
		return
	}
	switch {
	case e.Status != nil:
		h.status = e.Status
	case e.Task != nil:
		at, ok := h.index[e.Task.ID]
		switch {
		case ok:
			h.tasks[at] = e
		case len(h.tasks) < maxBeat:
			h.index[e.Task.ID] = len(h.tasks)
			h.tasks = append(h.tasks, e)
		default:
			h.drown()
		}
	}
	if !h.armed {
		h.armed = true
		time.AfterFunc(beat, h.flush)
	}
}

// drown begins a flood: more changes than anybody reads. Until its end, which is
// a reset, nobody has to tell of any.
func (h *Hub) drown() {
	h.flood = true
	h.watched.Store(false)
	h.tasks, h.status = nil, nil
	clear(h.index)
}

// flush makes a chunk of what was gathered. There is one at a time.
func (h *Hub) flush() {
	h.encoding.Lock()
	defer h.encoding.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flood {
		time.AfterFunc(floodPause, h.subside)
		return
	}
	tasks, status := h.tasks, h.status
	h.tasks, h.status = nil, nil
	clear(h.index)
	h.mu.Unlock()
	text := encode(tasks, status)
	h.mu.Lock()
	h.append(text)
	h.armed = len(h.tasks) > 0 || h.status != nil || h.flood
	if h.armed && !h.closed {
		time.AfterFunc(beat, h.flush)
	}
}

// subside ends a flood. Changes that nobody told of came before the reset.
func (h *Hub) subside() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flood, h.armed = false, false
	h.watched.Store(!h.closed && (h.readers > 0 || h.away != nil))
	h.append(encode([]Event{{Reset: true}}, nil))
}

// encode writes events as they are sent, but for the id behind them.
func encode(tasks []Event, status *Status) []byte {
	var b bytes.Buffer
	for _, e := range tasks {
		if b.Len() <= maxKept/4 {
			writeEvent(&b, e)
		}
	}
	if status != nil {
		writeEvent(&b, Event{Status: brief(status)})
	}
	if b.Len() > maxKept/4 { // of some very large labels
		b.Reset()
		writeEvent(&b, Event{Reset: true})
	}
	return b.Bytes()
}

// brief is a status for many readers, again and again.
func brief(s *Status) *Status {
	if len(s.Agents) <= maxAgents {
		return s
	}
	b := *s
	b.Agents, b.MoreAgents = s.Agents[:maxAgents], len(s.Agents)-maxAgents
	return &b
}

// writeEvent writes an event in the form of text/event-stream, but for the empty
// line that ends it. JSON has no line breaks.
func writeEvent(b *bytes.Buffer, e Event) {
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	name := "task"
	switch {
	case e.Status != nil:
		name = "status"
	case e.Reset:
		name = "reset"
	}
	fmt.Fprintf(b, "event: %s\ndata: %s", name, marshal(e)) // which ends in a line break
}

// append keeps a chunk, with its number as the id of its last event: who has not
// got all of it gets it again. It wakes who waits for it.
func (h *Hub) append(text []byte) {
	if len(text) == 0 || h.closed {
		return
	}
	c := h.end(text, h.first+uint64(len(h.chunks)))
	h.chunks, h.size = append(h.chunks, c), h.size+len(c)
	for len(h.chunks) > maxChunks || h.size > maxKept {
		h.size -= len(h.chunks[0])
		h.chunks[0] = nil
		h.chunks, h.first = h.chunks[1:], h.first+1
	}
	h.rouse()
}

// end ends a chunk.
func (h *Hub) end(text []byte, number uint64) chunk {
	return fmt.Appendf(text, "id: %s-%d\n\n", h.epoch, number)
}

func (h *Hub) rouse() {
	if h.wake != nil {
		close(h.wake)
		h.wake = nil
	}
}

// join is a new reader, unless there are so many already: what it reads next, and
// whether that is where it left, having seen the event of this id (empty: it is
// new).
func (h *Hub) join(last string, most int) (next uint64, resumed bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return 0, false, errEnding
	case h.readers >= most:
		return 0, false, Busy("%d read events already", h.readers)
	}
	h.readers++
	if h.away != nil {
		h.away.Stop()
		h.away = nil
	}
	h.watched.Store(!h.flood)
	end := h.first + uint64(len(h.chunks))
	if seen, ok := h.number(last); ok && seen+1 >= h.first && seen < end {
		return seen + 1, true, nil
	}
	return end, false, nil
}

// number reads the number of an id of this Hub.
func (h *Hub) number(id string) (uint64, bool) {
	epoch, digits, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && epoch == h.epoch
}

// leave is a reader that has gone. It may come back.
func (h *Hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers--
	if h.readers > 0 || h.closed {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.away == timer {
			h.forget()
		}
	})
	h.away = timer
}

// forget drops what is kept: from now on there will be changes that nobody tells
// of, so that no reader of before can go on where it was.
func (h *Hub) forget() {
	h.away = nil
	h.watched.Store(false)
	h.first += uint64(len(h.chunks)) + 1
	h.chunks, h.size = nil, 0
	h.tasks, h.status = nil, nil
	clear(h.index)
}

// read is what a reader gets next, at most some 64 KB and one chunk more. lost:
// what it was to get is not kept any more, and it goes on at next. If there is
// nothing yet, wake is closed when there is; nil: there will be no more.
func (h *Hub) read(at uint64) (texts []chunk, next uint64, lost bool, wake <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := h.first + uint64(len(h.chunks))
	if at < h.first {
		return nil, end, true, nil
	}
	size := 0
	for ; at < end && size < 64<<10; at++ {
		c := h.chunks[at-h.first]
		texts, size = append(texts, c), size+len(c)
	}
	if len(texts) > 0 || h.closed {
		return texts, at, false, nil
	}
	if h.wake == nil {
		h.wake = make(chan struct{})
	}
	return nil, at, false, h.wake
}

// Close tells readers what was published, and then that it was all.
func (h *Hub) Close() {
	h.encoding.Lock()
	defer h.encoding.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	if h.flood {
		h.append(encode([]Event{{Reset: true}}, nil))
	} else {
		h.append(encode(h.tasks, h.status))
	}
	h.closed = true
	h.watched.Store(false)
	h.tasks, h.status = nil, nil
	h.rouse()
}
