package scheduler

import (
	"fmt"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// simExecutor is one incarnation of an executor of ours: what the master holds of
// it and what is true. Agent and master are those of Mesos 1.12 (Slave::__run,
// Slave::executorTerminated, Master::exitedExecutor, validation.cpp).
type simExecutor struct {
	id, framework string
	agent         *simAgent
	need          task.Resources
	said          string // its ExecutorInfo, as the launch had it that brought it
	terse         bool   // it starts commands before it tells of them

	held     bool // by the master, which counts its resources
	alive    bool
	ending   bool // it was told to end, and takes nothing more
	sent     bool // it was given a task at least once
	untold   bool // it has ended, and its agent has not told the master
	status   int32
	idle     time.Time // since when it has nothing to run
	dieAt    time.Time // its framework was shut down
	launches []*simLaunch
}

// holds: a launch that it has not told the end of yet.
func (x *simExecutor) holds(l *simLaunch) bool { return l.atAgent && !l.dead }

func (x *simExecutor) busy() bool {
	for _, l := range x.launches {
		if x.holds(l) {
			return true
		}
	}
	return false
}

// onRecord: the agent keeps an executor for as long as something of it was not
// acknowledged.
func (x *simExecutor) onRecord() bool {
	if x.alive {
		return true
	}
	for _, l := range x.launches {
		if l.atAgent && len(l.queue) > 0 {
			return true
		}
	}
	return false
}

// executor finds an executor for which ok holds.
func (c *simCluster) executor(framework, agent, id string, ok func(*simExecutor) bool) *simExecutor {
	for _, x := range c.executors {
		if x.framework == framework && x.id == id && x.agent.id == agent && ok(x) {
			return x
		}
	}
	return nil
}

func isHeld(x *simExecutor) bool { return x.held }

// executorOf is the executor that a launch wants. New: the master does not know it
// and wants its agent to start it, for which the offer has to have room, too.
func (c *simCluster) executorOf(info *mesos.TaskInfo, agent *simAgent) (x *simExecutor, isNew bool, err error) {
	id := info.Executor.ExecutorID.Value
	bare := *info.Executor
	bare.Resources = nil // an amount can be said in several ways
	said, err := bare.Marshal()
	if err != nil {
		return nil, false, err
	}
	amount := need(info.Executor.Resources)
	if known := c.executor(c.framework, agent.id, id, isHeld); known != nil {
		if known.said != string(said) || known.need != amount {
			return nil, false, errBroken("ExecutorInfo of %s for %s is not compatible with existing ExecutorInfo with same ExecutorID", id, info.TaskID.Value)
		}
		return known, false, nil
	}
	if of := info.Executor.FrameworkID.GetValue(); of != c.framework {
		return nil, false, errBroken("executor %s of framework %s in framework %s", id, of, c.framework)
	}
	return &simExecutor{id: id, framework: c.framework, agent: agent, need: amount, said: string(said),
		terse: strings.Contains(info.Executor.Command.GetValue(), "--terse-updates")}, true, nil
}

// noRoom is the master's answer to a launch that names an executor which is gone,
// without room for another one.
func (c *simCluster) noRoom(info *mesos.TaskInfo) {
	st := status(info.TaskID.Value, info.AgentID.Value, mesos.TASK_ERROR, mesos.SOURCE_MASTER, mesos.REASON_TASK_INVALID)
	text := "Total resources cpus:1; mem:1 required by task and its executor is more than available cpus:1; mem:0"
	st.Message = &text
	c.event(Updated{st})
}

// receive: a launch with an executor is at its agent, which takes it or drops it.
func (c *simCluster) receive(l *simLaunch, isNew bool) {
	x := l.executor
	there := c.executor(x.framework, x.agent.id, x.id, (*simExecutor).onRecord)
	const dropped, why = mesos.TASK_DROPPED, mesos.REASON_EXECUTOR_TERMINATED
	switch {
	case isNew && there != nil:
		there.ending = true
		x.untold = !there.alive
		c.end(l, dropped, why, "Master wants to launch executor, but one already exists")
		return
	case isNew:
		x.alive = true
	case there == nil:
		c.end(l, dropped, why, "No executor is expected to launch and there is none running")
		return
	case !there.alive || there.ending:
		c.end(l, dropped, why, "Executor terminating/terminated")
		return
	default:
		l.executor = there
	}
	l.atAgent = true
	l.executor.launches = append(l.executor.launches, l)
}

// endExecutor ends its process, and with it all that it holds.
func (c *simCluster) endExecutor(x *simExecutor, state mesos.TaskState, reason mesos.TaskStatus_Reason, status int32) {
	if !x.alive {
		return
	}
	x.alive, x.untold, x.status = false, true, status
	for _, l := range x.launches {
		if !x.holds(l) {
			continue
		}
		l.seen.lost = l.seen.lost || l.ran
		l.dead, l.outcome = true, state
		c.tellBy(mesos.SOURCE_AGENT, l, state, reason, "Executor terminated")
	}
}

// vanish ends its process, and nobody hears of it.
func (x *simExecutor) vanish() { x.alive, x.held, x.untold = false, false, false }

// kill9: SIGKILL.
func (c *simCluster) kill9(x *simExecutor) {
	c.endExecutor(x, mesos.TASK_FAILED, mesos.REASON_EXECUTOR_TERMINATED, 9)
}

// leaves: it ends by itself since it has nothing to do, or was told to end. What is
// on its way to it is lost.
func (c *simCluster) leaves(x *simExecutor) {
	c.endExecutor(x, mesos.TASK_FAILED, mesos.REASON_EXECUTOR_TERMINATED, 0)
}

// tellExit lets an agent tell the master of an executor that has ended. That is
// said once, and lost if nobody listens.
func (c *simCluster) tellExit(x *simExecutor) {
	if !x.untold || !x.agent.reachable() {
		return
	}
	x.untold = false
	held := c.executor(x.framework, x.agent.id, x.id, isHeld)
	if held == nil {
		return
	}
	held.held = false
	x.agent.filter = time.Time{}
	if c.framework == x.framework {
		c.event(ExecutorLost{x.agent.id, x.id, x.status})
	}
}

// passExecutors: those end that have had nothing to do for too long, that were
// told to, and whose framework is gone.
func (c *simCluster) passExecutors() {
	for _, x := range c.executors {
		switch {
		case !x.alive:
		case !x.dieAt.IsZero() && !x.dieAt.After(c.now):
			x.vanish()
		case x.ending:
			c.leaves(x)
		case x.busy():
			x.idle = time.Time{}
		case x.idle.IsZero():
			x.idle = c.now
		case c.now.Sub(x.idle) >= c.executorIdle:
			c.leaves(x)
		}
	}
}

// readmitExecutors: an agent that is back tells which executors it has.
func (c *simCluster) readmitExecutors(a *simAgent, was agentState) {
	for _, x := range c.executors {
		if x.agent != a {
			continue
		}
		x.untold = false
		switch {
		case c.completed[x.framework]:
			x.dieAt = c.now.Add(5 * time.Second)
		case was == registered:
			x.held = x.held && x.alive
		default:
			x.held = x.alive
		}
	}
}

// restart: the process of an agent ends and is started again. Executors that do
// not find it in time are ended.
func (c *simCluster) restart(a *simAgent, found func(*simExecutor) bool) {
	c.cut(a)
	for _, x := range c.executors {
		if x.agent == a && !found(x) {
			c.endExecutor(x, mesos.TASK_GONE, mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT, 9)
		}
	}
	c.back(a)
}

// shutdown: a SHUTDOWN is at the master.
func (c *simCluster) shutdown(agent, id string) {
	if x := c.executor(c.framework, agent, id, isHeld); x != nil && x.agent.reachable() && x.alive {
		x.ending = true
	}
}

// executorsOn calls back for each executor of an agent.
func (c *simCluster) executorsOn(a *simAgent, do func(*simExecutor)) {
	for _, x := range c.executors {
		if x.agent == a {
			do(x)
		}
	}
}

func simExecutorConfig() ExecutorConfig {
	return ExecutorConfig{Cost: task.Resources{CPUs: 100, Mem: 64}, Command: "./cmdq executor",
		URI: func() string { return "http://h:1/cmdq" }, Data: simData}
}

// simData is what a launch with our executor has in its TaskInfo.data here.
func simData(t *task.Task, n int, _ []task.Variable) []byte {
	return fmt.Appendf(nil, "%s as %s", task.LaunchID(t.ID, n), t.Command())
}
