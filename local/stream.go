package local

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// The most that may wait in a stream for a client that does not read. A client
// that has more than one of them waiting is cut off; it subscribes again and
// reconciles. Mesos itself has no such bound.
const (
	maxStreamFrames = 100_000
	maxStreamBytes  = 64 << 20
)

// stream is the event stream of one subscription. The master pushes frames,
// never waiting; the goroutine of the HTTP request writes them.
type stream struct {
	id    string // the Mesos-Stream-Id
	codec *codec

	mu     sync.Mutex
	queue  [][]byte
	bytes  int  // in queue
	frames int  // in queue
	ended  bool // nothing more is taken; what is queued is still written
	broken bool // nothing more is written

	wake chan struct{} // holds one token while there may be something to do
	cut  func()        // breaks a write that hangs
}

func newStream(id string, c *codec) *stream {
	return &stream{id: id, codec: c, wake: make(chan struct{}, 1)}
}

// push queues a frame. When the client has fallen too far behind, or is gone,
// the frame is dropped and the stream broken.
func (s *stream) push(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if s.frames >= maxStreamFrames || s.bytes+len(frame) > maxStreamBytes {
		s.breakOff()
		return
	}
	s.queue = append(s.queue, frame)
	s.frames++
	s.bytes += len(frame)
	s.ring()
}

// end closes the stream once what is queued has been written.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.ring()
}

// breakOff drops what is queued and ends the stream; s.mu is held.
func (s *stream) breakOff() {
	s.ended, s.broken = true, true
	s.queue, s.bytes, s.frames = nil, 0, 0
	if s.cut != nil {
		s.cut()
	}
	s.ring()
}

func (s *stream) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take is everything queued, and whether the stream ends after it.
func (s *stream) take() (frames [][]byte, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	frames, s.queue = s.queue, nil
	return frames, s.ended
}

// written makes room for what the client has taken.
func (s *stream) written(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.broken {
		s.frames--
		s.bytes -= len(frame)
	}
}

// serve writes the stream to an HTTP response until it has ended or the client
// is gone, with a heartbeat every so often, whatever else is sent.
func (s *stream) serve(ctx context.Context, w http.ResponseWriter, heartbeat []byte, every time.Duration) {
	out := http.NewResponseController(w)
	s.mu.Lock()
	s.cut = func() { _ = out.SetWriteDeadline(time.Unix(1, 0)) } // it can only fail on a connection that is gone
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cut = nil
		s.breakOff()
	}()
	beat := time.NewTicker(every)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			s.push(heartbeat)
			continue
		case <-s.wake:
		}
		frames, ended := s.take()
		for _, f := range frames {
			if _, err := w.Write(f); err != nil {
				return
			}
			s.written(f)
		}
		if len(frames) > 0 {
			if err := out.Flush(); err != nil {
				return
			}
		}
		if ended {
			return
		}
	}
}
