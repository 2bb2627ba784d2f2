package mesosapi

import (
	"context"
	"errors"
	"sync"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

var (
	errFull    = errors.New("master does not take our calls")
	errDropped = errors.New("the stream ended before the call had left")
)

// outcome is a call and how it was answered.
type outcome struct {
	call *scheduler.Call
	ack  bool
	err  error
}

// lane is a queue of calls. taken counts the places in use: calls that wait,
// that are in flight, or whose outcome nobody has read yet.
type lane struct {
	waiting queue[*scheduler.Call]
	taken   int
	bound   int
}

// outbox holds the calls of one epoch on their way out and their outcomes on
// their way back. Nothing in it blocks the one who sends; who takes out waits.
type outbox struct {
	mu       sync.Mutex
	calls    lane // leave one at a time, in order
	acks     lane // acknowledgements: leave in parallel
	outcomes queue[outcome]
	closed   bool // no call comes in or leaves any more
	ended    bool // no outcome comes in any more

	callReady    sync.Cond
	ackReady     sync.Cond
	outcomeReady sync.Cond

	openCalls int   // without an answer: waiting or in flight
	openAcks  int   // the same
	last      error // how the last of calls ended; what Flush gives if nothing is left to wait for
	flushes   map[*flush]struct{}
}

// flush is one caller of Flush.
type flush struct {
	err  error
	done chan struct{} // closed when nothing is open
}

func newOutbox(calls, acks int) *outbox {
	o := &outbox{flushes: make(map[*flush]struct{})}
	o.calls.bound, o.acks.bound = calls, acks
	o.callReady.L, o.ackReady.L, o.outcomeReady.L = &o.mu, &o.mu, &o.mu
	return o
}

// put queues a call. It is errFull if there is no place, and drops the call
// silently, but for Flush, once the outbox is closed.
func (o *outbox) put(call *scheduler.Call, ack bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	to, open, ready := &o.calls, &o.openCalls, &o.callReady
	if ack {
		to, open, ready = &o.acks, &o.openAcks, &o.ackReady
	}
	full := to.taken >= to.bound
	if full || o.closed {
		if !ack {
			o.lost(errDropped)
		}
		if full {
			return errFull
		}
		return nil
	}
	to.taken++
	*open++
	to.waiting.push(call)
	ready.Signal()
	return nil
}

// take waits for a call to send; false once the outbox is closed.
func (o *outbox) take(ack bool) (*scheduler.Call, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from, ready := &o.calls, &o.callReady
	if ack {
		from, ready = &o.acks, &o.ackReady
	}
	for from.waiting.len() == 0 && !o.closed {
		ready.Wait()
	}
	if o.closed {
		return nil, false
	}
	return from.waiting.pop(), true
}

// answered takes back a call from take. A good acknowledgement is forgotten;
// anything else becomes an outcome to be read.
func (o *outbox) answered(out outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if out.ack {
		o.openAcks--
	} else {
		o.openCalls--
		o.last = out.err
		if out.err != nil {
			o.lost(out.err)
		}
	}
	if out.ack && out.err == nil {
		o.acks.taken--
	} else {
		o.outcomes.push(out)
		o.outcomeReady.Signal()
	}
	o.wakeFlushes()
}

// outcome waits for the next outcome; false once there will be none any more.
func (o *outbox) outcome() (outcome, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.outcomes.len() == 0 && !o.ended {
		o.outcomeReady.Wait()
	}
	if o.outcomes.len() == 0 {
		return outcome{}, false
	}
	return o.outcomes.pop(), true
}

// read gives the place of an outcome free, once it was read.
func (o *outbox) read(out outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if out.ack {
		o.acks.taken--
	} else {
		o.calls.taken--
	}
}

// close drops what waits; what is in flight can still be answered.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if n := o.calls.waiting.len(); n > 0 {
		o.openCalls -= n
		o.lost(errDropped)
	}
	o.openAcks -= o.acks.waiting.len()
	o.calls.waiting, o.acks.waiting = queue[*scheduler.Call]{}, queue[*scheduler.Call]{}
	o.callReady.Broadcast()
	o.ackReady.Broadcast()
	o.wakeFlushes()
}

// end says that no call is in flight any more.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.outcomeReady.Broadcast()
}

// lost notes that one of calls came to nothing. The lock is held.
func (o *outbox) lost(err error) {
	o.last = err
	for f := range o.flushes {
		if f.err == nil {
			f.err = err
		}
	}
}

// wakeFlushes lets those go who wait, if nothing is open. The lock is held.
func (o *outbox) wakeFlushes() {
	if o.openCalls > 0 || o.openAcks > 0 {
		return
	}
	for f := range o.flushes {
		close(f.done)
		delete(o.flushes, f)
	}
}

// flush is what Conn.Flush says.
func (o *outbox) flush(ctx context.Context) error {
	f := &flush{done: make(chan struct{})}
	o.mu.Lock()
	if o.openCalls == 0 {
		f.err = o.last
	}
	o.flushes[f] = struct{}{}
	o.wakeFlushes()
	o.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.flushes, f)
	if f.err != nil {
		return f.err
	}
	return ctx.Err()
}
