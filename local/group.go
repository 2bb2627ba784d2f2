package local

import "github.com/mesos/mesos-go/api/v1/lib"

// The default executor is built into the agent: it runs each task of a group
// as a process of its own, below its own sandbox, and one that fails or is
// killed takes its group along (Mesos: src/launcher/default_executor.cpp).

// runGroup starts the tasks of a group.
func (a *agent) runGroup(d *delivery) {
	for _, c := range d.tasks {
		c.group = d
		c.nest()
		a.update(c, c.status(mesos.TASK_STARTING, mesos.SOURCE_EXECUTOR, nil, ""))
	}
	for _, c := range d.tasks {
		a.prepare(c)
	}
}

// nest gives a task of the default executor a sandbox and a container below
// the executor's.
func (c *command) nest() {
	c.sandbox = nestedDir(c.executor.sandbox, c.container)
	c.shown = &mesos.ContainerStatus{
		ContainerID:  &mesos.ContainerID{Value: c.container, Parent: &mesos.ContainerID{Value: c.executor.container}},
		NetworkInfos: c.agent.network,
	}
}

// leftGroup reacts to the end of a task of the default executor.
func (a *agent) leftGroup(c *command) {
	if c.latest == mesos.TASK_FAILED || c.latest == mesos.TASK_KILLED {
		for _, x := range c.group.tasks {
			if x != c && !x.ended && !x.killed {
				a.kill(x, x.ownGrace())
			}
		}
	}
	a.endBuiltinIfIdle(c.executor)
}

// endBuiltinIfIdle ends a default executor that has nothing left to run.
func (a *agent) endBuiltinIfIdle(e *agentExecutor) {
	if e.state != executorRunning && e.state != executorTerminating || len(e.queue) > 0 {
		return
	}
	for _, c := range e.tasks {
		if !c.ended {
			return
		}
	}
	a.executorEnded(e, 0)
}

// shutDownBuiltin kills all tasks of a default executor; it ends with the last.
func (a *agent) shutDownBuiltin(e *agentExecutor) {
	for _, c := range e.sortedTasks() {
		if !c.ended {
			a.kill(c, executorGrace)
		}
	}
	a.endBuiltinIfIdle(e)
}
