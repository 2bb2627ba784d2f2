package local

import (
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// reconcile tells a framework what the master knows of the tasks it asks for,
// or of all it has when it asks for none (Mesos: Master::reconcile). There is
// no end mark, and nothing is said of what is not known to be unknown.
func (m *master) reconcile(f *framework, ask []scheduler.Call_Reconcile_Task) {
	if len(ask) == 0 {
		for _, t := range f.sortedTasks() {
			m.report(f, t.latest())
		}
		return
	}
	for _, x := range ask {
		m.reconcileTask(f, x.TaskID, x.AgentID)
	}
}

// reconcileTask answers for one task; the first rule that fits holds.
func (m *master) reconcileTask(f *framework, id mesos.TaskID, agent *mesos.AgentID) {
	if t := f.tasks[id.Value]; t != nil {
		m.report(f, t.latest())
		return
	}
	s, known := m.absent(agent)
	if !known {
		return
	}
	state := f.caps.aware(s.GetState())
	s.TaskID, s.AgentID, s.State, s.Reason = id, agent, &state, mesos.REASON_RECONCILIATION.Enum()
	m.report(f, s)
}

// absent is the answer for a task the master does not have; false while an
// agent that could have it may still come back to a new master.
func (m *master) absent(agent *mesos.AgentID) (s mesos.TaskStatus, known bool) {
	say := func(state mesos.TaskState, text string) (mesos.TaskStatus, bool) {
		text = "Reconciliation: " + text
		s.State, s.Message = &state, &text
		return s, true
	}
	if agent == nil {
		if len(m.registry.recovered) > 0 {
			return s, false
		}
		return say(mesos.TASK_UNKNOWN, "Task is unknown")
	}
	since, unreachable := m.registry.unreachable[agent.Value]
	switch {
	case m.registry.recovered[agent.Value]:
		return s, false
	case m.agent(agent.Value) != nil:
		return say(mesos.TASK_GONE, "Task is unknown to the agent")
	case unreachable:
		s.UnreachableTime = &mesos.TimeInfo{Nanoseconds: since.UnixNano()}
		return say(mesos.TASK_UNREACHABLE, "Task is unreachable")
	case m.registry.gone[agent.Value]:
		return say(mesos.TASK_GONE_BY_OPERATOR, "Task is gone")
	}
	return say(mesos.TASK_UNKNOWN, "Task is unknown")
}

// latest is the answer for a task the master has: the state it last told.
func (t *task) latest() mesos.TaskStatus {
	text := "Reconciliation: Latest task state"
	s := mesos.TaskStatus{
		TaskID: t.info.TaskID, AgentID: &t.info.AgentID, State: mesos.TASK_STAGING.Enum(),
		Reason: mesos.REASON_RECONCILIATION.Enum(), Message: &text,
	}
	if t.last != nil {
		s.State = t.last.State
		s.Healthy, s.CheckStatus, s.ContainerStatus = t.last.Healthy, t.last.CheckStatus, t.last.ContainerStatus
	}
	if t.info.Executor != nil {
		s.ExecutorID = &t.info.Executor.ExecutorID
	}
	return s
}
