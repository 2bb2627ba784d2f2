package local

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// line is one connection of an agent to the master. All they know of each
// other comes over it, in order, so that cutting it, or holding one of the two
// mailboxes, is all it takes to lose an agent. An agent that connects again
// has a new line.
type line struct {
	master *master
	agent  *agent
	life   int64       // the master's when the line was made: a later one hears nothing of it
	cut    atomic.Bool // nothing more goes in, and nothing more comes out at the agent

	record *agentRecord // who is at the other end for the master; its own
}

func newLine(m *master, a *agent) *line { return &line{master: m, agent: a, life: m.life.Load()} }

// up tells the master something.
func (l *line) up(m toMaster) {
	if !l.cut.Load() {
		l.inMaster(func() { l.master.onMessage(l, m) })
	}
}

// inMaster runs something in the master, unless it has been restarted since.
func (l *line) inMaster(f func()) {
	l.master.box.post(func() {
		if l.life == l.master.life.Load() {
			f()
		}
	})
}

// down tells the agent something.
func (l *line) down(m toAgent) {
	if l.cut.Load() {
		return
	}
	l.agent.box.post(func() {
		if !l.cut.Load() {
			l.agent.onMessage(m)
		}
	})
}

// breakUp is the end of the agent's process: what it has sent still arrives,
// then the master sees that the connection is broken.
func (l *line) breakUp() {
	l.cut.Store(true)
	l.inMaster(func() { l.master.onBroken(l) })
}

// breakDown is the end of the master's process.
func (l *line) breakDown() {
	l.cut.Store(true)
	l.agent.box.post(func() { l.agent.onBroken(l) })
}

// ping asks the agent's process whether it is there, connected or not. One
// that has ended since does not hear it.
func (l *line) ping(m ping) {
	life := l.agent.life.Load()
	l.agent.box.post(func() {
		if l.agent.life.Load() == life {
			l.agent.onPing(l, m)
		}
	})
}

// pong answers ping.
func (l *line) pong() {
	l.inMaster(func() {
		if l.record != nil {
			l.record.onPong()
		}
	})
}

// toMaster is what an agent tells the master.
type toMaster interface{ toMaster() }

// registerAgent asks for an id.
type registerAgent struct {
	addr      netip.AddrPort
	resources Resources
}

// reregisterAgent says that an agent with an id is there, and what it has.
type reregisterAgent struct {
	id         string
	addr       netip.AddrPort
	resources  Resources
	frameworks []frameworkBrief
	tasks      []heldTask
	executors  []heldExecutor
}

// heldTask is a task that an agent has, in whatever state.
type heldTask struct {
	framework string
	info      *mesos.TaskInfo // never changed
	role      string
	latest    mesos.TaskState
	forwarded *mesos.TaskStatus   // the update sent last; nil: none
	told      []*mesos.TaskStatus // all of them up to that one
}

// heldExecutor is an executor that an agent has.
type heldExecutor struct {
	framework string
	info      *mesos.ExecutorInfo // never changed
	role      string
}

// unregisterAgent says that the agent goes for good.
type unregisterAgent struct{}

// statusUpdate brings the oldest update of a task that is not acknowledged,
// and the state the task is in by now.
type statusUpdate struct {
	framework string
	status    *mesos.TaskStatus // never changed once sent
	latest    mesos.TaskState
}

func (registerAgent) toMaster()   {}
func (reregisterAgent) toMaster() {}
func (unregisterAgent) toMaster() {}
func (statusUpdate) toMaster()    {}

// toAgent is what the master tells an agent.
type toAgent interface{ toAgent() }

// registered answers registerAgent. An agent that hears no ping for as long as
// silence has lost its master.
type registered struct {
	id      string
	silence time.Duration
}

// reregistered answers reregisterAgent. The master asks after tasks that the
// agent did not mention.
type reregistered struct {
	silence time.Duration
	unknown []missingTask
}

// missingTask is one that the master has and the agent did not mention.
type missingTask struct {
	framework frameworkBrief
	info      *mesos.TaskInfo // never changed
}

// ping asks whether the agent is there, over no connection. It registers again
// when it hears that the master does not think it connected.
type ping struct {
	connected bool
	sent      time.Time
}

// shutdownAgent ends an agent that is not wanted any more.
type shutdownAgent struct{ why string }

// runTask starts a task.
type runTask struct {
	framework frameworkBrief
	task      *mesos.TaskInfo // never changed once sent
	role      string          // its resources are allocated to
}

// killTask ends a task; a zero grace is SIGKILL at once.
type killTask struct {
	framework, task string
	grace           time.Duration
	hasGrace        bool // else the task's own policy holds
}

// ackUpdate says that a framework has an update.
type ackUpdate struct {
	framework, task string
	uuid            []byte
}

// updateFramework says that a framework's scheduler is there, or what is new
// about the framework. What the scheduler has not acknowledged is sent to it.
type updateFramework struct{ framework frameworkBrief }

// shutdownFramework ends all tasks of a framework without further updates.
type shutdownFramework struct{ framework string }

func (registered) toAgent()        {}
func (reregistered) toAgent()      {}
func (shutdownAgent) toAgent()     {}
func (runTask) toAgent()           {}
func (killTask) toAgent()          {}
func (ackUpdate) toAgent()         {}
func (updateFramework) toAgent()   {}
func (shutdownFramework) toAgent() {}

// frameworkBrief is what an agent needs to know of a framework.
type frameworkBrief struct {
	info                                *mesos.FrameworkInfo // never changed; for executors
	id, name, user, hostname, principal string
	roles                               []string
	checkpoint                          bool
	failoverTimeout                     float64
	capabilities                        capabilities
}

// capabilities are those of a framework that change what it is told.
type capabilities struct {
	multiRole, partitionAware, killing, refined, gpus bool
}

func capabilitiesOf(info *mesos.FrameworkInfo) capabilities {
	var c capabilities
	for _, x := range info.Capabilities {
		switch x.Type {
		case mesos.FrameworkInfo_Capability_MULTI_ROLE:
			c.multiRole = true
		case mesos.FrameworkInfo_Capability_PARTITION_AWARE:
			c.partitionAware = true
		case mesos.FrameworkInfo_Capability_TASK_KILLING_STATE:
			c.killing = true
		case mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT:
			c.refined = true
		case mesos.FrameworkInfo_Capability_GPU_RESOURCES:
			c.gpus = true
		}
	}
	return c
}

// dropped is the state of a task that never started: TASK_DROPPED is only for
// frameworks that know it.
func (c capabilities) dropped() mesos.TaskState { return c.aware(mesos.TASK_DROPPED) }

// aware is a state that only a PARTITION_AWARE framework knows; TASK_LOST for
// all others.
func (c capabilities) aware(state mesos.TaskState) mesos.TaskState {
	if c.partitionAware {
		return state
	}
	return mesos.TASK_LOST
}

// terminal tells whether a task in this state has ended (Mesos:
// src/common/protobuf_utils.cpp).
func terminal(state mesos.TaskState) bool {
	switch state {
	case mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_ERROR,
		mesos.TASK_LOST, mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR:
		return true
	}
	return false
}

// seconds is a time as the protocol has it.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
