package mesosapi

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// The queue against a plain slice.
func TestQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q queue[int]
	var model []int
	for n := range 200_000 {
		// Longer and shorter in turns, so that it is moved down and emptied.
		if grows := n/5000%2 == 0; r.IntN(10) < map[bool]int{true: 7, false: 3}[grows] {
			q.push(n)
			model = append(model, n)
		} else if len(model) > 0 {
			if got := q.pop(); got != model[0] {
				t.Fatalf("step %d: got %d, not %d", n, got, model[0])
			}
			model = model[1:]
		}
		if q.len() != len(model) {
			t.Fatalf("step %d: length %d, not %d", n, q.len(), len(model))
		}
	}
	if len(q.items) > 4*max(len(model), 5000) {
		t.Errorf("%d places for %d items", len(q.items), len(model))
	}
}

// What has left a queue is not kept alive by it.
func TestQueueLetsGo(t *testing.T) {
	var q queue[*int]
	for n := range 200 {
		q.push(&n)
	}
	for range 150 {
		q.pop()
	}
	q.push(new(int))
	kept := 0
	for _, p := range q.items[:cap(q.items)] {
		if p != nil {
			kept++
		}
	}
	if kept != q.len() {
		t.Errorf("%d of %d are kept", kept, q.len())
	}
}

// Places come free as calls are answered and outcomes read, whichever way.
func TestOutboxPlaces(t *testing.T) {
	o := newOutbox(2, 3)
	sent := errors.New("failed")
	for range 10 {
		for _, ack := range []bool{false, true} {
			for _, result := range []error{nil, sent} {
				bound := map[bool]int{false: 2, true: 3}[ack]
				for range bound {
					if err := o.put(kill(1), ack); err != nil {
						t.Fatal(err)
					}
				}
				if err := o.put(kill(1), ack); err != errFull {
					t.Fatalf("got %v beyond the bound", err)
				}
				for range bound {
					call, _ := o.take(ack)
					o.answered(outcome{call, ack, result})
				}
				if ack && result == nil {
					continue
				}
				if err := o.put(kill(1), ack); err != errFull {
					t.Fatalf("got %v with no outcome read", err)
				}
				for range bound {
					out, ok := o.outcome()
					if !ok || out.ack != ack || out.err != result {
						t.Fatalf("got %+v", out)
					}
					o.read(out)
				}
			}
		}
	}
}

// Flush with nothing to wait for tells of the last call, not of one before.
func TestFlushAfterTheLastCall(t *testing.T) {
	o := newOutbox(10, 10)
	failed := errors.New("failed")
	for _, result := range []error{failed, nil, failed} {
		o.put(kill(1), false)
		call, _ := o.take(false)
		o.answered(outcome{call, false, result})
		if err := o.flush(t.Context()); err != result {
			t.Errorf("got %v, not %v", err, result)
		}
	}
}

// What waits when the stream ends is no longer waited for.
func TestFlushEndsWithTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ack := range []bool{false, true} {
			o := newOutbox(10, 10)
			o.put(kill(1), ack)
			o.put(kill(2), ack)
			first, _ := o.take(ack)
			ended := make(chan error)
			go func() { ended <- o.flush(t.Context()) }()
			synctest.Wait()
			o.close()
			synctest.Wait()
			select {
			case err := <-ended:
				t.Fatalf("got %v while a call is in flight", err)
			default:
			}
			o.answered(outcome{first, ack, nil})
			want := errDropped
			if ack {
				want = nil
			}
			if err := <-ended; err != want {
				t.Errorf("ack %v: got %v, not %v", ack, err, want)
			}
			if _, ok := o.take(ack); ok {
				t.Error("a call leaves after the end")
			}
		}
	})
}

// A reader who gets nothing but heartbeats of old streams into the way still
// sees the epochs in order.
func TestEpochsDoNotMix(t *testing.T) {
	f := newFake(t, false)
	f.subscribe = func(s *stream) {
		s.open()
		s.subscribed(15)
		for s.r.Context().Err() == nil {
			if s.send(heartbeat) != nil {
				return
			}
		}
	}
	c := connect(t, f.start(), Config{})
	var seen []int
	for n := 1; n <= 100; n++ {
		c.Subscribe(subscribe())
		for {
			in := next(t, c)
			seen = append(seen, in.Epoch)
			if in.Epoch == n && in.Event.GetType() == scheduler.Event_HEARTBEAT {
				break
			}
		}
	}
	if !slices.IsSorted(seen) {
		t.Error("something of an old epoch came within a new one")
	}
}
