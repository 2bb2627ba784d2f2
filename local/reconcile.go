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
	state, text := mesos.TASK_UNKNOWN, "Reconciliation: Task is unknown"
	if agent != nil && m.agent(agent.Value) != nil {
		state, text = mesos.TASK_GONE, "Reconciliation: Task is unknown to the agent"
	}
	m.report(f, mesos.TaskStatus{
		TaskID: id, AgentID: agent, State: f.caps.aware(state).Enum(),
		Reason: mesos.REASON_RECONCILIATION.Enum(), Message: &text,
	})
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
