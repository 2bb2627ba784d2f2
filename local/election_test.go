package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// ensemble stands for ZooKeeper: it numbers nodes, and ends a session that it
// has not heard of for the session's timeout.
type ensemble struct {
	mu       sync.Mutex
	next     int
	sessions []*fakeGroup
	lag      time.Duration // of what it answers
	down     bool          // it answers nothing, and the clients notice
	deaf     bool          // it answers nothing, and nobody notices
	denies   error         // what it answers to a new node
}

// fakeGroup is a session with it.
type fakeGroup struct {
	*ensemble
	ctx     context.Context
	notify  func(error)
	timeout time.Duration
	expiry  *time.Timer

	node    string // "": none
	data    []byte
	watches bool
	mute    bool // what it asks arrives, and the answer does not
}

var errDown = errors.New("connection lost")

func (e *ensemble) dial(ctx context.Context, timeout time.Duration, notify func(error)) (group, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return nil, errDown
	}
	g := &fakeGroup{ensemble: e, ctx: ctx, notify: notify, timeout: timeout}
	g.expiry = time.AfterFunc(timeout, func() { e.expire(g) })
	e.sessions = append(e.sessions, g)
	return g, nil
}

// expire ends a session on the server's side.
func (e *ensemble) expire(g *fakeGroup) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g.expiry.Stop()
	if i := slices.Index(e.sessions, g); i >= 0 {
		e.sessions = slices.Delete(e.sessions, i, i+1)
		e.change()
	}
}

// change notifies whoever watches.
func (e *ensemble) change() {
	for _, g := range e.sessions {
		if g.watches && !e.down && !e.deaf {
			g.watches = false
			go g.notify(nil)
		}
	}
}

// arrive is the way of a question to the server, and answer the way back.
func (g *fakeGroup) arrive() error {
	if g.deaf && !g.down {
		g.mu.Unlock()
		<-g.ctx.Done()
		g.mu.Lock()
	}
	switch {
	case g.ctx.Err() != nil:
		return g.ctx.Err()
	case g.down:
		return errDown
	case !slices.Contains(g.sessions, g):
		g.notify(errExpired)
		return errExpired
	}
	g.expiry.Reset(g.timeout)
	return nil
}

func (g *fakeGroup) answer() error {
	lag := time.After(g.lag)
	if g.mute {
		lag = nil
	} else if g.lag == 0 {
		return nil
	}
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-lag:
		return nil
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

func (g *fakeGroup) enter(data []byte) (string, time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.arrive(); err != nil {
		return "", 0, err
	}
	if g.denies != nil {
		return "", 0, &denial{g.denies}
	}
	g.node, g.data = fmt.Sprintf("json.info_%010d", g.next), data
	g.next++
	g.change()
	return g.node, g.timeout, g.answer()
}

func (g *fakeGroup) members(watch bool) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.arrive(); err != nil {
		return nil, err
	}
	nodes := []string{"log_replicas"}
	for _, s := range g.sessions {
		if s.node != "" {
			nodes = append(nodes, s.node)
		}
	}
	slices.Reverse(nodes) // they come in no order
	g.watches = g.watches || watch
	return nodes, g.answer()
}

func (g *fakeGroup) read(name string) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.arrive(); err != nil {
		return nil, err
	}
	for _, s := range g.sessions {
		if s.node == name {
			return s.data, g.answer()
		}
	}
	return nil, errNoNode
}

func (g *fakeGroup) close() {
	g.mu.Lock()
	gone := g.down || g.deaf
	g.mu.Unlock()
	if !gone {
		g.expire(g)
	}
}

// set changes how the ensemble behaves.
func (e *ensemble) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// session is the one that has a node.
func (e *ensemble) session(node string) *fakeGroup {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range e.sessions {
		if g.node == node {
			return g
		}
	}
	return nil
}

// contender is a master as far as an election is concerned.
type contender struct {
	at   string
	stop context.CancelFunc

	mu     sync.Mutex
	latest leader
	lost   error
}

func (c *contender) leader() leader {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

func (c *contender) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

func (c *contender) set(l leader, lost error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = l
	c.lost = cmp.Or(lost, c.lost)
}

const testSession = 10 * time.Second

// stands starts a candidate; it ends with the test at the latest.
func stands(t *testing.T, e *ensemble, port uint16) *contender {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	c := &contender{at: at.String()}
	x := &election{
		dial: e.dial, data: announce(fmt.Sprint("id-", port), at), timeout: testSession, retry: time.Second,
		tell: func(l leader) { c.set(l, nil) }, lost: func(err error) { c.set(leader{}, err) }, log: logrus.NewEntry(quiet),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	c.stop = func() { cancel(); <-ended; c.set(leader{}, nil) } // its cluster has ended before
	go func() { defer close(ended); x.run(ctx) }()
	synctest.Wait()
	return c
}

// after lets time go by, until everybody waits for more of it.
func after(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ensemble{}
		a, b, c := stands(t, e, 1), stands(t, e, 2), stands(t, e, 3)
		want := func(who *contender, l leader) {
			t.Helper()
			if who.leader() != l || who.end() != nil {
				t.Fatalf("%s: %+v, %v; want %+v", who.at, who.leader(), who.end(), l)
			}
		}
		me := leader{me: true}
		want(a, me)
		want(b, leader{other: a.at})
		want(c, leader{other: a.at})
		b.stop() // nothing changes
		after(time.Second)
		want(a, me)
		want(c, leader{other: a.at})
		a.stop()
		after(0)
		want(c, me)
		d := stands(t, e, 4)
		want(d, leader{other: c.at})
		g := e.session("json.info_0000000002")
		e.set(func() { g.watches = false }) // a watch that is lost is made up for
		e.expire(g)
		after(testSession)
		want(d, me)
		if c.end() == nil || c.leader() != (leader{}) {
			t.Errorf("who lost its session: %+v, %v", c.leader(), c.end())
		}
	})
}

// TestElectionLost ends a leader as soon as it cannot be sure to lead, and
// never later than ZooKeeper lets another one lead.
func TestElectionLost(t *testing.T) {
	older := &fakeGroup{node: "json.info_-000000001", expiry: time.NewTimer(time.Hour)}
	for name, tt := range map[string]struct {
		fault func(e *ensemble)
		why   string
		most  time.Duration
	}{
		"down":    {func(e *ensemble) { e.down = true }, errSilence.Error(), testSession},
		"deaf":    {func(e *ensemble) { e.deaf = true }, errSilence.Error(), testSession},
		"mute":    {func(e *ensemble) { e.sessions[0].mute = true }, errSilence.Error(), testSession},
		"expired": {func(e *ensemble) { e.sessions = e.sessions[1:] }, errExpired.Error(), testSession / 4},
		"removed": {func(e *ensemble) { e.sessions[0].node = ""; e.change() }, errRemoved.Error(), 0},
		"another": {func(e *ensemble) { e.sessions = append(e.sessions, older); e.change() }, "comes before ours", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &ensemble{}
				older.notify = func(error) {}
				a := stands(t, e, 1)
				after(time.Second)
				if !a.leader().me {
					t.Fatal("does not lead", a.leader())
				}
				e.set(func() { tt.fault(e) })
				after(tt.most)
				if a.end() == nil || !strings.Contains(a.end().Error(), tt.why) || a.leader() != (leader{}) {
					t.Errorf("after %s: %v, %+v", tt.most, a.end(), a.leader())
				}
				e.set(func() { e.down, e.deaf, e.sessions = false, false, nil })
			})
		})
	}
}

// TestElectionFollower is about one that does not lead: it stands again,
// whatever happens, unless it is not let in.
func TestElectionFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ensemble{down: true}
		b := stands(t, e, 2)
		after(time.Minute)
		if b.end() != nil || b.leader() != (leader{}) {
			t.Fatal("without ZooKeeper:", b.end(), b.leader())
		}
		e.set(func() { e.down = false })
		after(time.Second)
		if !b.leader().me {
			t.Fatal("ZooKeeper is there and it does not lead")
		}
		c := stands(t, e, 3)
		e.expire(e.session("json.info_0000000001"))
		after(testSession)
		if c.leader() != (leader{other: b.at}) || c.end() != nil || e.session("json.info_0000000002") == nil {
			t.Error("after its session ended:", c.leader(), c.end())
		}
		e.set(func() { e.down = true })
		after(testSession)
		if c.leader() != (leader{}) || c.end() != nil || b.end() == nil {
			t.Error("without ZooKeeper:", c.leader(), c.end(), b.end())
		}
		e.set(func() { e.down, e.denies = false, errors.New("not authenticated") })
		after(time.Minute)
		if c.end() == nil || !strings.Contains(c.end().Error(), "not authenticated") {
			t.Error("let in:", c.end())
		}
	})
}

// TestElectionUnreadable: a node that nobody can read may be of a master that
// leads, so nobody else does.
func TestElectionUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ensemble{}
		e.sessions = append(e.sessions, &fakeGroup{ensemble: e, node: "0000000000", data: []byte("master@127.0.0.1:5050"), expiry: time.NewTimer(time.Hour)})
		e.next = 1
		b := stands(t, e, 2)
		if b.leader() != (leader{}) || b.end() != nil {
			t.Error(b.leader(), b.end())
		}
		e.expire(e.sessions[0])
		after(testSession)
		if !b.leader().me {
			t.Error("does not lead", b.leader())
		}
	})
}

// TestElectionNeverTwo lets everything go wrong in a random order: no two
// masters lead at the same time, and in the end one does.
func TestElectionNeverTwo(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			e := &ensemble{}
			random := rand.New(rand.NewPCG(seed, 1))
			var all []*contender
			changes, was := 0, -1
			check := func() {
				leading := -1
				for i, c := range all {
					if c.leader().me && leading >= 0 {
						t.Fatalf("seed %d: %d and %d lead", seed, leading, i)
					}
					if c.leader().me {
						leading = i
					}
				}
				if leading >= 0 && leading != was {
					was = leading
					changes++
				}
			}
			for step := range 60 {
				switch n := random.IntN(9); {
				case n == 0 || len(all) < 2:
					all = append(all, stands(t, e, uint16(step+1)))
				case n == 1:
					e.set(func() { e.down = !e.down })
				case n == 2:
					e.set(func() { e.deaf = !e.deaf })
				case n == 3:
					e.muteOne(random)
				case n == 4: // ZooKeeper ends a session that it does not hear of
					if g := e.muteOne(random); g != nil {
						after(g.timeout)
						e.expire(g)
					}
				case n == 5:
					e.set(func() { e.lag = time.Duration(random.Int64N(int64(testSession))) * time.Duration(random.IntN(2)) })
				case n == 6:
					all[random.IntN(len(all))].stop()
				}
				synctest.Wait()
				for range random.IntN(40) {
					after(time.Duration(random.Int64N(int64(time.Second))))
					check()
				}
			}
			e.set(func() { e.down, e.deaf, e.lag = false, false, 0 })
			last := stands(t, e, 1000)
			after(time.Minute)
			check()
			if last.leader() == (leader{}) {
				t.Errorf("seed %d: nobody leads in the end", seed)
			}
			if changes == 0 {
				t.Errorf("seed %d: nobody ever led", seed)
			}
			for _, c := range append(all, last) {
				c.stop()
			}
		})
	}
}

// muteOne makes a session get no more answers; nil if there is none.
func (e *ensemble) muteOne(random *rand.Rand) *fakeGroup {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.sessions) == 0 {
		return nil
	}
	g := e.sessions[random.IntN(len(e.sessions))]
	g.mute = true
	return g
}
