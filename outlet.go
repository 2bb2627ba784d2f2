package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// outlet writes to a terminal or a pipe without waiting for whoever reads there:
// output that nobody takes must not hold back the queue, nor a signal. What does
// not fit into its buffer is lost.
type outlet struct {
	out   io.Writer
	bound int // bytes that wait to be read
	tells bool

	mu      sync.Mutex
	waiting []byte
	lost    int           // writes that did not fit
	wrote   time.Time     // when the reader last took something
	moved   chan struct{} // closed and renewed when it does
	idle    chan struct{} // closed while nothing waits
	closed  bool
	more    chan struct{} // there is something, or it was closed
	ended   chan struct{} // the writer has written everything
}

const (
	maxWaiting = 1 << 20         // bytes of a log that wait
	patience   = time.Second     // with a reader that takes nothing, while the buffer is full
	lastWords  = 2 * time.Second // what a reader has at the end
)

// newOutlet makes an outlet for so many bytes. tells says whether it may put a
// line of its own where something was lost.
func newOutlet(out io.Writer, bound int, tells bool) *outlet {
	o := &outlet{out: out, bound: bound, tells: tells, wrote: time.Now(), moved: make(chan struct{}), idle: make(chan struct{}),
		more: make(chan struct{}, 1), ended: make(chan struct{})}
	close(o.idle)
	go o.pour()
	return o
}

// standardError is where the log goes. A file never waits for a reader.
func standardError() (out io.Writer, drain func(time.Duration)) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode().IsRegular() {
		return os.Stderr, func(time.Duration) {}
	}
	o := newOutlet(os.Stderr, maxWaiting, true)
	return o, o.drain
}

// Write never fails, and waits only for a reader who is at it.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.waiting) > 0 && len(o.waiting)+len(p) > o.bound && o.await() {
	}
	if len(o.waiting)+len(p) > o.bound {
		o.lost++
		return len(p), nil
	}
	select {
	case <-o.idle:
		o.idle = make(chan struct{})
	default:
	}
	o.waiting = append(o.waiting, p...)
	o.wake()
	return len(p), nil
}

// await waits until the reader has taken something; false if it seems to have
// stopped. The lock is held, but not while it waits.
func (o *outlet) await() bool {
	moved, wait := o.moved, time.Until(o.wrote.Add(patience))
	if wait <= 0 {
		return false
	}
	o.mu.Unlock()
	defer o.mu.Lock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-moved:
		return true
	case <-timer.C:
		return false
	}
}

// wake tells the writer to look. The lock is held.
func (o *outlet) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

func (o *outlet) pour() {
	defer close(o.ended)
	for range o.more {
		for {
			text, closed := o.take()
			if len(text) == 0 && closed {
				return
			}
			if len(text) == 0 {
				break
			}
			// Nobody can be told of an error, and what comes next may get through.
			_, _ = o.out.Write(text)
			o.took()
		}
	}
}

// take is the next part to write. Without one the outlet is idle.
func (o *outlet) take() (text []byte, closed bool) {
	const part = 64 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(part, len(o.waiting))
	text = append([]byte(nil), o.waiting[:n]...)
	if o.waiting = o.waiting[n:]; n == 0 {
		o.waiting = nil
		if o.lost > 0 && o.tells {
			text = fmt.Appendf(text, "cmdq: %s of this log %s lost, nobody read it\n", count(o.lost, "line"), oneOr(o.lost, "was", "were"))
		}
		o.lost = 0
	}
	if len(text) == 0 {
		select {
		case <-o.idle:
		default:
			close(o.idle)
		}
	}
	return text, o.closed
}

func (o *outlet) took() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrote = time.Now()
	close(o.moved)
	o.moved = make(chan struct{})
}

// drain waits until everything was read, but not longer than that.
func (o *outlet) drain(wait time.Duration) {
	o.mu.Lock()
	idle := o.idle
	o.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// close is drain, and the end of the outlet.
func (o *outlet) close(wait time.Duration) {
	o.mu.Lock()
	o.closed = true
	o.wake()
	o.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-o.ended:
	case <-timer.C:
	}
}
