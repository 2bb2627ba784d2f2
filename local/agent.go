package local

import (
	"context"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"
)

// How much an agent keeps of what has ended (Mesos: src/slave/constants.hpp).
const (
	keptAgentFrameworks = 50
	keptExecutors       = 150 // of each framework
	keptExecutorTasks   = 200 // of each executor
)

// agent is the actor that runs tasks as processes and tells the master of
// them. All fields but the first group are its own.
type agent struct {
	box       *mailbox
	log       *logrus.Entry
	addr      netip.AddrPort
	workDir   string // absolute, without links
	resources Resources
	timing    timing
	guarded   bool // executors have to prove who they are
	fetcher   fetcher
	launcher  launcher
	line      *line
	network   []mesos.NetworkInfo // of every command; never changed
	ready     chan struct{}       // closed once the agent has an id
	plug      *plug               // its port; nil in tests without one
	waits     bool                // it registers when its master is elected, not at once
	life      atomic.Int64        // changes when the process ends, and when it starts

	ctx     context.Context // done when the agent stops
	stop    context.CancelFunc
	helpers sync.WaitGroup // goroutines that wait for processes

	now        time.Time
	started    time.Time
	id         string
	known      bool // it has been registered once
	standing   registration
	fault      agentFault
	user       string // who we are; commands of others are refused
	frameworks map[string]*agentFramework
	completed  []*agentFramework // oldest first
}

// agentFramework is a framework that has or had tasks on the agent.
type agentFramework struct {
	brief     frameworkBrief
	commands  map[string]*command       // all tasks that live or whose end is not acknowledged
	executors map[string]*agentExecutor // those of its own, until their last task's end is acknowledged
	done      []ended                   // oldest first
	leaving   bool                      // its tasks end without updates
}

// ended is an executor that is gone: one of the framework's own, or the one
// that a command has in Mesos.
type ended interface{ view() executorView }

// keep remembers what has ended, for a while.
func (f *agentFramework) keep(x ended) {
	f.done = append(f.done, x)
	if len(f.done) > keptExecutors {
		f.done = slices.Delete(f.done, 0, 1)
	}
}

func newAgent(addr netip.AddrPort, workDir string, resources Resources, cfg *Config, l launcher) *agent {
	ip := addr.Addr().String()
	protocol := mesos.IPv4
	if addr.Addr().Is6() {
		protocol = mesos.IPv6
	}
	a := &agent{
		box: newMailbox(), log: cfg.Log, addr: addr, workDir: workDir, resources: resources, timing: cfg.timing, launcher: l,
		guarded: cfg.guarded(), fetcher: cfg.fetcher, waits: cfg.ZooKeeper != nil,
		network:    []mesos.NetworkInfo{{IPAddresses: []mesos.NetworkInfo_IPAddress{{Protocol: &protocol, IPAddress: &ip}}}},
		ready:      make(chan struct{}),
		started:    time.Now(),
		frameworks: map[string]*agentFramework{},
	}
	a.ctx, a.stop = context.WithCancel(context.Background())
	if me, err := user.Current(); err == nil {
		a.user = me.Username
	}
	return a
}

// run is the agent's goroutine; it ends when the mailbox is closed, after the
// goroutines that wait for its processes.
func (a *agent) run() {
	if !a.waits {
		a.register(0)
	}
	a.box.run(func(now time.Time) { a.now = now }, func() {}, nil, nil)
	a.standing.stop()
	for _, f := range a.frameworks {
		for _, c := range f.commands {
			c.stopTimers()
		}
		for _, e := range f.executors {
			e.stopTimers()
		}
	}
	a.stop()
	a.helpers.Wait()
}

// onMessage handles what the master says.
func (a *agent) onMessage(msg toAgent) {
	switch msg := msg.(type) {
	case registered:
		a.onRegistered(msg)
	case reregistered:
		a.onReregistered(msg)
	case updateFramework:
		a.onUpdateFramework(msg)
	case shutdownAgent:
		a.onShutdownAgent(msg)
	case runTask:
		a.onRun(msg)
	case runOnExecutor:
		a.onRunOnExecutor(msg)
	case messageExecutor:
		a.onMessageExecutor(msg)
	case shutdownExecutor:
		a.onShutdownExecutor(msg)
	case killTask:
		a.onKill(msg)
	case ackUpdate:
		a.onAck(msg)
	case shutdownFramework:
		a.onShutdown(msg.framework)
	}
}

// command finds a task that runs or whose end is not acknowledged.
func (a *agent) command(framework, task string) *command {
	if f := a.frameworks[framework]; f != nil {
		return f.commands[task]
	}
	return nil
}

// framework finds what the agent has of a framework, or begins to have it.
func (a *agent) framework(brief frameworkBrief) *agentFramework {
	f := a.frameworks[brief.id]
	if f == nil {
		f = &agentFramework{commands: map[string]*command{}, executors: map[string]*agentExecutor{}}
		a.frameworks[brief.id] = f
	}
	f.brief = brief
	return f
}

// onRun starts a task, unless it cannot be (Mesos: Slave::run and its
// continuations).
func (a *agent) onRun(msg runTask) {
	f := a.framework(msg.framework)
	c := a.newCommand(f, msg)
	if f.commands[c.id()] != nil || f.executors[c.id()] != nil {
		a.drop(f, msg.task, mesos.REASON_TASK_INVALID, "Cannot reuse an already existing executor for a command task")
		return
	}
	f.commands[c.id()] = c
	stranger := a.refusesUser(msg.task.Command.GetUser())
	switch {
	case len(msg.task.Limits) > 0:
		a.refuse(c, mesos.REASON_GC_ERROR, "Task limits need the cgroups isolators, which this agent does not have")
	case stranger != "":
		a.refuse(c, mesos.REASON_EXECUTOR_TERMINATED, stranger)
	default:
		a.prepare(c)
	}
}

// refusesUser says why a command cannot run as a user; "" if it can: no name is
// our own.
func (a *agent) refusesUser(name string) string {
	if name == "" || name == a.user || a.isMe(name) {
		return ""
	}
	return "Failed to get user information for '" + name + "': this agent runs everything as '" + a.user + "'"
}

// isMe tells whether a name or number is another one of our own user.
func (a *agent) isMe(name string) bool {
	u, err := user.Lookup(name)
	if err != nil {
		return false
	}
	me, err := user.Current()
	return err == nil && u.Uid == me.Uid
}

// refuse ends a task that was not started.
func (a *agent) refuse(c *command, reason mesos.TaskStatus_Reason, text string) {
	a.update(c, c.status(c.framework.brief.capabilities.dropped(), mesos.SOURCE_AGENT, &reason, text))
}

// drop tells of a task for which the agent keeps nothing, once.
func (a *agent) drop(f *agentFramework, t *mesos.TaskInfo, reason mesos.TaskStatus_Reason, text string) {
	c := &command{agent: a, framework: f, task: t, executorID: executorIDOf(t)}
	s := c.status(f.brief.capabilities.dropped(), mesos.SOURCE_AGENT, &reason, text)
	a.line.up(statusUpdate{framework: f.brief.id, status: s, latest: s.GetState()})
}

// onShutdown ends a framework: its commands are killed, and nothing more is
// told of them.
func (a *agent) onShutdown(id string) {
	f := a.frameworks[id]
	if f == nil {
		return
	}
	f.leaving = true
	for _, c := range f.commands {
		c.dropUpdates()
		switch {
		case c.ended:
			a.complete(c)
		case c.executor == nil:
			a.kill(c, executorGrace)
		}
	}
	for _, e := range f.executors {
		a.shutDown(e)
	}
	a.removeIdle(f)
}

// removeIdle moves a framework that is leaving, and has left, to the completed ones.
func (a *agent) removeIdle(f *agentFramework) {
	if !f.leaving || len(f.commands) > 0 || len(f.executors) > 0 || a.frameworks[f.brief.id] != f {
		return
	}
	delete(a.frameworks, f.brief.id)
	a.completed = append(a.completed, f)
	if len(a.completed) > keptAgentFrameworks {
		a.completed = a.completed[1:]
	}
	a.unplugIfLeft()
}

// formatDuration writes a duration as Mesos does: 5secs, 250ms.
func formatDuration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{7 * 24 * time.Hour, "weeks"}, {24 * time.Hour, "days"}, {time.Hour, "hrs"}, {time.Minute, "mins"}, {time.Second, "secs"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if d >= u.unit && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}
