// Package local is a Mesos in one process: a master and agents, each on an HTTP
// port of its own, speaking the APIs that Apache Mesos speaks. Frameworks run
// against it unchanged; their commands run for real, as processes of our own
// user.
//
// The master and each agent are actors: one goroutine owns its state, and
// everybody else, HTTP handlers and the other actors, posts to its mailbox.
// They know of each other only what they say over their line.
//
// It is for one machine. It keeps nothing over its end, never runs a command as
// another user, and never lets in a request that does not know its secret, if
// it has one, or that another site's page sent.
package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"cmdq/lock"
)

// AgentInfo is what there is to know of an agent from outside.
type AgentInfo struct {
	ID        string
	Addr      string // ip:port
	Resources Resources
}

// Cluster is a running master with its agents.
type Cluster struct {
	cfg      Config
	master   *master
	agents   []*agent
	launcher launcher
	lock     *lock.Lock
	servers  []*http.Server
	actors   sync.WaitGroup
	serving  sync.WaitGroup
	requests requests

	resign   context.CancelFunc // ends the election; nil: there is none
	election sync.WaitGroup
	lost     chan error

	stop    sync.Once
	stopped chan struct{}
	stopErr error
}

// Start starts a cluster. When it returns, the master listens and all agents
// are registered; if there is an election, the agents wait for its end, which
// Start does not. On an error nothing is left running. It is a *LockedError if
// another cluster has the work directory.
func Start(cfg Config) (*Cluster, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, stopped: make(chan struct{}), lost: make(chan error, 1)}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Stop(context.Background()))
	}
	return c, nil
}

func (c *Cluster) start() error {
	taken, err := lockWorkDir(c.cfg.WorkDir)
	if err != nil {
		return err
	}
	c.lock = taken
	c.launcher = c.cfg.launcher
	if c.launcher == nil {
		g, err := startGuardian(c.cfg.WorkDir, c.cfg.Log)
		if err != nil {
			return fmt.Errorf("start the guardian: %w", err)
		}
		c.launcher = g
	}
	l, addr, err := listenOn(c.cfg.IP, c.cfg.Port)
	if err != nil {
		return err
	}
	c.master = newMaster(addr, &c.cfg)
	c.master.plug = newPlug(l)
	c.actors.Go(c.master.run)
	for i := range c.cfg.Agents {
		if err := c.startAgent(i); err != nil {
			l.Close()
			return err
		}
	}
	if c.cfg.ZooKeeper == nil {
		for _, a := range c.agents {
			<-a.ready
		}
	}
	routes := c.master.handler()
	if c.cfg.Chaos {
		c.addChaos(routes)
	}
	c.serve(c.master.plug, addr, sideMaster, routes)
	if c.cfg.ZooKeeper != nil {
		c.standForElection()
	}
	return nil
}

// standForElection takes part in the election from now on.
func (c *Cluster) standForElection() {
	id := ""
	c.master.box.call(func() { id = c.master.id })
	dial := c.cfg.dialGroup
	if dial == nil {
		dial = func(ctx context.Context, timeout time.Duration, notify func(error)) (group, error) {
			return dialZooKeeper(ctx, c.cfg.ZooKeeper, timeout, notify)
		}
	}
	e := &election{
		dial: dial, data: announce(id, c.master.addr), timeout: c.cfg.ZooKeeperTimeout, retry: 2 * time.Second,
		tell: c.follow, lost: func(err error) { c.lost <- err }, log: c.cfg.Log.WithField("master", id),
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.resign = cancel
	c.election.Go(func() { e.run(ctx) })
}

// follow tells the master, and the agents that wait for it, who leads.
func (c *Cluster) follow(l leader) {
	c.master.box.post(func() { c.master.follow(l) })
	if l.me {
		for _, a := range c.agents {
			a.box.post(a.onElected)
		}
	}
}

// Lost gets why this cluster must not go on, if it stands for election: it led
// and does not any more, or ZooKeeper does not let it take part. It answers no
// framework from then on, and is to be stopped at once.
func (c *Cluster) Lost() <-chan error { return c.lost }

func (c *Cluster) startAgent(i int) error {
	resources, err := c.cfg.resources(i)
	if err != nil {
		return err
	}
	l, addr, err := listenOn(c.cfg.IP, 0)
	if err != nil {
		return err
	}
	a := newAgent(addr, c.cfg.WorkDir, resources, &c.cfg, c.launcher)
	a.line, a.plug = newLine(c.master, a), newPlug(l)
	c.agents = append(c.agents, a)
	c.actors.Go(a.run)
	c.serve(a.plug, addr, sideAgent, a.handler())
	return nil
}

// Addr is where the master listens, ip:port.
func (c *Cluster) Addr() string { return c.master.addr.String() }

// PageURL is the address for a browser; it holds the secret, if there is one.
func (c *Cluster) PageURL() string {
	page := "http://" + c.Addr() + "/"
	if c.cfg.Secret != "" {
		page += "?secret=" + url.QueryEscape(c.cfg.Secret)
	}
	return page
}

// Agents lists the agents in the order of their registration.
func (c *Cluster) Agents() []AgentInfo {
	var out []AgentInfo
	c.master.box.call(func() {
		for _, a := range c.master.agents {
			out = append(out, AgentInfo{ID: a.id, Addr: a.addr.String(), Resources: a.total})
		}
	})
	return out
}

// Stop ends the cluster and all its commands, which get SIGKILL. It waits until
// everything is gone or ctx is done; then the rest ends on its own. It may be
// called more than once.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stop.Do(func() {
		go func() {
			defer close(c.stopped)
			c.stopErr = c.shutdown()
		}()
	})
	select {
	case <-c.stopped:
		return c.stopErr
	case <-ctx.Done():
		return fmt.Errorf("stop the cluster: %w", ctx.Err())
	}
}

// shutdown ends, in this order: whoever could ask for something, the commands,
// the candidacy, so that nobody else leads while they run, and the actors.
func (c *Cluster) shutdown() error {
	var errs []error
	c.requests.close()
	for _, s := range c.servers {
		errs = append(errs, s.Close())
	}
	c.serving.Wait()
	if c.launcher != nil {
		errs = append(errs, c.launcher.Close())
	}
	if c.resign != nil {
		c.resign()
		c.election.Wait()
	}
	for _, a := range c.agents {
		a.box.close()
	}
	if c.master != nil {
		c.master.box.close()
	}
	c.actors.Wait()
	c.requests.running.Wait()
	if c.lock != nil {
		errs = append(errs, c.lock.Release())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop the cluster: %w", err)
	}
	return nil
}
