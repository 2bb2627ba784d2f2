package mesosapi

import (
	"net"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Each SUBSCRIBE that is not taken makes the next of the list have its turn;
// one that was taken is remembered.
func TestListOfMasters(t *testing.T) {
	noLeader, leader := newFake(t, false), newFake(t, false)
	noLeader.subscribe = func(s *stream) { s.w.WriteHeader(503); s.raw("No leader elected") }
	end := make(chan struct{}, 1)
	leader.subscribe = func(s *stream) { s.open(); s.subscribed(15); <-end }
	dead, second, third := nobody(t), noLeader.start(), leader.start()
	c := connect(t, dead+","+second+","+third, Config{})
	if c.Page() != "http://"+dead+"/" {
		t.Errorf("page %s", c.Page())
	}
	c.Subscribe(subscribe())
	wantUnreachable(t, wantDown(t, c), dead)
	c.Subscribe(subscribe())
	wantUnreachable(t, wantDown(t, c), "No leader elected")
	for range 2 { // the one that took it is asked again
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		end <- struct{}{}
		wantUnreachable(t, wantDown(t, c), third)
	}
	if c.Page() != "http://"+third+"/" {
		t.Errorf("page %s", c.Page())
	}
	leader.subscribe = noLeader.subscribe
	for _, want := range []string{third, dead, second, third} { // and round
		c.Subscribe(subscribe())
		wantUnreachable(t, wantDown(t, c), want)
	}
}

// A leader that a redirect named is asked first from then on, if it is one of
// the list; a redirect into the void counts against the one who sent us there.
func TestListAndRedirects(t *testing.T) {
	first, leader := newFake(t, false), newFake(t, false)
	atLeader, dead := leader.start(), nobody(t)
	first.subscribe = redirectTo("//" + dead)
	atFirst := first.start()
	c := connect(t, atFirst+","+atLeader, Config{})
	c.Subscribe(subscribe())
	wantUnreachable(t, wantDown(t, c), dead)
	if at, err := c.leaders.next(t.Context()); at != atLeader || err != nil {
		t.Errorf("%s is next", at)
	}
	c.leaders.tried(atLeader, "")
	first.subscribe = redirectTo("//" + atLeader)
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if at, err := c.leaders.next(t.Context()); at != atLeader || err != nil {
		t.Errorf("%s is next, not the leader", at)
	}
	c.leaders.tried(atLeader, dead) // a leader from outside the list
	if at, _ := c.leaders.next(t.Context()); at != atLeader {
		t.Errorf("%s is next", at)
	}
}

// A SUBSCRIBE that we gave up ourselves is no failure of its master.
func TestReplacedSubscribeKeepsItsMaster(t *testing.T) {
	slow := newFake(t, false)
	asked := make(chan struct{})
	slow.subscribe = func(s *stream) { asked <- struct{}{}; s.hold() }
	c := connect(t, slow.start()+","+nobody(t), Config{})
	for range 3 {
		c.Subscribe(subscribe())
		<-asked
	}
}

func TestMastersAreCanonical(t *testing.T) {
	if got, err := ParseMasters("https://a/,b"); got.String() != "https://a:5050,b:5050" || err != nil {
		t.Errorf("got %s %v", got, err)
	}
	if got, err := ParseMasters("zk://u:hush@z/m/"); got.String() != "zk://z:2181/m" || err != nil {
		t.Errorf("got %s %v", got, err)
	}
}

// A master that falls silent is not the first to be asked again.
func TestListAfterSilence(t *testing.T) {
	a, b := newFake(t, false), newFake(t, false)
	atA, atB := a.start(), b.start()
	a.subscribe = func(s *stream) {
		s.open()
		s.subscribed(0.1)
		s.hold()
	}
	c := connect(t, atA+","+atB, Config{})
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	wantUnreachable(t, wantDown(t, c), "no event for 0.5s")
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if c.Page() != "http://"+atB+"/" {
		t.Errorf("page %s", c.Page())
	}
}

// Mesos repeats its status in the body.
func TestStatus(t *testing.T) {
	for words, want := range map[string]string{"": "401 Unauthorized", "401 Unauthorized.": "401 Unauthorized", "who?": "401 Unauthorized: who?"} {
		if got := status(401, words); got != want {
			t.Errorf("%q: %s", words, got)
		}
	}
}
