package mesosapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Mesos may end the stream of a framework before it answers its TEARDOWN.
func TestTeardownAnsweredAfterTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		torn := make(chan struct{})
		f.subscribe = func(s *stream) { s.open(); s.subscribed(15); <-torn }
		f.answer = func(w http.ResponseWriter, call *received) bool {
			if call.Type == scheduler.Call_TEARDOWN {
				close(torn)
				time.Sleep(time.Second) // synctest's time
			}
			return false
		}
		c := f.inBubble(Config{})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		c.Send(teardown())
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if in := next(t, c); in.Err != nil || in.Call.GetType() != scheduler.Call_TEARDOWN {
			t.Errorf("got %+v", in)
		}
		wantUnreachable(t, wantDown(t, c), "closed the stream")
		c.Send(kill(1))
		err := c.Flush(t.Context())
		wantUnreachable(t, err, "before the call had left")
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.subscribe = func(s *stream) { s.open(); s.subscribed(600); s.hold() }
		f.answer = func(w http.ResponseWriter, call *received) bool {
			time.Sleep(time.Second) // synctest's time
			if call.GetKill().GetTaskID().Value == "13" || call.Type == scheduler.Call_ACKNOWLEDGE {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		}
		c := f.inBubble(Config{})
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("nothing to wait for: %v", err)
		}
		c.Send(kill(1))
		wantUnreachable(t, c.Flush(t.Context()), "before the call had left")

		c.Subscribe(subscribe()) // nobody reads Incoming from here on
		for n := range 2 * incoming {
			c.Send(kill(n))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after a second", err)
		}
		var gone *NotSubscribed
		if err := c.Flush(t.Context()); !errors.As(err, &gone) {
			t.Errorf("got %v, not that of the 13th", err)
		}
		c.Acknowledge(acknowledge(1))
		c.Send(kill(1))
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("got %v of what was waited for before, or of an acknowledgement", err)
		}
		c.Send(kill(13))
		time.Sleep(time.Minute) // synctest's time
		if err := c.Flush(t.Context()); !errors.As(err, &gone) {
			t.Errorf("got %v of a call that had failed already", err)
		}
	})
}

func TestTooManyCalls(t *testing.T) {
	for name, send := range map[string]func(*Conn){
		"calls": func(c *Conn) { c.Send(kill(1)) },
		"acks":  func(c *Conn) { c.Acknowledge(acknowledge(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, false)
				f.answer = func(w http.ResponseWriter, call *received) bool { time.Sleep(time.Hour); return true } // synctest's time
				c := f.inBubble(Config{})
				c.limits.calls, c.limits.acks = 20, 20
				c.Subscribe(subscribe())
				wantEvent(t, c, scheduler.Event_SUBSCRIBED)
				for range 20 {
					send(c)
				}
				synctest.Wait()
				select {
				case in := <-c.Incoming():
					t.Fatalf("got %+v with the queue just full", in)
				default:
				}
				send(c)
				for {
					in := next(t, c)
					if in.Down != nil {
						wantUnreachable(t, in.Down, "does not take our calls")
						break
					}
					wantUnreachable(t, in.Err, "") // those in flight
				}
				time.Sleep(2 * time.Hour) // until the master is done; synctest's time
			})
		})
	}
}

// An outcome keeps its place until it is read, so that a reader who only sends
// cannot fill the memory.
func TestUnreadOutcomesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		c := f.inBubble(Config{})
		c.limits.calls = incoming
		c.Subscribe(subscribe())
		down := false
		for range 3 * incoming {
			c.Send(kill(1))
			synctest.Wait()
			down = down || c.current.stream.Err() != nil
		}
		if !down {
			t.Error("the outcomes pile up without a bound")
		}
	})
}

// A call belongs to the stream it was queued on: what the old one still held
// never leaves, and nothing of it is heard again.
func TestSubscribeAgainDropsTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.answer = func(w http.ResponseWriter, call *received) bool {
			if call.GetKill().GetTaskID().Value == "1" {
				time.Sleep(5 * time.Second) // synctest's time
			}
			return false
		}
		c := f.inBubble(Config{})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		c.Send(kill(1)) // in flight
		c.Send(kill(2)) // waits behind it
		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(t.Context()) }()
		synctest.Wait()
		if n := c.Subscribe(subscribe()); n != 2 {
			t.Errorf("epoch %d", n)
		}
		c.Send(kill(3))
		if err := <-flushed; err == nil {
			t.Error("Flush has not noticed")
		}
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		if in := next(t, c); in.Epoch != 2 || in.Err != nil || in.Call.GetKill().GetTaskID().Value != "3" {
			t.Errorf("got %+v", in)
		}
		time.Sleep(10 * time.Second) // synctest's time
		synctest.Wait()
		if len(f.calls) != 2 || f.calls[1].Kill.TaskID.Value != "3" {
			t.Errorf("%d calls came", len(f.calls))
		}
		if f.calls[0].header.Get("Mesos-Stream-Id") == f.calls[1].header.Get("Mesos-Stream-Id") {
			t.Error("one stream id for both")
		}
		select {
		case in := <-c.Incoming():
			t.Errorf("got %+v", in)
		default:
		}
	})
}

// Whatever happens at once, a call carries the id of its own stream.
func TestStreamIDsUnderResubscription(t *testing.T) {
	const epochs, calls = 30, 20
	f := newFake(t, false)
	var mu sync.Mutex
	ids := map[string]int{} // by the order of streams
	f.subscribe = func(s *stream) {
		mu.Lock()
		ids[s.id] = len(ids) + 1
		mu.Unlock()
		s.open()
		s.subscribed(15)
		s.hold()
	}
	c := connect(t, f.start(), Config{})
	for n := 1; n <= epochs; n++ {
		c.Subscribe(subscribe())
		if n%2 == 0 { // every other one is replaced before it lives
			for in := next(t, c); in.Epoch != n; in = next(t, c) {
			}
		}
		for range calls {
			c.Send(kill(n))
			c.Acknowledge(acknowledge(n))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	streams := map[string]string{} // stream id by epoch
	for _, call := range f.waitCalls(2 * calls) {
		epoch := call.GetKill().GetTaskID().Value + call.GetAcknowledge().GetTaskID().Value
		id := call.header.Get("Mesos-Stream-Id")
		if known, ok := streams[epoch]; ok && known != id {
			t.Errorf("calls of epoch %s left on two streams", epoch)
		}
		streams[epoch] = id
	}
	taken := map[string]bool{}
	for epoch, id := range streams {
		if taken[id] {
			t.Errorf("epoch %s used the stream of another", epoch)
		}
		taken[id] = true
	}
}
