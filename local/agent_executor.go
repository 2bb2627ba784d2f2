package local

import (
	"context"
	"slices"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
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

func (e *agentExecutor) id() string    { return e.info.ExecutorID.Value }
func (e *agentExecutor) builtin() bool { return e.info.Type == mesos.ExecutorInfo_DEFAULT }

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
