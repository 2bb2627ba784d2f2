package mesosapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"

	"cmdq/zookeeper"
)

const (
	zkSession = 10 * time.Second // as Mesos has it: src/master/constants.hpp
	zkAgain   = time.Second      // between one try that went wrong and the next
	zkAnswer  = 20 * time.Second // for an answer; then the connection is given up
)

// zkLeaders follows ZooKeeper: the masters put ephemeral nodes below a path, and
// the one with the lowest number leads.
//
// While ZooKeeper cannot be reached, the leader that it named last counts: if
// another leads by now, the old one redirects, or does not answer.
type zkLeaders struct {
	at     zookeeper.Address
	byName bool // leaders are reached by name, as TLS wants it
	log    *logrus.Entry
	stop   context.CancelFunc
	done   chan struct{} // closed when nothing runs any more

	mu      sync.Mutex // protects what follows
	leader  string     // host:port, or empty: nobody leads
	reason  error      // there is no leader, or ZooKeeper is out of reach
	changed chan struct{}
}

// followZooKeeper starts to follow until ctx ends or close is called.
func followZooKeeper(ctx context.Context, at zookeeper.Address, byName bool, log *logrus.Entry) *zkLeaders {
	z := newZKLeaders(at, byName, log)
	ctx, z.stop = context.WithCancel(ctx)
	go func() {
		defer close(z.done)
		for ctx.Err() == nil {
			z.session(ctx)
			wait(ctx, zkAgain)
		}
	}()
	return z
}

func newZKLeaders(at zookeeper.Address, byName bool, log *logrus.Entry) *zkLeaders {
	return &zkLeaders{
		at: at, byName: byName, log: log, done: make(chan struct{}), changed: make(chan struct{}),
		reason: errors.New("ZooKeeper has not answered yet"),
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (z *zkLeaders) next(ctx context.Context) (string, error) {
	for {
		leader, changed, _ := z.now()
		if leader != "" {
			return leader, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", z.why() // it changes while we wait
		}
	}
}

func (z *zkLeaders) moved(ctx context.Context, from string) string {
	for {
		leader, changed, _ := z.now()
		if leader != "" && leader != from {
			return leader
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ""
		}
	}
}

func (z *zkLeaders) why() error {
	_, _, why := z.now()
	return why
}

func (z *zkLeaders) tried(string, string) {} // only ZooKeeper says who leads

func (z *zkLeaders) close() {
	z.stop()
	<-z.done
}

func (z *zkLeaders) now() (leader string, changed <-chan struct{}, why error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.leader, z.changed, z.reason
}

// found notes who leads, or why nobody does.
func (z *zkLeaders) found(leader string, why error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.reason = why
	if leader == z.leader {
		return
	}
	z.leader = leader
	close(z.changed)
	z.changed = make(chan struct{})
	if leader == "" {
		z.log.WithError(why).Debug("no master leads")
	} else {
		z.log.WithField("master", leader).Debug("ZooKeeper names the leader")
	}
}

// trouble notes that ZooKeeper cannot be asked. The leader stays as it was.
func (z *zkLeaders) trouble(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.reason = fmt.Errorf("ZooKeeper cannot be asked: %w", err)
	z.log.WithError(err).Debug("ZooKeeper cannot be asked")
}

// session connects to ZooKeeper and follows it until the connection is lost, or
// an answer does not come. Each connection has a client, and so a session, of its
// own: there is nothing of ours that a session would keep, and zk v1.0.4 has a
// data race where it connects again and sets its watches anew.
func (z *zkLeaders) session(ctx context.Context) {
	client, err := zookeeper.Connect(ctx, zookeeper.Config{At: z.at, Timeout: zkSession, Once: true})
	if err != nil {
		z.trouble(err)
		return
	}
	defer client.Close()
	err = client.Identify()
	if err == nil {
		err = z.follow(ctx, client, client.Lost(), client.Cut)
	}
	if ctx.Err() == nil {
		z.trouble(err)
	}
}

// znodes is what is read of ZooKeeper: a *zookeeper.Client. An error other than
// that a node is not there or not ours to read means that the connection is of no
// use.
type znodes interface {
	ChildrenW(path string) ([]string, <-chan zk.Event, error)
	Get(path string) ([]byte, error)
}

// follow notes who leads whenever the nodes have changed, until the connection is
// lost or ctx ends. stuck is called if an answer does not come; it must make the
// call return.
func (z *zkLeaders) follow(ctx context.Context, nodes znodes, lost <-chan struct{}, stuck func()) error {
	for {
		late := time.AfterFunc(zkAnswer, stuck)
		changed, err := z.look(nodes)
		late.Stop()
		if err != nil {
			return err
		}
		var again <-chan time.Time
		if changed == nil {
			again = time.After(zkAgain)
		}
		select {
		case <-changed:
		case <-again:
		case <-lost:
			return zookeeper.ErrLost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look notes who leads. It gives a watch of the nodes, or nil if there is
// nothing yet that could be watched.
func (z *zkLeaders) look(nodes znodes) (changed <-chan zk.Event, err error) {
	names, changed, err := nodes.ChildrenW(z.at.Path)
	switch {
	case errors.Is(err, zk.ErrNoNode):
		z.found("", fmt.Errorf("ZooKeeper has no %s: no master has been there", z.at.Path))
		return nil, nil
	case errors.Is(err, zk.ErrNoAuth):
		z.found("", fmt.Errorf("ZooKeeper does not let us read %s", z.at.Path))
		return nil, nil
	case err != nil:
		return nil, err
	}
	name, any := lowest(names)
	if !any {
		z.found("", fmt.Errorf("no master leads: none is registered in ZooKeeper below %s", z.at.Path))
		return changed, nil
	}
	data, err := nodes.Get(z.at.Path + "/" + name)
	switch {
	case errors.Is(err, zk.ErrNoNode): // it fell just now; the watch tells
		z.found("", errors.New("no master leads: the last one has just left ZooKeeper"))
		return changed, nil
	case errors.Is(err, zk.ErrNoAuth):
		z.found("", fmt.Errorf("ZooKeeper does not let us read %s/%s", z.at.Path, name))
		return changed, nil
	case err != nil:
		return nil, err
	}
	leader, err := leaderAt(data, z.byName)
	if err != nil {
		z.found("", fmt.Errorf("%s/%s in ZooKeeper %w", z.at.Path, name, err))
		return changed, nil
	}
	z.found(leader, nil)
	return changed, nil
}
