package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// outlet writes to a terminal or a pipe without waiting for whoever reads there:
// a log that nobody takes must not hold back the queue, nor a signal. What does
// not fit into its buffer is lost, and that is said.
type outlet struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
	lost    int // writes that did not fit
	closed  bool
	more    chan struct{} // there is something, or it was closed
	ended   chan struct{} // the writer has written everything
}

// maxWaiting bounds what waits to be read, in bytes.
const maxWaiting = 1 << 20

func newOutlet(out io.Writer) *outlet {
	o := &outlet{out: out, more: make(chan struct{}, 1), ended: make(chan struct{})}
	go o.pour()
	return o
}

// Write never waits and never fails.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting)+len(p) > maxWaiting {
		o.lost++
	} else {
		o.waiting = append(o.waiting, p...)
	}
	o.wake()
	return len(p), nil
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
			if len(text) > 0 {
				// Nobody can be told of an error, and the next line may get through.
				_, _ = o.out.Write(text)
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

func (o *outlet) take() (text []byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, o.waiting = o.waiting, nil
	if o.lost > 0 {
		text = fmt.Appendf(text, "cmdq: %d lines of this log were lost, nobody read it\n", o.lost)
		o.lost = 0
	}
	return text, o.closed
}

// close waits until everything was read, but not longer than that.
func (o *outlet) close(wait time.Duration) {
	o.mu.Lock()
	o.closed = true
	o.wake()
	o.mu.Unlock()
	select {
	case <-o.ended:
	case <-time.After(wait):
	}
}
