package local

import (
	"slices"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// delivery is what an executor is given in one piece.
type delivery struct {
	tasks []*command
	group bool
}

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

// unqueue takes a task out of what the executor has not been given.
func (e *agentExecutor) unqueue(c *command) {
	c.queued = false
	for _, d := range e.queue {
		d.tasks = slices.DeleteFunc(d.tasks, func(x *command) bool { return x == c })
	}
	e.queue = slices.DeleteFunc(e.queue, func(d *delivery) bool { return len(d.tasks) == 0 })
}
