package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
)

// election finds out which of several masters leads: each makes a node in
// ZooKeeper, which numbers them and removes those whose session ends, and the
// lowest number leads (Mesos: src/master/contender, src/master/detector,
// src/zookeeper).
//
// One goroutine, run, owns all of it. A master that led and cannot be sure to
// lead any more must end before another one begins: ZooKeeper ends a session
// when it has not heard of it for the session's timeout, so we give ours up
// that long after we asked the last question that was answered.
type election struct {
	dial    func(ctx context.Context, timeout time.Duration, notify func(error)) (group, error)
	data    []byte        // of our node
	timeout time.Duration // of a session; the server may set a shorter one
	retry   time.Duration // between two attempts
	tell    func(leader)  // who leads, at every change
	lost    func(error)   // this master must not go on; called once, at the end
	log     *logrus.Entry

	leads bool
	told  leader
}

// group is one session with ZooKeeper and the nodes of the candidates. All of
// its calls fail once the context it was made with is done.
type group interface {
	// enter makes our node and tells its name, and after how long without a
	// word of us the session ends.
	enter(data []byte) (name string, timeout time.Duration, err error)
	// members are the names of all nodes. With watch the group notifies, once,
	// of a change after that.
	members(watch bool) ([]string, error)
	// read is the content of a node; errNoNode if it has gone.
	read(name string) ([]byte, error)
	// close ends the session, and with it our node, and waits for its end.
	close()
}

var (
	errNoNode  = errors.New("there is no such node")
	errSilence = errors.New("no answer from ZooKeeper for as long as a session lasts")
	errRemoved = errors.New("our node in ZooKeeper was removed")
	errExpired = errors.New("ZooKeeper has ended our session")
)

// denial is an error of ZooKeeper that does not go away: it does not let us do
// what an election needs.
type denial struct{ cause error }

func (d *denial) Error() string { return d.cause.Error() }
func (d *denial) Unwrap() error { return d.cause }

// run stands for election until ctx is done, or until this master must not go
// on: it has led and cannot any more, or ZooKeeper denies it to take part.
// Everything else is tried again (Mesos: Master::lostCandidacy).
func (e *election) run(ctx context.Context) {
	for ctx.Err() == nil {
		if done := e.stand(ctx); done {
			return
		}
		wait := time.NewTimer(e.retry)
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// stand is one candidacy: a session from its begin to its end. It is done if
// there is to be no other one.
func (e *election) stand(parent context.Context) (done bool) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	c := &candidacy{
		election: e, changed: make(chan struct{}, 1), timeout: e.timeout,
		silence: time.AfterFunc(e.timeout, func() { cancel(errSilence) }),
	}
	defer c.silence.Stop()
	var err error
	c.group, err = e.dial(ctx, e.timeout, func(err error) {
		if err != nil {
			cancel(err)
		}
		ring(c.changed)
	})
	if err == nil {
		defer c.group.close()
		err = c.run(ctx)
	}
	if parent.Err() != nil {
		return true
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return e.ended(err)
}

// ended deals with the end of a candidacy. The session is still open, so that
// a master that led stops to lead before ZooKeeper hears of it.
func (e *election) ended(err error) (done bool) {
	e.say(leader{})
	var denied *denial
	switch {
	case e.leads:
		e.lost(fmt.Errorf("lost the leadership: %w", err))
		return true
	case errors.As(err, &denied):
		e.lost(fmt.Errorf("take part in the election: %w", err))
		return true
	}
	e.log.WithError(err).Warn("no part in the election, trying again")
	return false
}

// say tells who leads, if that is new.
func (e *election) say(l leader) {
	if l != e.told {
		e.told = l
		e.tell(l)
	}
}

// candidacy is one session of an election.
type candidacy struct {
	*election
	group   group
	changed chan struct{} // holds a token when the members may have changed
	timeout time.Duration // of the session
	silence *time.Timer   // the session is given up when it ends
	own     string        // our node
	first   string        // the node of who leads, if that could be read
}

// run enters the group and follows what becomes of it; it only returns with
// why that is over.
func (c *candidacy) run(ctx context.Context) error {
	asked := time.Now()
	var err error
	if c.own, c.timeout, err = c.group.enter(c.data); err != nil {
		return err
	}
	c.heard(asked)
	c.log.WithField("node", c.own).Info("stands for election")
	pause := time.NewTimer(0)
	defer pause.Stop()
	watch := true
	for {
		asked := time.Now()
		nodes, err := c.group.members(watch)
		if err == nil {
			watch = false
			c.heard(asked)
			err = c.elect(nodes, asked)
		}
		var denied *denial
		switch {
		case err == nil:
			pause.Reset(c.timeout / 4)
		case errors.As(err, &denied), errors.Is(err, errRemoved):
			return err
		default: // while the session lasts, the servers may come back
			c.log.WithError(err).Debug("ask ZooKeeper again")
			pause.Reset(c.timeout / 40)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.changed:
			watch = true
		case <-pause.C:
		}
	}
}

// heard notes that a question was answered: the session lasts for its timeout
// from when it was asked, at least.
func (c *candidacy) heard(asked time.Time) { c.silence.Reset(time.Until(asked.Add(c.timeout))) }

// elect finds who leads among the members as they were when asked.
func (c *candidacy) elect(nodes []string, asked time.Time) error {
	first := foremost(nodes)
	switch {
	case !slices.Contains(nodes, c.own):
		return errRemoved
	case first == c.own && time.Since(asked) < c.timeout:
		c.leads = true
		c.say(leader{me: true})
		return nil
	case first == c.own:
		return errSilence // as good as: we were stopped for long
	case c.leads:
		return &denial{fmt.Errorf("%s comes before ours, %s", first, c.own)}
	case first == c.first:
		return nil
	}
	data, err := c.group.read(first)
	if errors.Is(err, errNoNode) {
		c.first = ""
		c.say(leader{}) // the next look finds who comes after it
		return nil
	}
	if err != nil {
		return err
	}
	c.first = first
	at, err := readAnnouncement(first, data)
	if err != nil {
		c.log.WithError(err).WithField("node", first).Warn("cannot read who leads")
	}
	c.say(leader{other: at})
	return nil
}

// ring puts a token into a channel that holds one.
func ring(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
