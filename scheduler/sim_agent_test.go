package scheduler

import (
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// simAgent is an agent: what the master believes of it, and whether it hears it.
type simAgent struct {
	id        string
	size      task.Resources
	state     agentState
	connected bool
	since     time.Time // when it became unreachable
	filter    time.Time // nothing of it is offered before
	troubled  bool      // it was away at least once
	unfit     bool      // it cannot run our executor
}

type agentState uint8

const (
	registered  agentState = iota
	recovering             // a new master has not heard of it yet
	unreachable            // the master has given it up for now
	gone                   // an operator said so
)

func (a *simAgent) reachable() bool { return a.connected && a.state == registered }

func (c *simCluster) agent(id string) *simAgent {
	for _, a := range c.agents {
		if a.id == id {
			return a
		}
	}
	return nil
}

// start: the command is up. Our executor tells of that before it starts it, in a
// step of its own; a terse one tells after it, if at all.
func (c *simCluster) start(l *simLaunch) {
	x := l.executor
	if !l.atAgent || l.dead || l.dying {
		return
	}
	if x != nil {
		x.sent = true
	}
	switch {
	case x == nil && !l.ran:
		l.ran = true
		c.tellUp(l)
	case x != nil && x.terse && !l.ran:
		l.ran = true
	case !l.told:
		c.tellUp(l)
	default:
		l.ran = true
	}
}

func (c *simCluster) tellUp(l *simLaunch) {
	l.told = true
	c.tell(l, mesos.TASK_RUNNING, noReason, "")
}

// end: the command is over.
func (c *simCluster) end(l *simLaunch, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) {
	if l.dead {
		return
	}
	l.dead, l.outcome = true, state
	c.tell(l, state, reason, message)
}

// tell puts an update behind those that the agent has not got through yet.
// Of a command with our executor it is that executor who tells.
func (c *simCluster) tell(l *simLaunch, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) {
	source := mesos.SOURCE_AGENT
	if l.executor != nil && l.atAgent {
		source = mesos.SOURCE_EXECUTOR
	}
	c.tellBy(source, l, state, reason, message)
}

func (c *simCluster) tellBy(source mesos.TaskStatus_Source, l *simLaunch, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) {
	st := l.status(state, source, reason)
	st.UUID, st.Message = c.uuid(), &message
	at := float64(c.now.UnixMilli()) / 1000
	st.Timestamp = &at
	l.queue = append(l.queue, st)
}

// forward sends the head of a launch's updates, for the first time or again.
func (c *simCluster) forward(l *simLaunch) {
	if !l.agent.reachable() || !l.held || len(l.queue) == 0 {
		return
	}
	head := l.queue[0]
	l.forwarded = head.GetState()
	l.over = l.dead
	l.agent.filter = time.Time{} // more is free than what was refused
	if c.stream && l.framework == c.framework {
		l.sent = append(l.sent, head)
		c.event(Updated{head})
	}
}

// acknowledge takes the head away; after a terminal one the launch is forgotten.
func (c *simCluster) acknowledge(id, agent string, uuid []byte) {
	l := c.launches[id]
	if l == nil || l.agent.id != agent || !l.agent.reachable() || !l.held || len(l.queue) == 0 || string(l.queue[0].UUID) != string(uuid) {
		return
	}
	l.queue = l.queue[1:]
	if l.dead && len(l.queue) == 0 {
		l.held = false
	}
}

// killAt: a KILL is at the agent.
func (c *simCluster) killAt(l *simLaunch) {
	switch {
	case l.dead:
	case !l.atAgent:
		c.end(l, mesos.TASK_DROPPED, mesos.REASON_EXECUTOR_TERMINATED, "Cannot find executor")
	case !l.ran:
		c.end(l, mesos.TASK_KILLED, mesos.REASON_TASK_KILLED_DURING_LAUNCH, "")
		if x := l.executor; x != nil && !x.sent && !x.busy() {
			x.ending = true // it was never sent a task
		}
	case !l.dying:
		l.dying = true
		c.tell(l, mesos.TASK_KILLING, noReason, "")
	}
}

// cut: the connection of an agent breaks, and the master has not noticed more.
func (c *simCluster) cut(a *simAgent) {
	if a.reachable() {
		a.connected, a.troubled = false, true
		c.rescind(a)
	}
}

// lose: the master gives an agent up that it does not hear.
func (c *simCluster) lose(a *simAgent) {
	if a.connected || a.state == unreachable || a.state == gone {
		return
	}
	c.rescind(a)
	a.state, a.since, a.troubled = unreachable, c.now, true
	c.executorsOn(a, func(x *simExecutor) { x.held = false })
	for _, l := range c.order {
		if l.agent != a || !l.held {
			continue
		}
		l.held = false
		if !l.over {
			l.forwarded = mesos.TASK_UNREACHABLE
			st := l.status(mesos.TASK_UNREACHABLE, mesos.SOURCE_MASTER, mesos.REASON_AGENT_REMOVED)
			st.UnreachableTime = &mesos.TimeInfo{Nanoseconds: c.now.UnixNano()}
			c.event(Updated{st})
		}
	}
	c.event(AgentLost{a.id})
}

// back: an agent registers again and tells what it has. What it never got, of
// what the master holds, it says it dropped.
func (c *simCluster) back(a *simAgent) {
	if a.connected || a.state == gone {
		return
	}
	was := a.state
	a.state, a.connected = registered, true
	c.readmitExecutors(a, was)
	for _, l := range c.order {
		if l.agent != a {
			continue
		}
		switch {
		case !l.dieAt.IsZero(): // it was told before
		case c.completed[l.framework]:
			l.dieAt = c.now.Add(5 * time.Second)
		case !l.atAgent && l.held && !l.dead:
			c.end(l, mesos.TASK_DROPPED, mesos.REASON_RECONCILIATION, "never arrived at the agent")
		case l.atAgent && (!l.dead || len(l.queue) > 0):
			c.readmit(l, was)
		}
		if l.kill && l.held {
			c.killAt(l)
		}
		l.kill = false
	}
}

// readmit: the master holds a launch again.
func (c *simCluster) readmit(l *simLaunch, was agentState) {
	if was == registered && l.held {
		return
	}
	l.held, l.over = true, l.dead
	l.forwarded = l.truth()
	if was == unreachable && l.framework == c.framework {
		c.event(Updated{l.status(l.truth(), mesos.SOURCE_MASTER, mesos.REASON_AGENT_REREGISTERED)})
	}
}

// truth is how the launch is, in the last words of its agent.
func (l *simLaunch) truth() mesos.TaskState {
	if n := len(l.queue); n > 0 {
		return l.queue[n-1].GetState()
	}
	if l.dying {
		return mesos.TASK_KILLING
	}
	if l.told {
		return mesos.TASK_RUNNING
	}
	return mesos.TASK_STAGING
}

// status is a word on a launch.
func (l *simLaunch) status(state mesos.TaskState, source mesos.TaskStatus_Source, reason mesos.TaskStatus_Reason) *mesos.TaskStatus {
	st := status(l.id, l.agent.id, state, source, reason)
	if l.executor != nil {
		st.ExecutorID = &mesos.ExecutorID{Value: l.executor.id}
	}
	return st
}

// markGone: an operator says that an agent will not come back, and it does not.
// Another one takes its place.
func (c *simCluster) markGone(a *simAgent) {
	c.rescind(a)
	was := a.state
	a.state, a.connected, a.troubled = gone, false, true
	c.executorsOn(a, (*simExecutor).vanish)
	for _, l := range c.order {
		if l.agent != a {
			continue
		}
		l.dead, l.queue = true, nil
		l.seen.lost = true
		if l.held || was == unreachable && !l.orphan && l.framework == c.framework {
			l.held = false
			if !l.over {
				c.event(Updated{l.status(mesos.TASK_GONE_BY_OPERATOR, mesos.SOURCE_MASTER, mesos.REASON_AGENT_REMOVED_BY_OPERATOR)})
			}
		}
	}
	c.event(AgentLost{a.id})
	c.agents = append(c.agents, &simAgent{id: fmt.Sprintf("a%d", len(c.agents)+1), connected: true, size: a.size})
}

// masterFails: another master leads. It knows which agents there were, and
// nothing of tasks and frameworks.
func (c *simCluster) masterFails() {
	c.breakStream()
	c.framework = ""
	clear(c.completed)
	for _, l := range c.order {
		l.held, l.kill = false, false
	}
	for _, x := range c.executors {
		x.held = false
	}
	for _, a := range c.agents {
		if a.state == registered {
			a.state, a.connected, a.troubled = recovering, false, true
		}
	}
}

// die ends the whole cluster with the process that it lives in.
func (c *simCluster) die() {
	c.masterFails()
	for i, a := range c.agents {
		c.agents[i] = &simAgent{id: a.id + "'", connected: true, size: a.size, unfit: a.unfit}
	}
	for _, x := range c.executors {
		x.vanish()
	}
	for _, l := range c.order {
		l.dead, l.queue, l.seen.lost = true, nil, true
	}
}
