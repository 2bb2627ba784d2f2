package web

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// versionOf tells a task that changed from what it was.
func versionOf(id, version int) Event {
	return Event{Task: &Row{ID: strconv.Itoa(id), Attempts: version}}
}

// world is what is true: versions of tasks, as a queue has them.
type world struct {
	mu       sync.Mutex
	versions map[string]int
}

func (w *world) change(h *Hub, id int, label string) {
	w.mu.Lock()
	name := strconv.Itoa(id)
	w.versions[name]++
	e := versionOf(id, w.versions[name])
	w.mu.Unlock()
	if label != "" {
		e.Task.Labels = map[string]string{"large": label}
	}
	if h.Watched() {
		h.Publish(e)
	}
}

func (w *world) now() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.versions)
}

// follower is a reader as pages are: it loads all when it is new or told to, and
// then goes by the events.
type follower struct {
	hub   *Hub
	world *world
	rand  *rand.Rand

	here   atomic.Bool // it is reading, and will until the end if that comes now
	known  map[string]int
	last   string
	resets int
}

// follow reads until the Hub is closed. Now and then it goes away.
func (f *follower) follow(t *testing.T) {
	for {
		at, resumed, err := f.hub.join(f.last, 1000)
		if err == errEnding {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		if !resumed {
			f.known = f.world.now()
			f.last = ""
		}
		f.here.Store(true)
		stay := time.Now().Add(time.Duration(f.rand.IntN(int(20 * time.Second))))
		for time.Now().Before(stay) || f.ended() {
			texts, next, lost, wake := f.hub.read(at)
			at = next
			if lost {
				f.known = f.world.now()
				f.resets++
			}
			for _, text := range texts {
				f.take(t, text)
			}
			if len(texts) > 0 && f.rand.IntN(3) == 0 {
				time.Sleep(time.Duration(f.rand.IntN(int(3 * time.Second)))) // a slow one
			}
			if len(texts) > 0 || lost {
				continue
			}
			if wake == nil {
				return
			}
			select {
			case <-wake:
			case <-time.After(time.Until(stay)): // it is not closed
			}
		}
		f.here.Store(false)
		f.hub.leave()
		time.Sleep(time.Duration(f.rand.IntN(int(40 * time.Second))))
		if f.rand.IntN(4) == 0 {
			f.last = ""
		}
	}
}

// ended tells whether there is only the rest to read.
func (f *follower) ended() bool {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	return f.hub.closed
}

// take takes a chunk in.
func (f *follower) take(t *testing.T, text chunk) {
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			f.last = value
		case "data":
			var e Event
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				t.Error(err)
			}
			switch {
			case e.Reset:
				f.known = f.world.now()
				f.resets++
			default: // what was loaded may be newer
				f.known[e.Task.ID] = max(f.known[e.Task.ID], e.Task.Attempts)
			}
		}
	}
}

// TestHub: whatever readers do, slow ones, new ones and those that come back, in
// quiet and in floods: each of them knows all in the end.
func TestHub(t *testing.T) {
	for seed := range uint64(16) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			h, w := NewHub(), &world{versions: map[string]int{}}
			if seed%4 == 0 { // times when nobody reads
				time.Sleep(linger * 2)
			}
			followers := make([]*follower, r.IntN(6))
			var all sync.WaitGroup
			for i := range followers {
				followers[i] = &follower{hub: h, world: w, rand: rand.New(rand.NewPCG(seed, uint64(i)+2))}
				all.Go(func() { followers[i].follow(t) })
			}
			large := strings.Repeat("x", 100<<10)
			for range 100 {
				switch r.IntN(10) {
				case 0: // a flood
					for range 100 + r.IntN(400) {
						w.change(h, r.IntN(500), "")
					}
				case 1:
					w.change(h, r.IntN(500), large)
				default:
					for range r.IntN(30) {
						w.change(h, r.IntN(100), "")
					}
				}
				time.Sleep(time.Duration(r.IntN(int(500 * time.Millisecond))))
				h.mu.Lock()
				if len(h.tasks) > maxBeat || len(h.chunks) > maxChunks || h.size > maxKept || len(h.index) != len(h.tasks) {
					t.Errorf("seed %d: %d tasks, %d chunks of %d bytes", seed, len(h.tasks), len(h.chunks), h.size)
				}
				h.mu.Unlock()
			}
			// Those who are away at the end miss it; they would load all again.
			present := map[*follower]bool{}
			synctest.Wait()
			for _, f := range followers {
				present[f] = f.here.Load()
			}
			h.Close()
			if h.Watched() {
				t.Error("watched, though closed")
			}
			h.Publish(versionOf(1, 1)) // nothing comes of it
			all.Wait()
			for i, f := range followers {
				if present[f] && !maps.Equal(f.known, w.now()) {
					t.Errorf("seed %d, reader %d knows %v, after %d resets\nand there is %v", seed, i, f.known, f.resets, w.now())
				}
			}
		})
	}
}
