package mesosapi

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// synctest fails a test that leaves a goroutine, ours or net/http's, so what
// these want is only that Close returns, and at once.
func TestCloseInEveryPhase(t *testing.T) {
	open := func(s *stream) { s.open(); s.subscribed(15) }
	flood := func(s *stream) {
		open(s)
		for s.send(heartbeat) == nil {
		}
	}
	never := func(w http.ResponseWriter, call *received) bool { <-time.After(time.Minute); return true }
	ready := func(t *testing.T, c *Conn) {
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	}
	for _, tt := range []struct {
		name   string
		script func(*stream)
		answer func(http.ResponseWriter, *received) bool
		do     func(*testing.T, *Conn)
	}{
		{"before Subscribe", nil, nil, func(*testing.T, *Conn) {}},
		{"dialling", nil, nil, func(t *testing.T, c *Conn) {
			c.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-c.ctx.Done()
				return nil, c.ctx.Err()
			}
			c.Subscribe(subscribe())
		}},
		{"waiting for an answer", (*stream).hold, nil, func(t *testing.T, c *Conn) { c.Subscribe(subscribe()) }},
		{"waiting for SUBSCRIBED", func(s *stream) { s.open(); s.hold() }, nil, func(t *testing.T, c *Conn) {
			c.Subscribe(subscribe())
			c.Send(kill(1))
			c.Acknowledge(acknowledge(1))
		}},
		{"subscribed", nil, nil, ready},
		{"within an event", func(s *stream) { open(s); s.raw("100\nabc"); s.hold() }, nil, ready},
		{"nobody reads", flood, nil, func(t *testing.T, c *Conn) { c.Subscribe(subscribe()) }},
		{"calls in flight", nil, never, func(t *testing.T, c *Conn) {
			ready(t, c)
			for n := range 100 {
				c.Send(kill(n))
				c.Acknowledge(acknowledge(n))
			}
		}},
		{"outcomes nobody reads", nil, nil, func(t *testing.T, c *Conn) {
			c.Subscribe(subscribe())
			for n := range 3 * incoming {
				c.Send(kill(n))
			}
		}},
		{"stream ended, end unread", func(s *stream) {
			flood := incoming - 1
			open(s)
			for range flood {
				s.send(heartbeat)
			}
		}, nil,
			func(t *testing.T, c *Conn) { c.Subscribe(subscribe()) }},
		{"stream ended, calls in flight", func(s *stream) { open(s); <-time.After(time.Second) }, never,
			func(t *testing.T, c *Conn) {
				ready(t, c)
				c.Send(kill(1))
				time.Sleep(2 * time.Second) // synctest's time
			}},
		{"replaced many times", nil, nil, func(t *testing.T, c *Conn) {
			for range 20 {
				c.Subscribe(subscribe())
				c.Send(kill(1))
			}
		}},
		{"down", func(s *stream) { s.w.WriteHeader(503) }, nil, func(t *testing.T, c *Conn) {
			c.Subscribe(subscribe())
			wantDown(t, c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, false)
				f.subscribe, f.answer = tt.script, tt.answer
				c := f.inBubble(Config{})
				tt.do(t, c)
				synctest.Wait()
				begin := time.Now()
				for range 2 {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("Close took %s", took)
				}
				if n := c.Subscribe(subscribe()); n != 0 {
					t.Errorf("Subscribe after Close gave %d", n)
				}
				c.Send(kill(1))
				c.Acknowledge(acknowledge(1))
				for len(c.Incoming()) > 0 {
					<-c.Incoming()
				}
				time.Sleep(2 * time.Minute) // until the master is done; synctest's time
				if len(c.Incoming()) > 0 {
					t.Errorf("got %+v after Close", <-c.Incoming())
				}
			})
		})
	}
}
