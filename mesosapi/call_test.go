package mesosapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

func TestCallsInOrderAcksInParallel(t *testing.T) {
	both(t, func(t *testing.T, asJSON bool) {
		const kills, acks = 100, 1000
		f := newFake(t, asJSON)
		c := connect(t, f.start(), Config{JSON: asJSON})
		c.Subscribe(subscribe())
		for n := range acks { // before SUBSCRIBED: they wait for it
			c.Acknowledge(acknowledge(n))
			if n%(acks/kills) == 0 {
				c.Send(kill(n / (acks / kills)))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := c.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		for n := range kills {
			in := next(t, c)
			if in.Err != nil || in.Epoch != 1 || in.Call.GetKill().GetTaskID().Value != fmt.Sprint(n) {
				t.Fatalf("outcome %d is %+v", n, in)
			}
		}
		kill, from, seen := 0, map[string]bool{}, map[string]bool{}
		for _, call := range f.waitCalls(kills + acks) {
			from[call.from] = true
			switch call.Type {
			case scheduler.Call_KILL:
				if got := call.Kill.TaskID.Value; got != fmt.Sprint(kill) {
					t.Fatalf("kill %d is of %s", kill, got)
				}
				kill++
			case scheduler.Call_ACKNOWLEDGE:
				if len(call.Acknowledge.UUID) != 16 {
					t.Errorf("uuid %x", call.Acknowledge.UUID)
				}
				seen[call.Acknowledge.TaskID.Value] = true
			}
		}
		if kill != kills || len(seen) != acks {
			t.Errorf("%d kills and %d different acknowledgements came", kill, len(seen))
		}
		// net/http may dial one more than it comes to need, now and then.
		if most := 3 * defaultLimits.workers; len(from) > most {
			t.Errorf("%d connections for %d calls", len(from), kills+acks)
		}
	})
}

// The second acknowledgement is answered although the first hangs; the second
// call is not even sent.
func TestWhatWaitsForWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.answer = func(w http.ResponseWriter, call *received) bool {
			if call.GetAcknowledge().GetTaskID().Value == "1" || call.GetKill().GetTaskID().Value == "1" {
				time.Sleep(5 * time.Second) // synctest's time
			}
			return false
		}
		c := f.inBubble(Config{})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		for n := 1; n <= 2; n++ {
			c.Acknowledge(acknowledge(n))
			c.Send(kill(n))
		}
		synctest.Wait()
		if n := len(f.calls); n != 3 {
			t.Errorf("%d calls came at once, not both acknowledgements and one kill", n)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(f.calls); n != 4 {
			t.Errorf("%d calls came, not 4", n)
		}
	})
}

// However fast the answer, SUBSCRIBED is the first thing heard of an epoch.
func TestNoOutcomeBeforeSubscribed(t *testing.T) {
	c := connect(t, newFake(t, false).start(), Config{})
	for n := 1; n <= 300; n++ {
		c.Subscribe(subscribe())
		c.Send(kill(n))
		in := next(t, c)
		for in.Epoch != n {
			in = next(t, c)
		}
		if in.Event.GetType() != scheduler.Event_SUBSCRIBED {
			t.Fatalf("epoch %d begins with %+v", n, in)
		}
		if in = next(t, c); in.Err != nil || in.Call.GetType() != scheduler.Call_KILL {
			t.Fatalf("epoch %d goes on with %+v", n, in)
		}
	}
}

func TestCallAnswers(t *testing.T) {
	const n, r, u = "not subscribed", "refused", "unreachable"
	for _, tt := range []struct {
		code int
		body string
		want string // empty: taken
	}{
		{202, "", ""}, {200, "", ""}, {202, strings.Repeat("unasked ", 100_000), ""},
		{403, "Framework is not subscribed", n},
		{400, "Framework cannot be found\n", n},
		{400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header", n},
		{400, "The stream ID 'x' included in this request didn't match the stream ID currently associated", n},
		{307, "", n},
		{400, "Failed to validate\nscheduler::Call:\x1b[31m \x00 Expecting 'kill' to be present", r},
		{400, strings.Repeat("long ", 10_000), r},
		{401, "", r}, {405, "", r}, {413, "", r}, {415, "", r},
		{404, "", u}, {429, "", u}, {500, "", u}, {501, "", u}, {503, "", u}, {302, "", u}, {204, "", u},
	} {
		t.Run(fmt.Sprintf("%d %.10q", tt.code, tt.body), func(t *testing.T) {
			f := newFake(t, false)
			f.answer = func(w http.ResponseWriter, call *received) bool {
				w.Header().Set("Location", "//leader.example:5050/master/api/v1/scheduler")
				w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-scheduler"`)
				w.WriteHeader(tt.code)
				io.WriteString(w, tt.body)
				return true
			}
			c := connect(t, f.start(), Config{})
			c.Subscribe(subscribe())
			wantEvent(t, c, scheduler.Event_SUBSCRIBED)
			c.Send(kill(1))
			checkCallError(t, next(t, c).Err, tt.want, tt.code)
			c.Acknowledge(acknowledge(1))
			if tt.want != "" {
				checkCallError(t, next(t, c).Err, tt.want, tt.code)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.Flush(ctx); err != nil {
				t.Error(err)
			}
			select {
			case in := <-c.Incoming():
				t.Errorf("got %+v of a good acknowledgement", in)
			default:
			}
		})
	}
}

func checkCallError(t *testing.T, err error, want string, code int) {
	t.Helper()
	got, words, status := "", "", 0
	var n *NotSubscribed
	var r *Refused
	var u *Unreachable
	switch {
	case errors.As(err, &n):
		got, words, status = "not subscribed", n.Message, n.Status
	case errors.As(err, &r):
		got, words, status = "refused", r.Message, r.Status
		if (r.Realm == "mesos-master-scheduler") != (code == 401) {
			t.Errorf("realm %q", r.Realm)
		}
	case errors.As(err, &u):
		got, words, status = "unreachable", u.Err.Error(), code
	case err != nil:
		t.Errorf("%T is none of ours", err)
	}
	if got != want || want != "" && status != code {
		t.Errorf("got %q %d (%v), not %q %d", got, status, err, want, code)
	}
	if len(words) > 4<<10 || strings.ContainsAny(words, "\n\x00\x1b") {
		t.Errorf("words are not one printable line: %q", words)
	}
}

func TestCallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.answer = func(w http.ResponseWriter, call *received) bool { time.Sleep(time.Minute); return false } // synctest's time
		c := f.inBubble(Config{})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		begin := time.Now()
		c.Send(kill(1))
		in := next(t, c)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		wantUnreachable(t, in.Err, "no answer to KILL within 10s")
		if !errors.Is(in.Err, context.DeadlineExceeded) || in.Call.GetType() != scheduler.Call_KILL {
			t.Errorf("got %+v", in)
		}
		time.Sleep(time.Minute) // until the master is done with it; synctest's time
	})
}

func TestAuthorizeAndLog(t *testing.T) {
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetLevel(logrus.DebugLevel)
	logger.SetOutput(&log)
	f := newFake(t, false)
	f.answer = func(w http.ResponseWriter, call *received) bool { w.WriteHeader(http.StatusForbidden); return true }
	c := connect(t, f.start(), Config{
		Authorize: func(r *http.Request) { r.SetBasicAuth("ann", "hunter2") },
		Log:       logrus.NewEntry(logger),
	})
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	c.Send(kill(1))
	in := next(t, c)
	c.Close()
	if name, secret, ok := (&http.Request{Header: f.waitCalls(1)[0].header}).BasicAuth(); !ok || name != "ann" || secret != "hunter2" {
		t.Errorf("came as %q %q", name, secret)
	}
	for _, where := range []string{log.String(), in.Err.Error()} {
		if strings.Contains(where, "hunter2") || strings.Contains(where, "aHVudGVyMg") || !strings.Contains(where, "403") {
			t.Errorf("said: %s", where)
		}
	}
}

// An acknowledgement on a kept-alive connection that the master has closed is
// sent again on another; an ACCEPT is not.
func TestClosedKeptAliveConnection(t *testing.T) {
	for _, tt := range []struct {
		call *scheduler.Call
		ok   bool
	}{
		{kill(2), true},
		{&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: &scheduler.Call_Accept{}}, false},
	} {
		f := newFake(t, false)
		f.answer = func(w http.ResponseWriter, call *received) bool {
			if len(f.waitCalls(1)) != 2 {
				return false
			}
			// As if it had been idle and was closed just now.
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				conn.Close()
			}
			return true
		}
		c := connect(t, f.start(), Config{})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		c.Send(kill(1))
		if in := next(t, c); in.Err != nil {
			t.Fatal(in.Err)
		}
		c.Send(tt.call)
		in := next(t, c)
		if ok := in.Err == nil; ok != tt.ok {
			t.Errorf("%s: got %v", tt.call.Type, in.Err)
		}
		if n, want := len(f.waitCalls(1)), map[bool]int{true: 3, false: 2}[tt.ok]; n != want {
			t.Errorf("%s: %d calls came, not %d", tt.call.Type, n, want)
		}
	}
}
