package local

import (
	"slices"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// executorRecord is an executor as the master knows it: from the first task
// it is launched for until its agent says that it is gone. It holds its
// resources all the time, whether it has tasks or not.
type executorRecord struct {
	info      *mesos.ExecutorInfo // never changed
	framework *framework
	agent     *agentRecord
	role      string
	number    int // the framework's n-th launch; orders them
	resources Resources
}

// executorKey names an executor among those of all frameworks on an agent.
type executorKey struct{ framework, executor string }

func (x *executorRecord) id() string       { return x.info.ExecutorID.Value }
func (x *executorRecord) key() executorKey { return executorKey{x.framework.id, x.id()} }

// addExecutor charges an executor that is about to be launched.
func (m *master) addExecutor(f *framework, a *agentRecord, role string, info *mesos.ExecutorInfo, need Resources) *executorRecord {
	x := &executorRecord{info: info, framework: f, agent: a, role: role, number: f.launched, resources: need}
	a.executors[x.key()] = x
	a.used = a.used.plus(need)
	f.charge(role, need)
	return x
}

// removeExecutor gives the resources of an executor back, and forgets it.
func (m *master) removeExecutor(x *executorRecord) {
	if x.agent.executors[x.key()] != x {
		return
	}
	delete(x.agent.executors, x.key())
	x.agent.used = x.agent.used.minus(x.resources)
	x.framework.release(x.role, x.resources)
	m.comesBack(x.agent)
}

// removeExecutors forgets all executors of a framework.
func (m *master) removeExecutors(f *framework) {
	for _, x := range m.executorsOf(f) {
		m.removeExecutor(x)
	}
}

// executorsOf lists the executors of a framework, agent by agent.
func (m *master) executorsOf(f *framework) []*executorRecord {
	var list []*executorRecord
	for _, a := range m.agents {
		list = append(list, a.executorsOf(f)...)
	}
	return list
}

// executorsOf lists the executors of a framework in the order of their launch.
func (a *agentRecord) executorsOf(f *framework) []*executorRecord {
	var list []*executorRecord
	for _, x := range a.executors {
		if x.framework == f {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b *executorRecord) int { return a.number - b.number })
	return list
}

// onExecutorExited tells the framework that an executor is gone. What becomes
// of its tasks, the agent tells in updates.
func (m *master) onExecutorExited(msg executorExited) {
	a := m.agent(msg.agent)
	if a == nil {
		return
	}
	x := a.executors[executorKey{msg.framework, msg.executor}]
	if x == nil {
		return
	}
	m.removeExecutor(x)
	m.log.WithFields(logrus.Fields{"framework": msg.framework, "executor": msg.executor, "agent": a.id, "status": msg.status}).Info("executor ended")
	m.send(x.framework, &scheduler.Event{Type: scheduler.Event_FAILURE, Failure: &scheduler.Event_Failure{
		AgentID: &mesos.AgentID{Value: a.id}, ExecutorID: &mesos.ExecutorID{Value: msg.executor}, Status: &msg.status,
	}})
}

// onExecutorMessage passes an executor's data on; nobody gets it while the
// framework is disconnected.
func (m *master) onExecutorMessage(msg executorMessage) {
	f := m.frameworks[msg.framework]
	if f == nil || m.agent(msg.agent) == nil {
		return
	}
	m.send(f, &scheduler.Event{Type: scheduler.Event_MESSAGE, Message: &scheduler.Event_Message{
		AgentID: mesos.AgentID{Value: msg.agent}, ExecutorID: mesos.ExecutorID{Value: msg.executor}, Data: msg.data,
	}})
}

// message passes a scheduler's data on, if the agent is there.
func (m *master) message(f *framework, c *scheduler.Call_Message) {
	if a := m.agent(c.AgentID.Value); a != nil {
		a.line.down(messageExecutor{framework: f.id, executor: c.ExecutorID.Value, data: c.Data})
	}
}

// shutdown passes a SHUTDOWN on, if the agent is there.
func (m *master) shutdown(f *framework, c *scheduler.Call_Shutdown) {
	if a := m.agent(c.AgentID.Value); a != nil {
		a.line.down(shutdownExecutor{framework: f.id, executor: c.ExecutorID.Value})
	}
}
