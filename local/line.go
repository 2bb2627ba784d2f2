package local

import (
	"net/netip"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// line is what the master and one agent hear each other through. All they
// know of each other comes over it, in order, so that cutting or delaying it
// is all it takes to lose an agent.
type line struct {
	master *master
	agent  *agent
}

// up tells the master something.
func (l *line) up(m toMaster) { l.master.box.post(func() { l.master.onMessage(l, m) }) }

// down tells the agent something.
func (l *line) down(m toAgent) { l.agent.box.post(func() { l.agent.onMessage(m) }) }

// toMaster is what an agent tells the master.
type toMaster interface{ toMaster() }

// registerAgent asks for an id.
type registerAgent struct {
	addr      netip.AddrPort
	resources Resources
}

// statusUpdate brings the oldest update of a task that is not acknowledged,
// and the state the task is in by now.
type statusUpdate struct {
	framework string
	status    *mesos.TaskStatus // never changed once sent
	latest    mesos.TaskState
}

func (registerAgent) toMaster() {}
func (statusUpdate) toMaster()  {}

// toAgent is what the master tells an agent.
type toAgent interface{ toAgent() }

// registered answers registerAgent.
type registered struct{ id string }

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

// shutdownFramework ends all tasks of a framework without further updates.
type shutdownFramework struct{ framework string }

func (registered) toAgent()        {}
func (runTask) toAgent()           {}
func (killTask) toAgent()          {}
func (ackUpdate) toAgent()         {}
func (shutdownFramework) toAgent() {}

// frameworkBrief is what an agent needs to know of a framework.
type frameworkBrief struct {
	info                                *mesos.FrameworkInfo // never changed
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
