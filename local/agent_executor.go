package local

import (
	"context"
	"crypto/rand"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/sirupsen/logrus"
)

// executorState is where an executor stands in its life.
//
//	registering ──SUBSCRIBE──▶ running ──▶ terminating ──▶ terminated
//
// A terminated executor is kept until all updates of its tasks are
// acknowledged; its id cannot be launched again before that.
type executorState uint8

const (
	executorRegistering executorState = iota
	executorRunning
	executorTerminating
	executorTerminated
)

// agentExecutor is an executor on its agent: a process that speaks the
// executor API or, for the default executor, nothing but a sandbox: the agent
// then runs the tasks itself.
type agentExecutor struct {
	agent     *agent
	framework *agentFramework
	info      *mesos.ExecutorInfo // never changed
	role      string
	container string // uuid
	sandbox   string // directory
	began     time.Time
	shown     *mesos.ContainerStatus // of its tasks' updates; never changed, replaced
	token     string                 // what it proves itself with; "" if nobody asks

	state  executorState
	stream *stream // its events; nil before it subscribed, ended when it is gone
	pid    int     // 0: not known to be there
	sent   bool    // it has been given a task
	cancel context.CancelFunc
	silent bool         // it did not come back when its agent was started again
	cause  *termination // why it is being ended, if there is more to say than that it ended

	queue  []*delivery         // what it has not been given yet
	tasks  map[string]*command // those that live or whose end is not acknowledged
	done   []*command          // oldest first
	ticket int                 // of the task that came last

	register *time.Timer // ends one that does not subscribe
	kills    *time.Timer // SIGKILL at the end of the grace
	doomed   bool        // SIGKILL was sent, or is to be as soon as it is there
}

// delivery is what an executor is given in one piece.
type delivery struct {
	tasks []*command
	group bool
}

// termination is what is told of the tasks of an executor that ended.
type termination struct {
	reason mesos.TaskStatus_Reason
	text   string
}

func (e *agentExecutor) id() string    { return e.info.ExecutorID.Value }
func (e *agentExecutor) builtin() bool { return e.info.Type == mesos.ExecutorInfo_DEFAULT }

// onRunOnExecutor gives tasks to an executor, and starts it if the master
// says so. What the master expects and what is there may differ for a while
// after an executor's end (Mesos: Slave::__run).
func (a *agent) onRunOnExecutor(msg runOnExecutor) {
	f := a.framework(msg.framework)
	if f.leaving {
		return
	}
	e := f.executors[msg.executor.ExecutorID.Value]
	d := &delivery{group: msg.group}
	for _, t := range msg.tasks {
		c := a.newCommand(f, runTask{framework: msg.framework, task: t, role: msg.role})
		c.executorID = msg.executor.ExecutorID.Value
		if f.commands[c.id()] != nil {
			a.drop(f, t, mesos.REASON_TASK_INVALID, "A task of this id is still there")
			continue
		}
		f.commands[c.id()] = c
		d.tasks = append(d.tasks, c)
	}
	reason, text := a.refusesDelivery(msg, e)
	if text != "" {
		for _, c := range d.tasks {
			a.refuse(c, reason, text)
		}
		a.correct(msg, e)
		return
	}
	if len(d.tasks) == 0 {
		a.correct(msg, e)
		return
	}
	if e == nil {
		e = a.launchExecutor(f, msg)
	}
	for _, c := range d.tasks {
		e.add(c)
	}
	e.queue = append(e.queue, d)
	if e.state == executorRunning {
		a.deliver(e)
	}
}

// correct makes true what the master believes of an executor that was to be
// launched and was not: that there is none of this id.
func (a *agent) correct(msg runOnExecutor, e *agentExecutor) {
	switch {
	case !msg.launch:
	case e == nil || e.state == executorTerminated:
		a.line.up(executorExited{agent: a.id, framework: msg.framework.id, executor: msg.executor.ExecutorID.Value, status: -1})
	default:
		a.shutDown(e)
	}
}

// refusesDelivery says why tasks cannot be given to an executor; "" if they can.
func (a *agent) refusesDelivery(msg runOnExecutor, e *agentExecutor) (mesos.TaskStatus_Reason, string) {
	for _, t := range msg.tasks {
		if len(t.Limits) > 0 {
			return mesos.REASON_GC_ERROR, "Task limits need the cgroups isolators, which this agent does not have"
		}
	}
	for _, c := range append(commandsOf(msg.tasks), msg.executor.Command) {
		if text := a.refusesUser(c.GetUser()); text != "" {
			return mesos.REASON_EXECUTOR_TERMINATED, text
		}
	}
	switch {
	case msg.launch && e != nil:
		return mesos.REASON_EXECUTOR_TERMINATED, "Master wants to launch executor, but one already exists"
	case !msg.launch && e == nil:
		return mesos.REASON_EXECUTOR_TERMINATED, "No executor is expected to launch and there is none running"
	case e != nil && e.state == executorTerminating:
		return mesos.REASON_EXECUTOR_TERMINATED, "Executor terminating"
	case e != nil && e.state == executorTerminated:
		return mesos.REASON_EXECUTOR_TERMINATED, "Executor terminated"
	}
	return 0, ""
}

func commandsOf(tasks []*mesos.TaskInfo) []*mesos.CommandInfo {
	list := make([]*mesos.CommandInfo, len(tasks))
	for i, t := range tasks {
		list[i] = t.Command
	}
	return list
}

// add makes a task one of the executor's.
func (e *agentExecutor) add(c *command) {
	c.executor, c.queued, c.shown = e, true, e.shown
	c.ticket = e.ticket
	e.ticket++
	e.tasks[c.id()] = c
}

// sortedTasks lists the executor's tasks in the order in which they came.
func (e *agentExecutor) sortedTasks() []*command {
	list := make([]*command, 0, len(e.tasks))
	for _, c := range e.tasks {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *command) int { return a.ticket - b.ticket })
	return list
}

// launchExecutor makes an executor's sandbox, fetches what it wants there, and
// starts it.
func (a *agent) launchExecutor(f *agentFramework, msg runOnExecutor) *agentExecutor {
	e := &agentExecutor{
		agent: a, framework: f, info: msg.executor, role: msg.role, container: uuid.NewString(), began: a.now, tasks: map[string]*command{},
	}
	e.sandbox = runDir(a.workDir, a.id, f.brief.id, e.id(), e.container)
	e.shown = &mesos.ContainerStatus{ContainerID: &mesos.ContainerID{Value: e.container}, NetworkInfos: a.network}
	if a.guarded {
		e.token = rand.Text() + rand.Text()
	}
	f.executors[e.id()] = e
	if !e.builtin() {
		e.register = a.after(a.timing.registration, func() { a.onRegistrationTimeout(e) })
	}
	ctx, cancel := context.WithCancel(a.ctx)
	e.cancel = cancel
	a.aside(func() func() {
		defer cancel()
		err := makeSandbox(e.sandbox)
		switch {
		case err != nil:
		case e.builtin():
			err = makeOutputs(e.sandbox)
		default:
			err = a.fetch(ctx, e.container, e.sandbox, e.info.Command)
		}
		return func() { a.onExecutorPrepared(e, err) }
	})
	return e
}

// after runs something in the actor after a while.
func (a *agent) after(d time.Duration, do func()) *time.Timer {
	return time.AfterFunc(d, func() { a.box.post(do) })
}

func (a *agent) onExecutorPrepared(e *agentExecutor, err error) {
	switch {
	case e.state == executorTerminating:
		a.executorEnded(e, -1)
	case err != nil:
		e.cause = &termination{mesos.REASON_CONTAINER_LAUNCH_FAILED, "Failed to launch container: " + err.Error()}
		a.executorEnded(e, -1)
	case e.builtin():
		e.state = executorRunning
		a.deliver(e)
		a.endBuiltinIfIdle(e)
	default:
		a.startExecutor(e)
	}
}

// startExecutor runs an executor; the goroutine waits until it and all it
// left are gone.
func (a *agent) startExecutor(e *agentExecutor) {
	spec := a.executorProcess(e)
	a.aside(func() func() {
		exit, pid, err := a.launcher.Run(spec)
		if err != nil {
			return func() {
				e.cause = &termination{mesos.REASON_CONTAINER_LAUNCH_FAILED, "Failed to launch container: " + err.Error()}
				a.executorEnded(e, -1)
			}
		}
		a.box.post(func() { a.onExecutorStarted(e, pid) })
		select {
		case x := <-exit:
			return func() { a.executorEnded(e, waitStatus(x)) }
		case <-a.ctx.Done():
			return nil
		}
	})
}

func (a *agent) onExecutorStarted(e *agentExecutor, pid int) {
	e.pid = pid
	shown := *e.shown
	shown.ExecutorPID = new(uint32(pid))
	e.shown = &shown
	for _, c := range e.tasks {
		c.shown = e.shown
	}
	a.log.WithFields(logrus.Fields{"framework": e.framework.brief.id, "executor": e.id(), "pid": pid}).Debug("executor started")
	if e.doomed {
		a.destroyExecutor(e)
	}
}

// waitStatus is how an executor ended, in the form of wait(2); its launcher in
// Mesos turns a signal into the status 128 + n. -1: nobody knows.
func waitStatus(x processExit) int32 {
	switch {
	case x.Err != nil && (!x.Status.Exited() || x.Status.ExitStatus() != 1):
		return -1
	case x.Status.Signaled():
		return int32(128+int(x.Status.Signal())) << 8
	}
	return int32(x.Status.ExitStatus()) << 8
}

// onRegistrationTimeout ends an executor that did not subscribe in time.
func (a *agent) onRegistrationTimeout(e *agentExecutor) {
	if e.state != executorRegistering {
		return
	}
	e.state = executorTerminating
	e.cause = &termination{mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT, "Executor did not register within " + formatDuration(a.timing.registration)}
	a.destroyExecutor(e)
}

// destroyExecutor ends an executor without a grace.
func (a *agent) destroyExecutor(e *agentExecutor) {
	e.cancel()
	e.doomed = true
	if e.pid != 0 {
		a.signalContainer(e.container, syscall.SIGKILL)
	}
}

// shutDown asks an executor to end, and makes sure that it does when its grace
// is over (Mesos: Slave::_shutdownExecutor).
func (a *agent) shutDown(e *agentExecutor) {
	if e.state >= executorTerminating {
		return
	}
	was := e.state
	e.state = executorTerminating
	if e.builtin() {
		if was == executorRunning {
			a.shutDownBuiltin(e)
		}
		return // else when its sandbox is there
	}
	e.send(&executor.Event{Type: executor.Event_SHUTDOWN})
	grace := a.timing.shutdownGrace
	if own := e.info.ShutdownGracePeriod; own != nil {
		grace = nanoseconds(own)
	}
	e.kills = a.after(grace, func() { a.destroyExecutor(e) })
	if e.pid == 0 {
		e.cancel()
	}
}

// onShutdownExecutor handles a SHUTDOWN. A task without an executor of its own
// has one of its name.
func (a *agent) onShutdownExecutor(msg shutdownExecutor) {
	f := a.frameworks[msg.framework]
	if f == nil || f.leaving {
		return
	}
	if e := f.executors[msg.executor]; e != nil {
		a.shutDown(e)
		return
	}
	if c := f.commands[msg.executor]; c != nil && c.executor == nil && c.executorID == c.id() {
		a.kill(c, executorGrace)
	}
}

// executorEnded tells what became of an executor, and of its tasks. It is
// forgotten when the tasks' ends are acknowledged (Mesos:
// Slave::executorTerminated).
func (a *agent) executorEnded(e *agentExecutor, status int32) {
	if e.state == executorTerminated {
		return
	}
	e.state = executorTerminated
	e.queue = nil
	e.stopTimers()
	if e.stream != nil {
		e.stream.end()
	}
	f := e.framework
	a.log.WithFields(logrus.Fields{"framework": f.brief.id, "executor": e.id(), "status": status}).Debug("executor ended")
	if !f.leaving {
		a.line.up(executorExited{agent: a.id, framework: f.brief.id, executor: e.id(), status: status})
	}
	cause := e.cause
	if cause == nil {
		cause = &termination{mesos.REASON_EXECUTOR_TERMINATED, "Executor terminated"}
	}
	state := mesos.TASK_FAILED
	if e.silent {
		state = f.brief.capabilities.aware(mesos.TASK_GONE)
	}
	for _, c := range e.sortedTasks() {
		switch {
		case f.leaving:
			c.ended = true
			a.complete(c)
		case !c.ended:
			a.finish(c, c.status(state, mesos.SOURCE_AGENT, &cause.reason, cause.text))
		}
	}
	a.forgetExecutor(e)
}

// forgetExecutor moves an executor of which nothing more is to be told to the
// completed ones.
func (a *agent) forgetExecutor(e *agentExecutor) {
	f := e.framework
	if e.state != executorTerminated || len(e.tasks) > 0 || f.executors[e.id()] != e {
		return
	}
	delete(f.executors, e.id())
	f.keep(e)
	a.removeIdle(f)
}

// keep moves a task of which nothing more is to be told to the completed ones.
func (e *agentExecutor) keep(c *command) {
	delete(e.tasks, c.id())
	e.done = append(e.done, c)
	if len(e.done) > keptExecutorTasks {
		e.done = slices.Delete(e.done, 0, 1)
	}
}

func (e *agentExecutor) stopTimers() {
	for _, t := range []*time.Timer{e.register, e.kills} {
		if t != nil {
			t.Stop()
		}
	}
	if e.cancel != nil {
		e.cancel()
	}
}

// send queues an event for an executor; nobody hears it while it is not there.
func (e *agentExecutor) send(event *executor.Event) {
	if e.stream == nil {
		return
	}
	frame, err := e.stream.codec.frame(event)
	if err != nil {
		e.agent.log.WithField("executor", e.id()).WithError(err).Error("an event could not be encoded")
		return
	}
	e.stream.push(frame)
}

// deliver gives an executor all that waits for it, in order.
func (a *agent) deliver(e *agentExecutor) {
	queue := e.queue
	e.queue = nil
	for _, d := range queue {
		e.sent = true
		for _, c := range d.tasks {
			c.queued = false
		}
		switch {
		case e.builtin():
			a.runGroup(d)
		case d.group:
			group := mesos.TaskGroupInfo{}
			for _, c := range d.tasks {
				group.Tasks = append(group.Tasks, *c.task)
			}
			e.send(&executor.Event{Type: executor.Event_LAUNCH_GROUP, LaunchGroup: &executor.Event_LaunchGroup{TaskGroup: group}})
		default:
			e.send(&executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: *d.tasks[0].task}})
		}
	}
}

// killOnExecutor handles a KILL of a task that an executor has, or is to get.
func (a *agent) killOnExecutor(c *command, msg killTask) {
	e := c.executor
	if e.state >= executorTerminating {
		return
	}
	if c.queued {
		a.killQueued(c)
		return
	}
	event := &executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{TaskID: c.task.TaskID}}
	if msg.hasGrace {
		event.Kill.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(msg.grace)}}
	}
	e.send(event)
}

// killQueued ends a task that its executor has not been given, and with it its
// whole group.
func (a *agent) killQueued(c *command) {
	e := c.executor
	reason := mesos.REASON_TASK_KILLED_DURING_LAUNCH
	for i, d := range e.queue {
		if !slices.Contains(d.tasks, c) {
			continue
		}
		e.queue = slices.Delete(e.queue, i, i+1)
		text := "Killed before delivery to the executor"
		if d.group {
			text = "A task within the task group was killed before delivery to the executor"
		}
		for _, x := range d.tasks {
			x.queued = false
			if !x.ended {
				a.finish(x, x.status(mesos.TASK_KILLED, mesos.SOURCE_AGENT, &reason, text))
			}
		}
		return
	}
}
