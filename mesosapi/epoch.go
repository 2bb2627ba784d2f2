package mesosapi

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// epoch is one subscription: from its SUBSCRIBE to the end of its stream.
//
//	run ─ opens the stream, reads it, and tells its end; then of another leader
//	 ├─ watchLeader  ends the stream when another master leads
//	 ├─ sendAll      calls, one at a time
//	 ├─ sendAll ×16  acknowledgements
//	 └─ report       outcomes of calls to Incoming
//
// Three contexts lie in each other: all of the epoch, its calls, and (ending
// before the calls do) its stream.
type epoch struct {
	c      *Conn
	n      int
	log    *logrus.Entry
	outbox *outbox
	done   chan struct{} // closed when no goroutine of this epoch and of earlier ones is left

	ctx       context.Context // ends when the epoch is replaced, or with the Conn
	cancel    context.CancelFunc
	calls     context.Context // ends a while after the stream
	stopCalls context.CancelFunc
	stream    context.Context // its cause says why the stream ended
	end       context.CancelCauseFunc

	at     atomic.Pointer[string] // host:port being talked to; before that, all that was configured
	reason atomic.Pointer[error]  // why there is no subscription, nil if there is; before that, a leader is waited for
	asked  string                 // host:port that the leaders gave; owned by run
	led    string                 // who was last known to lead; watchLeader's, and run's before and after that
	sub    subscription           // set before the senders start
	began  bool                   // SUBSCRIBED came; owned by run
	active sync.WaitGroup         // senders, and the watch for another leader
	told   chan struct{}          // closed by tell
	tell   func()                 // SUBSCRIBED has been handed on, or never will be: outcomes may follow
}

// deadEpoch is the one before the first: calls are dropped.
func (c *Conn) deadEpoch() *epoch {
	nowhere := c.masters.String()
	e := &epoch{c: c, outbox: newOutbox(0, 0), done: make(chan struct{}), cancel: func() {}, end: func(error) {}}
	e.at.Store(&nowhere)
	e.outbox.close()
	close(e.done)
	return e
}

func (c *Conn) startEpoch(before *epoch, call *scheduler.Call) *epoch {
	nowhere := c.masters.String()
	e := &epoch{
		c:      c,
		n:      before.n + 1,
		outbox: newOutbox(c.limits.calls, c.limits.acks),
		done:   make(chan struct{}),
		told:   make(chan struct{}),
	}
	e.tell = sync.OnceFunc(func() { close(e.told) })
	e.log = c.log.WithField("epoch", e.n)
	e.at.Store(&nowhere)
	e.ctx, e.cancel = context.WithCancel(c.ctx)
	e.calls, e.stopCalls = context.WithCancel(e.ctx)
	e.stream, e.end = context.WithCancelCause(e.ctx)
	go e.run(before, call)
	return e
}

// addr is the master that is being talked to, or where one is looked for.
func (e *epoch) addr() string { return *e.at.Load() }

func (e *epoch) run(before *epoch, call *scheduler.Call) {
	defer close(e.done)
	defer e.cancel()
	<-before.done // so that nothing of it comes after what is ours

	var report sync.WaitGroup
	report.Go(e.report)
	down := e.follow(call)
	e.log.WithError(down).Debug("stream ended")
	if !e.began {
		e.c.hear(scheduler.Call_SUBSCRIBE, down)
	}
	e.end(down)
	e.tell()

	// A master that tears us down may close the stream before it answers the
	// TEARDOWN, so what is in flight is waited for.
	e.outbox.close()
	late := time.AfterFunc(e.c.limits.grace, e.stopCalls)
	e.active.Wait()
	late.Stop()
	e.outbox.end()
	report.Wait()
	e.reason.Store(&down)
	e.c.deliver(e.ctx, Incoming{Epoch: e.n, Down: down})
	if to := e.otherLeader(e.ctx); to != "" {
		e.log.WithField("master", to).Debug("another leader is known")
		e.c.deliver(e.ctx, Incoming{Epoch: e.n, Moved: true})
	}
}

// watchLeader ends the stream when another master leads than the one that is
// talked to.
func (e *epoch) watchLeader() {
	if to := e.otherLeader(e.stream); to != "" {
		e.end(fmt.Errorf("the leader changed from %s to %s", e.addr(), to))
	}
}

// otherLeader waits for news of a leader that is not talked to; nobody when ctx
// has ended. Who is talked to may be there by a redirect, before it is known to
// lead.
func (e *epoch) otherLeader(ctx context.Context) string {
	for {
		to := e.c.leaders.moved(ctx, e.led)
		if to != e.addr() {
			return to
		}
		e.led = to
	}
}

// waits notes why there is no subscription yet.
func (e *epoch) waits(why error) {
	why = &Unreachable{Addr: e.addr(), Err: why}
	e.reason.Store(&why)
}

// start lets calls leave.
func (e *epoch) start(sub subscription) {
	e.sub, e.began = sub, true
	e.c.hear(scheduler.Call_SUBSCRIBE, nil)
	e.active.Go(func() { e.sendAll(false) })
	for range e.c.limits.workers {
		e.active.Go(func() { e.sendAll(true) })
	}
}

func (e *epoch) sendAll(ack bool) {
	for {
		call, ok := e.outbox.take(ack)
		if !ok {
			return
		}
		err := e.send(call)
		if err != nil {
			e.log.WithError(err).WithField("call", call.Type.String()).Debug("call failed")
		}
		e.c.hear(call.Type, err)
		e.outbox.answered(outcome{call, ack, err})
	}
}

func (c *Conn) hear(kind scheduler.Call_Type, err error) {
	if c.called != nil {
		c.called(kind, err)
	}
}

// report hands outcomes on, none before SUBSCRIBED. It is not the senders who
// do it, so that a reader who does not read holds no call back.
func (e *epoch) report() {
	<-e.told
	for {
		out, ok := e.outbox.outcome()
		if !ok {
			return
		}
		e.c.deliver(e.ctx, Incoming{Epoch: e.n, Call: out.call, Err: out.err})
		e.outbox.read(out)
	}
}
