package local

import (
	"slices"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// task is what the master knows of a task until its end is acknowledged.
type task struct {
	info      *mesos.TaskInfo // never changed
	framework *framework
	agent     *agentRecord
	role      string
	number    int // the framework's n-th launch
	resources Resources
	held      bool // the resources are still its own

	state    mesos.TaskState     // the latest the agent told
	last     *mesos.TaskStatus   // the last update forwarded; nil while it is staging
	statuses []*mesos.TaskStatus // as the state endpoints show them
}

func (t *task) id() string   { return t.info.TaskID.Value }
func (t *task) key() taskKey { return taskKey{t.framework.id, t.id()} }

// record notes an update. latest is the state the task has reached by now.
func (t *task) record(now time.Time, s *mesos.TaskStatus, latest mesos.TaskState) {
	if s.Timestamp == nil {
		at := seconds(now)
		s.Timestamp = &at
	}
	if !terminal(t.state) {
		t.state = latest
	}
	t.last = s
	if n := len(t.statuses); n > 0 && t.statuses[n-1].GetState() == s.GetState() {
		t.statuses[n-1] = s
	} else {
		t.statuses = append(t.statuses, s)
		if len(t.statuses) > keptTold { // an executor may tell without end
			t.statuses = slices.Delete(t.statuses, 0, 1)
		}
	}
}

// sortedTasks lists a framework's tasks in the order of their launch.
func (f *framework) sortedTasks() []*task {
	list := make([]*task, 0, len(f.tasks))
	for _, t := range f.tasks {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *task) int { return a.number - b.number })
	return list
}

// free gives a task's resources back, once.
func (m *master) free(t *task) {
	if !t.held {
		return
	}
	t.held = false
	t.agent.used = t.agent.used.minus(t.resources)
	t.framework.release(t.role, t.resources)
	m.comesBack(t.agent)
}

// forget moves a task to the completed ones.
func (m *master) forget(t *task) {
	f := t.framework
	delete(f.tasks, t.id())
	delete(t.agent.tasks, t.key())
	f.completed = append(f.completed, viewTask(t))
	if len(f.completed) > keptTasks {
		f.completed = f.completed[1:]
	}
}

// onUpdate takes an agent's update of a task and tells the framework. A
// framework that is not there gets it by the agent's next try.
func (m *master) onUpdate(msg statusUpdate) {
	f := m.frameworks[msg.framework]
	if f == nil {
		return
	}
	t := f.tasks[msg.status.TaskID.Value]
	agent := msg.status.AgentID
	if t == nil || agent != nil && agent.Value != t.agent.id { // an executor can name any task
		m.counts.invalidUpdates++
		return
	}
	m.counts.validUpdates++
	if terminal(msg.latest) && !terminal(t.state) {
		m.counts.ended(msg.latest)
	}
	t.record(m.now, msg.status, msg.latest)
	if m.log.Logger.IsLevelEnabled(logrus.DebugLevel) {
		m.log.WithFields(logrus.Fields{"framework": f.id, "task": t.id(), "agent": t.agent.id}).Debug(msg.status.GetState().String())
	}
	if terminal(t.state) {
		m.free(t)
	}
	m.send(f, updateEvent(msg.status))
}

func updateEvent(s *mesos.TaskStatus) *scheduler.Event {
	return &scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: *s}}
}

// acknowledge passes an acknowledgement on; one of the end that was told last
// lets the master forget the task.
func (m *master) acknowledge(f *framework, ack *scheduler.Call_Acknowledge) {
	a := m.agent(ack.AgentID.Value)
	if a == nil || !a.connected {
		return // it sends the update again
	}
	t := f.tasks[ack.TaskID.Value]
	if t != nil && t.agent == a && t.last != nil && terminal(t.last.GetState()) && string(t.last.UUID) == string(ack.UUID) {
		m.forget(t)
	}
	a.line.down(ackUpdate{framework: f.id, task: ack.TaskID.Value, uuid: ack.UUID})
}

// report sends an update the master makes itself: it has no uuid and is never
// acknowledged.
func (m *master) report(f *framework, s mesos.TaskStatus) {
	at := seconds(m.now)
	s.Timestamp = &at
	s.Source = mesos.SOURCE_MASTER.Enum()
	m.send(f, updateEvent(&s))
}
