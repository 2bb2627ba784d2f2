package local

import (
	"context"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"
)

const (
	// defaultGrace is from SIGTERM to SIGKILL when nobody says another time.
	defaultGrace = 3 * time.Second

	// executorGrace is the same for the commands of a framework that is shut
	// down: the executor's 5 s less the 2 s it keeps for itself.
	executorGrace = 3 * time.Second
)

// command is a task on its agent. One without an executor of its own is run by
// the agent, which does what Mesos' command executor does
// (src/launcher/executor.cpp), and so is one of the default executor:
//
//	prepare ──▶ STARTING ──▶ RUNNING ──▶ FINISHED | FAILED | KILLED
//
// Of one that a custom executor runs, the agent knows what the executor says:
// there are its updates, and no process.
type command struct {
	agent      *agent
	framework  *agentFramework
	task       *mesos.TaskInfo
	role       string
	executorID string // its own id, if it has no executor

	executor *agentExecutor // nil: none of its own
	queued   bool           // its executor has not been given it
	ticket   int            // its place among the executor's tasks
	group    *delivery      // what it lives and dies with; only of the default executor

	container string // uuid
	sandbox   string // directory
	began     time.Time
	shown     *mesos.ContainerStatus // of its updates; never changed, replaced

	fetching context.CancelFunc // ends the fetching of its URIs; nil: there is none
	starting bool               // the process may be there
	pid      int                // 0: not known to be there
	ended    bool               // the process is gone, or never came

	killed   bool // somebody asked for its end
	timedOut bool // it ran longer than max_completion_time
	orphaned bool // what would be its executor in Mesos was killed
	grace    time.Duration
	deadline time.Time   // of the grace
	kills    *time.Timer // SIGKILL at the end of the grace
	limit    *time.Timer // max_completion_time

	latest  mesos.TaskState
	told    []*mesos.TaskStatus // all of them
	pending []*mesos.TaskStatus // not acknowledged; the first one is under way
	resend  *time.Timer
	backoff time.Duration
}

func (a *agent) newCommand(f *agentFramework, msg runTask) *command {
	c := &command{agent: a, framework: f, task: msg.task, role: msg.role, executorID: msg.task.TaskID.Value, container: uuid.NewString(), began: a.now, latest: mesos.TASK_STAGING}
	c.sandbox = runDir(a.workDir, a.id, f.brief.id, c.id(), c.container)
	c.shown = &mesos.ContainerStatus{ContainerID: &mesos.ContainerID{Value: c.container}, NetworkInfos: a.network}
	return c
}

func (c *command) id() string { return c.task.TaskID.Value }

// aside runs something that may wait outside of the actor, and posts what is
// to be done with its outcome.
func (a *agent) aside(work func() (then func())) {
	a.helpers.Go(func() {
		if then := work(); then != nil {
			a.box.post(then)
		}
	})
}

// prepare makes the sandbox and fetches what the command wants there.
func (a *agent) prepare(c *command) {
	ctx := a.ctx
	if len(c.task.Command.URIs) > 0 {
		ctx, c.fetching = context.WithCancel(a.ctx)
	}
	a.aside(func() func() {
		var err error
		if c.executor == nil {
			err = makeSandbox(c.sandbox)
		} else {
			err = makeNestedSandbox(c.executor.sandbox, c.container, c.id())
		}
		if err == nil {
			err = a.fetch(ctx, c.container, c.sandbox, c.task.Command)
		}
		return func() { a.onPrepared(c, err) }
	})
}

func (a *agent) onPrepared(c *command, err error) {
	if c.fetching != nil {
		c.fetching()
	}
	switch {
	case c.framework.leaving:
		a.vanish(c)
	case c.killed:
		a.killedDuringLaunch(c)
	case err != nil:
		a.launchFailed(c, err)
	case c.task.Command.Value == nil:
		reason := mesos.REASON_EXECUTOR_TERMINATED
		a.finish(c, c.status(mesos.TASK_FAILED, mesos.SOURCE_AGENT, &reason, "Executor terminated: the command has no value"))
	default:
		a.start(c)
	}
}

// start runs the command; the goroutine waits until it and all it left are gone.
func (a *agent) start(c *command) {
	c.starting = true
	if c.executor == nil {
		a.update(c, c.status(mesos.TASK_STARTING, mesos.SOURCE_EXECUTOR, nil, ""))
	}
	spec := a.process(c)
	a.aside(func() func() {
		exit, pid, err := a.launcher.Run(spec)
		if err != nil {
			return func() { a.onNotStarted(c, err) }
		}
		a.box.post(func() { a.onStarted(c, pid) })
		select {
		case x := <-exit:
			return func() { a.onExit(c, x) }
		case <-a.ctx.Done():
			return nil
		}
	})
}

func (a *agent) onNotStarted(c *command, err error) {
	if c.framework.leaving {
		a.vanish(c)
		return
	}
	a.launchFailed(c, err)
}

func (a *agent) onStarted(c *command, pid int) {
	c.pid = pid
	shown := *c.shown
	executorPID := uint32(pid)
	shown.ExecutorPID = &executorPID
	c.shown = &shown
	if c.framework.leaving {
		a.kill(c, executorGrace)
		return
	}
	a.update(c, c.status(mesos.TASK_RUNNING, mesos.SOURCE_EXECUTOR, nil, ""))
	if c.killed {
		a.terminate(c)
		return
	}
	if most := c.task.MaxCompletionTime; most != nil {
		c.limit = time.AfterFunc(nanoseconds(most), func() { a.box.post(func() { a.onLimit(c) }) })
	}
}

// onLimit ends a command that has run too long, without a grace.
func (a *agent) onLimit(c *command) {
	if c.ended || c.killed {
		return
	}
	c.timedOut = true
	if c.executor != nil { // the default executor says nothing before, and has no mercy
		c.killed = true
		a.signal(c, syscall.SIGKILL)
		return
	}
	a.kill(c, 0)
}

// onExit tells how the command ended, once everything it left is gone.
func (a *agent) onExit(c *command, x processExit) {
	if c.ended {
		return
	}
	if c.framework.leaving {
		a.vanish(c)
		return
	}
	reason := mesos.REASON_MAX_COMPLETION_TIME_REACHED
	text := "Command " + describe(x.Status)
	switch {
	case c.orphaned, x.Err != nil && (!x.Status.Exited() || x.Status.ExitStatus() != 1):
		lost := mesos.REASON_EXECUTOR_TERMINATED
		a.log.WithField("task", c.id()).WithError(x.Err).Warn("a command was lost")
		a.finish(c, c.status(mesos.TASK_FAILED, mesos.SOURCE_AGENT, &lost, "Executor terminated"))
	case c.timedOut:
		a.finish(c, c.status(mesos.TASK_FAILED, mesos.SOURCE_EXECUTOR, &reason, text))
	case c.killed:
		a.finish(c, c.status(mesos.TASK_KILLED, mesos.SOURCE_EXECUTOR, nil, text))
	case x.Status.Exited() && x.Status.ExitStatus() == 0:
		a.finish(c, c.status(mesos.TASK_FINISHED, mesos.SOURCE_EXECUTOR, nil, text))
	default:
		a.finish(c, c.status(mesos.TASK_FAILED, mesos.SOURCE_EXECUTOR, nil, text))
	}
}

func (a *agent) launchFailed(c *command, err error) {
	reason := mesos.REASON_CONTAINER_LAUNCH_FAILED
	a.log.WithField("task", c.id()).WithError(err).Warn("a command could not be started")
	if c.executor != nil {
		a.finish(c, c.status(mesos.TASK_FAILED, mesos.SOURCE_EXECUTOR, nil, "Command exited with status 1: "+err.Error()))
		return
	}
	a.finish(c, c.status(mesos.TASK_FAILED, mesos.SOURCE_AGENT, &reason, "Failed to launch container: "+err.Error()))
}

func (a *agent) killedDuringLaunch(c *command) {
	if c.executor != nil {
		a.finish(c, c.status(mesos.TASK_KILLED, mesos.SOURCE_EXECUTOR, nil, ""))
		return
	}
	reason := mesos.REASON_TASK_KILLED_DURING_LAUNCH
	a.finish(c, c.status(mesos.TASK_KILLED, mesos.SOURCE_AGENT, &reason, "Killed before delivery to the executor"))
}

// finish is a command's last update.
func (a *agent) finish(c *command, s *mesos.TaskStatus) {
	c.ended = true
	c.stopKilling()
	a.update(c, s)
	if c.group != nil {
		a.leftGroup(c)
	}
}

// vanish is the end of a command of which nothing more is to be told.
func (a *agent) vanish(c *command) {
	c.ended = true
	a.complete(c)
	if c.group != nil {
		a.endBuiltinIfIdle(c.executor)
	}
}

// onKill handles a KILL.
func (a *agent) onKill(msg killTask) {
	f := a.frameworks[msg.framework]
	if f == nil || f.leaving {
		return
	}
	c := f.commands[msg.task]
	switch {
	case c == nil:
		t := &mesos.TaskInfo{TaskID: mesos.TaskID{Value: msg.task}, AgentID: mesos.AgentID{Value: a.id}}
		a.drop(f, t, mesos.REASON_EXECUTOR_TERMINATED, "Cannot find executor")
	case c.ended:
	case c.executor != nil && (c.queued || !c.executor.builtin()):
		a.killOnExecutor(c, msg)
	case msg.hasGrace:
		a.kill(c, max(0, msg.grace))
	default:
		a.kill(c, c.ownGrace())
	}
}

// ownGrace is from SIGTERM to SIGKILL when a kill does not say.
func (c *command) ownGrace() time.Duration {
	if policy := c.task.KillPolicy.GetGracePeriod(); policy != nil {
		return nanoseconds(policy)
	}
	return defaultGrace
}

// kill asks a command to end and makes sure that it does when the grace is
// over. A second kill can only shorten the grace.
func (a *agent) kill(c *command, grace time.Duration) {
	if c.ended {
		return
	}
	if c.killed {
		if rest := c.deadline.Sub(a.now); grace < rest && c.pid != 0 {
			a.escalate(c, grace)
		} else if c.pid == 0 {
			c.grace = min(c.grace, grace)
		}
		return
	}
	c.killed, c.grace = true, grace
	if c.fetching != nil {
		c.fetching()
	}
	if c.pid != 0 {
		a.terminate(c)
	}
}

// terminate sends the signals of a kill to a command that is there.
func (a *agent) terminate(c *command) {
	if c.framework.brief.capabilities.killing && !c.framework.leaving {
		a.update(c, c.status(mesos.TASK_KILLING, mesos.SOURCE_EXECUTOR, nil, ""))
	}
	if c.grace <= 0 {
		a.signal(c, syscall.SIGTERM, syscall.SIGKILL)
		return
	}
	a.signal(c, syscall.SIGTERM)
	a.escalate(c, c.grace)
}

// escalate sends SIGKILL after some time from now.
func (a *agent) escalate(c *command, grace time.Duration) {
	c.stopKilling()
	c.deadline = a.now.Add(grace)
	c.kills = time.AfterFunc(grace, func() {
		// The command executor does this in Mesos, also while its agent hangs.
		a.box.interrupt(func() {
			if !c.ended {
				a.signal(c, syscall.SIGKILL)
			}
		})
	})
}

// signal sends signals to a command's whole tree, in order.
func (a *agent) signal(c *command, signals ...syscall.Signal) {
	a.signalContainer(c.container, signals...)
}

// signalContainer does the same for a command or an executor.
func (a *agent) signalContainer(container string, signals ...syscall.Signal) {
	a.aside(func() func() {
		for _, s := range signals {
			if err := a.launcher.Signal(container, s); err != nil {
				a.log.WithError(err).WithFields(logrus.Fields{"container": container, "signal": s}).Debug("signal not sent") // it may just have ended
			}
		}
		return nil
	})
}

func (c *command) stopKilling() {
	for _, t := range []*time.Timer{c.kills, c.limit} {
		if t != nil {
			t.Stop()
		}
	}
}

func (c *command) stopTimers() {
	c.stopKilling()
	if c.resend != nil {
		c.resend.Stop()
	}
}

// complete moves a command of which nothing more is to be told to the
// completed ones.
func (a *agent) complete(c *command) {
	f := c.framework
	c.stopTimers()
	if f.commands[c.id()] != c {
		return
	}
	delete(f.commands, c.id())
	switch e := c.executor; {
	case e != nil:
		e.keep(c)
		a.forgetExecutor(e)
	case c.executorID == c.id():
		f.keep(c)
	}
	a.removeIdle(f)
}

// describe says how a process ended, as Mesos does (src/common/status_utils.hpp).
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		text := "terminated with signal " + signalName(s.Signal())
		if s.CoreDump() {
			text += " (core dumped)"
		}
		return text
	}
	return "exited with status " + strconv.Itoa(s.ExitStatus())
}
