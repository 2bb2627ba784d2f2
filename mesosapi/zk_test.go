package mesosapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/zookeeper"
)

// tree is a ZooKeeper of one path in memory.
type tree struct {
	mu      sync.Mutex
	nodes   map[string]string // nil: the path is not there
	watches []chan zk.Event
	err     error  // of everything
	vanish  string // is gone when it is read, though it was listed
}

func (f *tree) ChildrenW(string) ([]string, <-chan zk.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, nil, f.err
	}
	if f.nodes == nil {
		return nil, nil, zk.ErrNoNode
	}
	watch := make(chan zk.Event, 1)
	f.watches = append(f.watches, watch)
	return slices.Sorted(maps.Keys(f.nodes)), watch, nil
}

func (f *tree) Get(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := strings.TrimPrefix(path, "/m/")
	data, there := f.nodes[name]
	if f.err != nil {
		return nil, f.err
	}
	if name == f.vanish || !there {
		f.vanish = ""
		delete(f.nodes, name)
		f.fire()
		return nil, zk.ErrNoNode
	}
	return []byte(data), nil
}

// fire tells the watches. The lock is held.
func (f *tree) fire() {
	for _, w := range f.watches {
		w <- zk.Event{Type: zk.EventNodeChildrenChanged, Path: "/m"}
		close(w)
	}
	f.watches = nil
}

func (f *tree) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	f.fire()
}

func at(host string) string {
	return fmt.Sprintf(`{"address":{"ip":"10.0.0.%s","port":5050},"hostname":"m%s"}`, host, host)
}

func silent() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

// following follows f until the test ends; the channel gives how that ended.
func following(t *testing.T, f *tree, lost chan struct{}) (*zkLeaders, <-chan error) {
	m, err := ParseMasters("zk://z/m")
	if err != nil {
		t.Fatal(err)
	}
	z := newZKLeaders(m.zk, false, silent())
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() {
		ended <- z.follow(ctx, f, lost, func() { t.Error("stuck") })
	}()
	synctest.Wait()
	return z, ended
}

func wantLeader(t *testing.T, z *zkLeaders, want string) {
	t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	got, err := z.next(ctx)
	if strings.HasPrefix(want, "10.") {
		if got != want || err != nil {
			t.Errorf("got %q %v, not %q", got, err, want)
		}
	} else if err == nil || got != "" || !strings.Contains(err.Error(), want) {
		t.Errorf("got %q %v, not an error with %q", got, err, want)
	}
}

// The life of a cluster: nobody, one, two, failover, all gone, back again.
func TestFollowZooKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tree{}
		z, _ := following(t, f, nil)
		wantLeader(t, z, "ZooKeeper has no /m")
		f.change(func() { f.nodes = map[string]string{} })
		time.Sleep(zkAgain) // synctest's time, here and below
		wantLeader(t, z, "no master leads: none is registered in ZooKeeper below /m")
		f.change(func() { f.nodes["log_replicas"] = "" })
		wantLeader(t, z, "no master leads")
		f.change(func() { f.nodes["json.info_0000000009"] = at("9") })
		wantLeader(t, z, "10.0.0.9:5050")
		f.change(func() { f.nodes["json.info_0000000010"] = at("10"); f.nodes["json.info_8x"] = at("8") })
		wantLeader(t, z, "10.0.0.9:5050")
		f.change(func() { delete(f.nodes, "json.info_0000000009") })
		wantLeader(t, z, "10.0.0.10:5050")
		f.change(func() { delete(f.nodes, "json.info_0000000010") })
		wantLeader(t, z, "no master leads")
		f.change(func() { f.nodes["json.info_0000000011"] = "{" })
		wantLeader(t, z, "/m/json.info_0000000011 in ZooKeeper is no MasterInfo")
		f.change(func() { f.nodes["json.info_0000000011"] = at("11") }) // it is written once, but who knows
		wantLeader(t, z, "10.0.0.11:5050")
		f.change(func() { f.nodes = nil })
		wantLeader(t, z, "ZooKeeper has no /m")
	})
}

// The node that leads is gone between the list and the read.
func TestLeaderVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tree{nodes: map[string]string{"json.info_1": at("1"), "json.info_2": at("2")}, vanish: "json.info_1"}
		z, _ := following(t, f, nil)
		wantLeader(t, z, "10.0.0.2:5050")
	})
}

func TestZooKeeperForbids(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tree{err: zk.ErrNoAuth, nodes: map[string]string{"json.info_1": at("1")}}
		z, _ := following(t, f, nil)
		wantLeader(t, z, "ZooKeeper does not let us read /m")
		f.change(func() { f.err = nil }) // somebody repairs the rights
		time.Sleep(zkAgain)
		wantLeader(t, z, "10.0.0.1:5050")
	})
}

// What ends a session is an error, and the leader that was known stays.
func TestSessionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tree{nodes: map[string]string{"json.info_1": at("1")}}
		z, ended := following(t, f, nil)
		wantLeader(t, z, "10.0.0.1:5050")
		f.change(func() { f.err = zk.ErrSessionExpired })
		err := <-ended
		if !errors.Is(err, zk.ErrSessionExpired) {
			t.Errorf("got %v", err)
		}
		z.trouble(err)
		wantLeader(t, z, "10.0.0.1:5050")
		f.change(func() { f.err = nil; f.nodes = map[string]string{} })
		lost := make(chan struct{})
		_, ended = following(t, f, lost)
		close(lost)
		if err := <-ended; !errors.Is(err, zookeeper.ErrLost) {
			t.Errorf("got %v", err)
		}
		z.found("", errors.New("nobody"))
		z.trouble(err)
		wantLeader(t, z, "ZooKeeper cannot be asked: zk: session")
	})
}

// next waits for a leader, moved for another one.
func TestWaitForLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tree{nodes: map[string]string{}}
		z, _ := following(t, f, nil)
		got := make(chan string)
		go func() {
			leader, err := z.next(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- leader
			got <- z.moved(t.Context(), leader)
		}()
		synctest.Wait()
		f.change(func() { f.nodes["json.info_5"] = at("5") })
		if leader := <-got; leader != "10.0.0.5:5050" {
			t.Errorf("got %s", leader)
		}
		f.change(func() { delete(f.nodes, "json.info_5") }) // nobody leads: that is no move
		synctest.Wait()
		f.change(func() { f.nodes["json.info_6"] = at("5") }) // the same master again
		synctest.Wait()
		f.change(func() { f.nodes["json.info_3"] = at("3") })
		if leader := <-got; leader != "10.0.0.3:5050" {
			t.Errorf("moved to %s", leader)
		}
	})
}

// The epoch of a stream ends when another master leads; nobody leading ends
// nothing, and neither does a leader whom a redirect had named before.
func TestLeaderChanges(t *testing.T) {
	a, b := newFake(t, false), newFake(t, false)
	z := newZKLeaders(zookeeper.Address{Servers: []string{"z:2181"}, Path: "/m"}, false, silent())
	z.stop = func() { close(z.done) }
	c := connect(t, "unused", Config{})
	c.leaders, c.limits.leader = z, 50*time.Millisecond

	c.Subscribe(subscribe())
	wantUnreachable(t, wantDown(t, c), "ZooKeeper has not answered yet")
	atA, atB := a.start(), b.start()
	z.found(atA, nil)
	wantMoved(t, c, 1)
	if n := c.Subscribe(subscribe()); n != 2 {
		t.Errorf("epoch %d", n)
	}
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if c.Page() != "http://"+atA+"/" {
		t.Errorf("page %s", c.Page())
	}
	z.found("", errors.New("nobody leads"))
	c.Send(kill(1))
	if in := next(t, c); in.Err != nil || in.Epoch != 2 {
		t.Fatalf("got %+v", in)
	}
	z.found(atB, nil)
	wantUnreachable(t, wantDown(t, c), "the leader changed from "+atA+" to "+atB)
	wantMoved(t, c, 2)

	a.subscribe = redirectTo("//" + atB)
	z.found(atA, nil)
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	z.found(atB, nil) // as the redirect said
	c.Send(kill(2))
	if in := next(t, c); in.Err != nil || in.Epoch != 3 {
		t.Fatalf("got %+v", in)
	}
	z.found(atA, nil)
	wantUnreachable(t, wantDown(t, c), "the leader changed from "+atB+" to "+atA)
}

func wantMoved(t *testing.T, c *Conn, epoch int) {
	t.Helper()
	if in := next(t, c); !in.Moved || in.Epoch != epoch || in.Down != nil {
		t.Fatalf("got %+v", in)
	}
}

// What Incoming has of an epoch after its end: Moved, once another master leads
// than those that were talked to; Why tells how far it is.
func TestLeaderMoved(t *testing.T) {
	a, b := newFake(t, false), newFake(t, false)
	atA, atB, dead := a.start(), b.start(), nobody(t)
	z := newZKLeaders(zookeeper.Address{Servers: []string{"z:2181"}, Path: "/m"}, false, silent())
	z.stop = sync.OnceFunc(func() { close(z.done) })
	c := connect(t, "unused", Config{})
	c.leaders, c.limits.leader = z, 50*time.Millisecond
	wantWhy := func(words string) {
		t.Helper()
		if why := c.Why(); why == nil || !strings.Contains(why.Error(), words) {
			t.Errorf("%v, not %q", why, words)
		}
	}

	wantWhy("ZooKeeper has not answered yet")
	c.Subscribe(subscribe()) // nobody is known to lead
	wantDown(t, c)
	wantWhy("master unused:5050: ZooKeeper has not answered yet")
	z.found("", errors.New("nobody leads"))
	z.found(dead, nil)
	wantMoved(t, c, 1)

	c.Subscribe(subscribe()) // it does not answer
	wantDown(t, c)
	wantWhy("master " + dead + ": ")
	z.found("", errors.New("nobody leads"))
	z.found(dead, nil) // the same again
	z.found(atA, nil)
	wantMoved(t, c, 2)

	asked, answer := make(chan struct{}), make(chan struct{})
	a.subscribe = func(s *stream) {
		close(asked)
		<-answer
		redirectTo("//" + atB)(s)
	}
	c.Subscribe(subscribe()) // it points to b
	<-asked
	wantWhy("master " + atA + ": no answer to SUBSCRIBE yet")
	close(answer)
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if why := c.Why(); why != nil {
		t.Error(why)
	}
	z.found(atB, nil) // as is known
	z.found(dead, nil)
	wantDown(t, c)
	wantMoved(t, c, 3)
	if err := c.Close(); err != nil { // while an epoch waits for another leader
		t.Error(err)
	}
}
