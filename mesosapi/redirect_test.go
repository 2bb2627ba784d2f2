package mesosapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestRedirect(t *testing.T) {
	both(t, func(t *testing.T, asJSON bool) {
		leader := newFake(t, asJSON)
		leaderAddr := leader.start()
		for _, location := range []string{
			"//" + leaderAddr + "/master/api/v1/scheduler", "http://" + leaderAddr + "/master/api/v1/scheduler",
			"//" + leaderAddr, leaderAddr, leaderAddr + "/api/v1/scheduler",
		} {
			first := newFake(t, asJSON)
			first.subscribe = redirectTo(location)
			auth := func(r *http.Request) { r.SetBasicAuth("ann", "secret") }
			c := connect(t, first.start(), Config{JSON: asJSON, Authorize: auth})
			c.Subscribe(subscribe())
			wantEvent(t, c, scheduler.Event_SUBSCRIBED)
			c.Send(kill(1))
			if in := next(t, c); in.Err != nil || in.Call.GetType() != scheduler.Call_KILL {
				t.Fatalf("%s: got %+v", location, in)
			}
			c.Close()
			if n := len(first.calls); n > 0 {
				t.Errorf("%s: %d calls went to the old master", location, n)
			}
			leader.mu.Lock()
			if name, _, _ := (&http.Request{Header: leader.calls[0].header}).BasicAuth(); name != "ann" {
				t.Errorf("%s: no credentials for the leader", location)
			}
			leader.calls = nil
			leader.mu.Unlock()
		}
	})
}

func redirectTo(location string) func(*stream) {
	return func(s *stream) {
		if location != "" {
			s.w.Header().Set("Location", location)
		}
		s.w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func TestRedirectToNowhere(t *testing.T) {
	stranger := newFake(t, false)
	stranger.subscribe = func(s *stream) { t.Error("followed") }
	host := stranger.start()
	for location, words := range map[string]string{
		"":                                     "no leader",
		"/":                                    "no leader",
		"/master/api/v1/scheduler":             "no leader",
		"https://" + host:                      "we speak http",
		"ftp://" + host:                        "we speak http",
		"//" + host + "/login":                 "no scheduler API",
		"http://" + host + "/?next=/":          "no scheduler API",
		"//user:pw@" + host:                    "not",
		"//:5050":                              "no host",
		"//a b":                                "not the name",
		"//" + strings.Repeat("h", 300) + ":1": "not the name",
	} {
		f := newFake(t, false)
		f.subscribe = redirectTo(location)
		c := connect(t, f.start(), Config{})
		c.Subscribe(subscribe())
		wantUnreachable(t, wantDown(t, c), words)
	}
}

func TestRedirectForEver(t *testing.T) {
	f := newFake(t, false)
	tries := 0
	var addr string
	f.subscribe = func(s *stream) { tries++; redirectTo("//" + addr)(s) }
	addr = f.start()
	c := connect(t, addr, Config{})
	c.Subscribe(subscribe())
	wantUnreachable(t, wantDown(t, c), "more than 5 redirects")
	if tries != 6 {
		t.Errorf("%d tries", tries)
	}
}

// The leader that a redirect named is not remembered: it may have fallen.
func TestSubscribeStartsAtTheConfiguredMaster(t *testing.T) {
	leader := newFake(t, false)
	leader.subscribe = func(s *stream) { s.open(); s.subscribed(15) } // and ends
	first := newFake(t, false)
	tries := make(chan struct{}, 2)
	leaderAddr := leader.start()
	first.subscribe = func(s *stream) { tries <- struct{}{}; redirectTo("//" + leaderAddr)(s) }
	c := connect(t, first.start(), Config{})
	for n := 1; n <= 2; n++ {
		c.Subscribe(subscribe())
		if in := wantEvent(t, c, scheduler.Event_SUBSCRIBED); in.Epoch != n {
			t.Errorf("epoch %d, not %d", in.Epoch, n)
		}
		wantUnreachable(t, wantDown(t, c), leaderAddr)
	}
	if len(tries) != 2 {
		t.Errorf("%d of 2 began at the configured master", len(tries))
	}
}
