// Package executor is what cmdq runs on an agent: an executor of Mesos' v1
// executor API that runs many commands, each as a process group in a directory
// of its own, and the fetcher of URIs, which the embedded Mesos uses too.
//
// One goroutine, Run, owns the state of the executor. A step decides and does
// nothing; what follows from it are effects, which Run hands to the edges: the
// agent's API (mesosapi.ExecutorConn), the files of a task (workshop) and the processes
// (nursery). They come back with events.
//
// A command is started only when the agent has taken its RUNNING, so a launch
// of which the agent knows no RUNNING has not run. Everything that was started
// ends with the executor. The package never starts another program than the
// commands, and hands the agent's token to nobody.
package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/executor/config"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"cmdq/mesosapi"
)

// Config is what Run needs to know. Mesos says most of it in the environment.
type Config struct {
	FrameworkID string
	ExecutorID  string
	Sandbox     string // the executor's directory; tasks live below it
	Agent       string // host:port
	Token       string // for the agent; "": it asks for none

	Checkpoint    bool          // the agent takes us back after its restart
	Recovery      time.Duration // how long the agent may be away then
	BackoffMax    time.Duration // between two tries to subscribe
	ShutdownGrace time.Duration // from SHUTDOWN to being killed

	Idle  time.Duration // without a task for so long it ends; 0: never
	Terse bool          // start commands at once; RUNNING only of those that run for a second
	Log   *logrus.Entry // nil: none
}

const (
	firstPatience = 5 * time.Minute // for the first SUBSCRIBE; the agent kills us before that
	maxTasks      = 10_000          // at a time
	tokenVariable = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"
)

// FromEnvironment reads what an agent tells its executors (Mesos:
// docs/executor-http-api.md and src/slave/slave.cpp, executorEnvironment). What
// is not there or makes no sense is an error.
func FromEnvironment() (Config, error) {
	env, err := config.FromEnv()
	if err != nil {
		return Config{}, fmt.Errorf("read the environment that a Mesos agent gives its executors: %w", err)
	}
	cfg := Config{
		FrameworkID: env.FrameworkID, ExecutorID: env.ExecutorID, Sandbox: env.Sandbox, Agent: env.AgentEndpoint,
		Token: os.Getenv(tokenVariable), Checkpoint: env.Checkpoint, Recovery: env.RecoveryTimeout,
		BackoffMax: env.SubscriptionBackoffMax, ShutdownGrace: env.ExecutorShutdownGracePeriod,
	}
	if !filepath.IsAbs(cfg.Sandbox) {
		return Config{}, fmt.Errorf("MESOS_SANDBOX %q is no absolute path", cfg.Sandbox)
	}
	return cfg, nil
}

// ErrNoAgent is what Run ends with when there is nobody to report to any more:
// the agent refuses us, or is away for too long.
var ErrNoAgent = errors.New("executor: no agent")

// Run is an executor from its first SUBSCRIBE to its end: nil when it was shut
// down or had nothing to do for long enough, else ErrNoAgent. When ctx ends it
// shuts down, as it does when the agent says so. When it returns, nothing runs
// any more.
//
// The process becomes the subreaper of what it starts, and waits for all its
// children: a process can Run once, and may start nothing else meanwhile.
func Run(ctx context.Context, cfg Config) error {
	log := cfg.Log
	if log == nil {
		log = silent()
	}
	events := make(chan event, 256)
	done := make(chan struct{})
	post := func(ev event) {
		select {
		case events <- ev:
		case <-done:
		}
	}
	if cfg.Token != "" {
		// The token is in our environment, which others of our user could read
		// in /proc, and root still can. It does not get less secret than it was
		// if this fails.
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	nursery, err := newNursery(post)
	if err != nil {
		return fmt.Errorf("executor: %w", err)
	}
	shop := newWorkshop(cfg, post)
	agent := mesosapi.NewExecutorConn(mesosapi.ExecutorConfig{Addr: cfg.Agent, FrameworkID: cfg.FrameworkID, ExecutorID: cfg.ExecutorID, Token: cfg.Token})
	s := newState(cfg.rules(), time.Now())
	e := &edges{agent: agent, shop: shop, nursery: nursery, log: log}
	status := e.loop(ctx, s, events)
	close(done)
	agent.Close()
	shop.close()
	nursery.close()
	if status != 0 {
		return ErrNoAgent
	}
	return nil
}

func (cfg *Config) rules() rules {
	most := cfg.BackoffMax
	if most <= 0 || most > maxBackoff {
		most = maxBackoff
	}
	return rules{
		checkpoint: cfg.Checkpoint, recovery: cfg.Recovery, first: firstPatience, backoffMax: most,
		grace: max(cfg.ShutdownGrace, minGrace), idle: cfg.Idle, terse: cfg.Terse, maxTasks: maxTasks,
		uuid: func() []byte { id := uuid.New(); return id[:] }, jitter: rand.Float64,
	}
}

const (
	// maxBackoff is less than what an agent allows for: when it was started
	// again it does not wait long.
	maxBackoff = 500 * time.Millisecond

	minGrace = 100 * time.Millisecond // of a shutdown; less and nobody could be asked to stop
)

// edges are where effects go.
type edges struct {
	agent   agent
	shop    *workshop
	nursery *nursery
	log     *logrus.Entry
	epoch   int // of the stream; what comes from an earlier one is old
}

// agent is the connection to it, a mesosapi.ExecutorConn.
type agent interface {
	Subscribe(*api.Call_Subscribe) (epoch int)
	Update(mesos.TaskStatus)
	Incoming() <-chan mesosapi.FromAgent
}

// loop is the executor's life; it returns its exit status.
func (e *edges) loop(ctx context.Context, s *state, events <-chan event) int {
	timer := time.NewTimer(0)
	defer timer.Stop()
	stopped := ctx.Done()
	for {
		var eff effects
		select {
		case ev := <-events:
			eff = s.step(time.Now(), ev)
		case in := <-e.agent.Incoming():
			eff = e.hear(s, in)
		case <-stopped:
			stopped = nil
			eff = s.step(time.Now(), shutdownAsked{by: "a signal"})
		case <-timer.C:
			if eff = e.catchUp(s, events); eff.exit == nil {
				eff = s.tick(time.Now())
			}
		}
		e.do(eff)
		if eff.exit != nil {
			return *eff.exit
		}
		if next := s.nextDue(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(next)))
		}
	}
}

// catchUp takes what has come already, before what is due: a launch ends an idle
// time. It stops at the end of the executor.
func (e *edges) catchUp(s *state, events <-chan event) (eff effects) {
	for range len(events) {
		if eff = s.step(time.Now(), <-events); eff.exit != nil {
			return eff
		}
		e.do(eff)
	}
	for range len(e.agent.Incoming()) {
		if eff = e.hear(s, <-e.agent.Incoming()); eff.exit != nil {
			return eff
		}
		e.do(eff)
	}
	return effects{}
}

// hear takes what the agent says. A task launched on a stream that we gave up is
// lost to the agent already: it must not run.
func (e *edges) hear(s *state, in mesosapi.FromAgent) effects {
	if ev := translate(in); ev != nil && in.Epoch == e.epoch {
		return s.step(time.Now(), ev)
	}
	return effects{}
}

// do hands effects out. Nothing here waits.
func (e *edges) do(eff effects) {
	for _, n := range eff.notes {
		line := e.log
		if n.task != "" {
			line = line.WithField("task", n.task)
		}
		if n.warn {
			line.Warn(n.text)
		} else {
			line.Info(n.text)
		}
	}
	if eff.subscribe != nil {
		e.epoch = e.agent.Subscribe(eff.subscribe)
	}
	for i := range eff.updates {
		e.agent.Update(eff.updates[i])
	}
	for _, j := range eff.abandon {
		e.shop.abandon(j)
	}
	for _, j := range eff.prepare {
		e.shop.prepare(j)
	}
	for _, j := range eff.start {
		e.nursery.start(j)
	}
	for _, j := range eff.withdraw {
		e.nursery.withdraw(j)
	}
	for _, x := range eff.signals {
		e.nursery.signal(x.id, x.sig)
	}
}

// inherited is the environment of every command but for its own variables: what
// Mesos gave the executor, without the token. It is made once.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, tokenVariable+"=") })
}

func silent() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.PanicLevel)
	return logrus.NewEntry(log)
}
