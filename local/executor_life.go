package local

import (
	"context"
	"crypto/rand"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/sirupsen/logrus"
)

// termination is what is told of the tasks of an executor that ended.
type termination struct {
	reason mesos.TaskStatus_Reason
	text   string
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
