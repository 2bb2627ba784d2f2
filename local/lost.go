package local

import (
	"cmp"
	"slices"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// keptUnreachable is how many unreachable tasks of a framework are kept (Mesos:
// src/master/constants.hpp).
const keptUnreachable = 1000

// ping asks an agent whether it is there, again and again. maxPings of them
// without an answer make it unreachable (Mesos: SlaveObserver).
func (m *master) ping(a *agentRecord) {
	a.line.ping(ping{connected: a.connected, sent: time.Now()})
	a.pinged = true
	a.pinger = time.AfterFunc(m.timing.ping, func() { m.box.post(func() { m.onPingTimeout(a) }) })
}

func (m *master) onPingTimeout(a *agentRecord) {
	if a.retired {
		return
	}
	if a.pinged {
		a.timeouts++
		if a.timeouts >= m.timing.maxPings {
			m.markUnreachable(a, "health check timed out")
			return
		}
	}
	m.ping(a)
}

func (a *agentRecord) onPong() { a.pinged, a.timeouts = false, 0 }

// onBroken reacts to the break of an agent's connection: it gets no offers, and
// loses the tasks of frameworks that do not checkpoint. The others have time to
// be told of again (Mesos: Master::exited).
func (m *master) onBroken(l *line) {
	a := l.record
	if a == nil || !a.connected {
		return
	}
	a.connected = false
	m.log.WithField("agent", a.id).Info("agent disconnected")
	m.rescindAll(a)
	for _, t := range a.sortedTasks() {
		if !t.framework.info.GetCheckpoint() {
			m.lose(t, loss{state: mesos.TASK_LOST, reason: mesos.REASON_AGENT_DISCONNECTED, text: "Agent " + a.host() + " disconnected"})
		}
	}
	for _, x := range a.executors {
		if !x.framework.info.GetCheckpoint() {
			m.removeExecutor(x)
		}
	}
	limit := m.timing.reregister
	var mine *time.Timer
	mine = time.AfterFunc(limit, func() {
		m.box.post(func() {
			if a.deadline == mine && !a.connected && !a.retired {
				m.markUnreachable(a, "agent did not reregister within "+formatDuration(limit)+" after disconnecting")
			}
		})
	})
	a.deadline = mine
}

// markUnreachable gives up an agent that may come back.
func (m *master) markUnreachable(a *agentRecord, text string) {
	m.registry.unreachable[a.id] = m.now
	m.log.WithField("agent", a.id).WithField("why", text).Warn("agent is unreachable")
	m.drop(a, func(f *framework) loss {
		return loss{state: f.caps.aware(mesos.TASK_UNREACHABLE), reason: mesos.REASON_AGENT_REMOVED, text: text, since: m.now}
	})
}

// removeAgent gives up an agent that is not there any more.
func (m *master) removeAgent(a *agentRecord, why string) {
	m.log.WithField("agent", a.id).WithField("why", why).Info("agent removed")
	m.drop(a, func(*framework) loss {
		return loss{state: mesos.TASK_LOST, reason: mesos.REASON_AGENT_REMOVED, text: "Agent " + a.host() + " removed: " + why}
	})
}

// markGone gives up an agent for good, registered or not: an operator says that
// it will not come back. It is false for an agent that is not known.
func (m *master) markGone(id string) bool {
	a := m.agent(id)
	_, unreachable := m.registry.unreachable[id]
	if a == nil && !unreachable && !m.registry.recovered[id] && !m.registry.gone[id] {
		return false
	}
	delete(m.registry.unreachable, id)
	delete(m.registry.recovered, id)
	m.registry.gone[id] = true
	if a == nil {
		return true
	}
	a.line.down(shutdownAgent{why: "Agent has been marked gone"})
	m.drop(a, func(f *framework) loss {
		l := loss{state: f.caps.aware(mesos.TASK_GONE_BY_OPERATOR), reason: mesos.REASON_AGENT_REMOVED, text: "Agent has been marked gone"}
		if f.caps.partitionAware {
			l.reason = mesos.REASON_AGENT_REMOVED_BY_OPERATOR
		}
		return l
	})
	return true
}

// loss is what is told of a task whose agent is lost.
type loss struct {
	state  mesos.TaskState
	reason mesos.TaskStatus_Reason
	text   string
	since  time.Time // unreachable since then, and may come back; zero: it will not
}

// drop forgets an agent. Frameworks hear of their tasks, then of their offers,
// then of the agent.
func (m *master) drop(a *agentRecord, what func(*framework) loss) {
	a.retire()
	m.agents = slices.DeleteFunc(m.agents, func(x *agentRecord) bool { return x == a })
	for _, t := range a.sortedTasks() {
		m.lose(t, what(t.framework))
	}
	for _, x := range a.executors {
		m.removeExecutor(x)
	}
	m.rescindAll(a)
	for _, f := range m.frameworks {
		delete(f.filters, a.id)
	}
	m.tellLost(a.id)
}

// lose ends a task for the master.
func (m *master) lose(t *task, l loss) {
	s := &mesos.TaskStatus{
		TaskID: t.info.TaskID, AgentID: &t.info.AgentID, State: l.state.Enum(), Source: mesos.SOURCE_MASTER.Enum(),
		Reason: l.reason.Enum(), Message: &l.text,
	}
	if !l.since.IsZero() {
		s.UnreachableTime = &mesos.TimeInfo{Nanoseconds: l.since.UnixNano()}
	}
	if t.info.Executor != nil {
		s.ExecutorID = &t.info.Executor.ExecutorID
	}
	if terminal(l.state) && !terminal(t.state) {
		m.counts.ended(l.state)
	}
	t.record(m.now, s, l.state)
	m.free(t)
	m.send(t.framework, updateEvent(s))
	if l.since.IsZero() {
		m.forget(t)
		return
	}
	f := t.framework
	delete(f.tasks, t.id())
	delete(t.agent.tasks, t.key())
	f.unreachable = append(f.unreachable, t)
	if len(f.unreachable) > keptUnreachable {
		f.unreachable = slices.Delete(f.unreachable, 0, 1)
	}
}

// rescindAll takes back all offers of an agent.
func (m *master) rescindAll(a *agentRecord) {
	for _, o := range m.offersOn(a) {
		m.takeBack(o)
		m.send(o.framework, &scheduler.Event{Type: scheduler.Event_RESCIND, Rescind: &scheduler.Event_Rescind{OfferID: mesos.OfferID{Value: o.id}}})
	}
}

func (m *master) offersOn(a *agentRecord) []*offer {
	var list []*offer
	for _, o := range m.offers {
		if o.agent == a {
			list = append(list, o)
		}
	}
	return list
}

// tellLost tells all frameworks that an agent is lost.
func (m *master) tellLost(agent string) {
	for _, f := range m.frameworks {
		m.send(f, &scheduler.Event{Type: scheduler.Event_FAILURE, Failure: &scheduler.Event_Failure{AgentID: &mesos.AgentID{Value: agent}}})
	}
}

// retire ends what goes on by itself about an agent that is not registered any more.
func (a *agentRecord) retire() {
	a.retired, a.connected = true, false
	a.line.record = nil
	stopTimer(a.pinger)
	stopTimer(a.deadline)
}

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

func (a *agentRecord) host() string { return a.addr.Addr().String() }

// sortedTasks lists the tasks of an agent, each framework's in the order of
// their launch.
func (a *agentRecord) sortedTasks() []*task {
	list := make([]*task, 0, len(a.tasks))
	for _, t := range a.tasks {
		list = append(list, t)
	}
	slices.SortFunc(list, func(x, y *task) int {
		return cmp.Or(cmp.Compare(x.framework.id, y.framework.id), x.number-y.number)
	})
	return list
}

// forgetLost drops the records that say of a task that it is lost: it is there
// again.
func (f *framework) forgetLost(id string) {
	f.unreachable = slices.DeleteFunc(f.unreachable, func(t *task) bool { return t.id() == id })
	f.completed = slices.DeleteFunc(f.completed, func(v *taskView) bool { return v.ID == id })
}

// forgetUnreachable drops the tasks of an agent that came back without them.
func (f *framework) forgetUnreachable(agent string) {
	f.unreachable = slices.DeleteFunc(f.unreachable, func(t *task) bool { return t.info.AgentID.Value == agent })
}

// isUnreachable tells whether a task is on an agent that is not reached.
func (f *framework) isUnreachable(id string) bool {
	return slices.ContainsFunc(f.unreachable, func(t *task) bool { return t.id() == id })
}

// connectedAgents counts the agents that may get tasks.
func (m *master) connectedAgents() int {
	n := 0
	for _, a := range m.agents {
		if a.connected {
			n++
		}
	}
	return n
}
