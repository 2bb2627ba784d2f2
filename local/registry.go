package local

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"
)

// registry is what the master knows of agents that are not registered now. It
// outlives a restart of the master.
type registry struct {
	recovered   map[string]bool      // registered with the master before this one
	unreachable map[string]time.Time // since when
	gone        map[string]bool      // for good: an operator said so
}

func newRegistry() registry {
	return registry{recovered: map[string]bool{}, unreachable: map[string]time.Time{}, gone: map[string]bool{}}
}

func (m *master) newAgent(id string, l *line, addr netip.AddrPort, total Resources) *agentRecord {
	a := &agentRecord{
		id: id, line: l, addr: addr, registered: m.now, connected: true, total: total,
		tasks: map[taskKey]*task{}, executors: map[executorKey]*executorRecord{}, kills: map[taskKey]killTask{},
	}
	l.record = a
	m.agents = append(m.agents, a)
	m.wanted.add(a)
	return a
}

// silence is for how long an agent hears no ping before it looks for a master.
func (m *master) silence() time.Duration { return m.timing.ping * time.Duration(m.timing.maxPings) }

// onRegister gives an agent an id. One that asks twice gets the same answer;
// one that starts anew at the address of another is taken for its successor
// (Mesos: Master::registerSlave).
func (m *master) onRegister(l *line, msg registerAgent) {
	if a := m.agentAt(l.agent); a != nil {
		if a.connected {
			a.line.record, l.record = nil, a
			a.line = l
			l.down(registered{id: a.id, silence: m.silence()})
			return
		}
		m.removeAgent(a, "a new agent registered at the same address")
	}
	a := m.newAgent(m.id+"-S"+strconv.Itoa(m.agentCount), l, msg.addr, msg.resources)
	m.agentCount++
	m.log.WithFields(logrus.Fields{"agent": a.id, "resources": a.total.String()}).Info("agent registered")
	l.down(registered{id: a.id, silence: m.silence()})
	m.ping(a)
}

// agentAt finds the agent that is registered from an address.
func (m *master) agentAt(x *agent) *agentRecord {
	for _, a := range m.agents {
		if a.line.agent == x {
			return a
		}
	}
	return nil
}

// onReregister takes an agent back that has an id (Mesos:
// Master::reregisterSlave and its continuations).
func (m *master) onReregister(l *line, msg reregisterAgent) {
	switch a := m.agent(msg.id); {
	case m.registry.gone[msg.id]:
		l.down(shutdownAgent{why: "Agent has been marked gone"})
	case a != nil:
		m.reconnect(a, l, msg)
	default:
		m.readmit(l, msg)
	}
}

// reconnect takes an agent back that is still registered: its connection was
// broken, or it has missed our pings.
func (m *master) reconnect(a *agentRecord, l *line, msg reregisterAgent) {
	a.line.record, l.record = nil, a
	a.line, a.addr, a.reregistered = l, msg.addr, m.now
	has := map[taskKey]bool{}
	for _, t := range msg.tasks {
		has[taskKey{t.framework, t.info.TaskID.Value}] = true
	}
	answer := reregistered{silence: m.silence()}
	for _, t := range a.sortedTasks() {
		if !has[t.key()] {
			answer.unknown = append(answer.unknown, missingTask{framework: t.framework.brief(), info: t.info})
		}
	}
	l.down(answer)
	m.removeMissingExecutors(a, msg.executors)
	for _, t := range msg.tasks {
		if kill, ok := a.kills[taskKey{t.framework, t.info.TaskID.Value}]; ok && !terminal(t.latest) {
			l.down(kill)
		}
	}
	clear(a.kills)
	m.shutDownCompleted(l, msg)
	if !a.connected {
		a.connected = true
		stopTimer(a.deadline)
	}
	m.log.WithField("agent", a.id).Info("agent registered again")
}

func (m *master) removeMissingExecutors(a *agentRecord, has []heldExecutor) {
	known := map[executorKey]bool{}
	for _, x := range has {
		known[executorKey{x.framework, x.info.ExecutorID.Value}] = true
	}
	for key, x := range a.executors {
		if !known[key] {
			m.removeExecutor(x)
		}
	}
}

// shutDownCompleted tells an agent to end the frameworks that were removed
// while it was not there.
func (m *master) shutDownCompleted(l *line, msg reregisterAgent) {
	for _, f := range msg.frameworks {
		if m.isCompleted(f.id) {
			l.down(shutdownFramework{framework: f.id})
		}
	}
}

// readmit takes an agent back that is not registered, with all it has. Its
// frameworks are told of their tasks, unless it is the master who was away.
func (m *master) readmit(l *line, msg reregisterAgent) {
	_, unreachable := m.registry.unreachable[msg.id]
	text := "Unknown agent reregistered"
	if unreachable {
		text = "Unreachable agent re-reregistered" // so it is written in Mesos
	}
	tell := !m.registry.recovered[msg.id]
	delete(m.registry.recovered, msg.id)
	delete(m.registry.unreachable, msg.id)
	a := m.newAgent(msg.id, l, msg.addr, msg.resources)
	a.reregistered = m.now
	briefs := map[string]frameworkBrief{}
	for _, b := range msg.frameworks {
		briefs[b.id] = b
	}
	for _, x := range msg.executors {
		if !m.isCompleted(x.framework) {
			f := m.frameworkFor(briefs[x.framework])
			if need, err := fromWire(x.info.Resources, x.role); err == nil { // a master has checked it before
				m.addExecutor(f, a, x.role, x.info, need)
			}
		}
	}
	for _, h := range msg.tasks {
		if m.isCompleted(h.framework) {
			continue
		}
		f := m.frameworkFor(briefs[h.framework])
		f.forgetLost(h.info.TaskID.Value)
		t := m.addHeldTask(f, a, h)
		if tell && t != nil {
			m.tellReregistered(t, text)
		}
	}
	for _, f := range m.frameworks {
		f.forgetUnreachable(a.id)
	}
	l.down(reregistered{silence: m.silence()})
	m.shutDownCompleted(l, msg)
	m.log.WithFields(logrus.Fields{"agent": a.id, "resources": a.total.String()}).Info("agent registered again")
	m.ping(a)
}

// frameworkFor finds the framework of what an agent has. One that has not
// subscribed to this master yet is there without a scheduler, for however long.
func (m *master) frameworkFor(b frameworkBrief) *framework {
	f := m.frameworks[b.id]
	if f == nil {
		info := *b.info
		info.ID = &mesos.FrameworkID{Value: b.id}
		f = &framework{
			id: b.id, info: &info, registered: m.now, recovered: true,
			roles: map[string]*share{}, tasks: map[string]*task{}, offers: map[string]*offer{}, filters: filters{},
		}
		m.frameworks[f.id] = f
		f.setRoles(nil)
		m.log.WithField("framework", f.id).Info("framework recovered from what an agent has")
	}
	return f
}

// addHeldTask adds a task as its agent tells it; nil if it makes no sense.
func (m *master) addHeldTask(f *framework, a *agentRecord, h heldTask) *task {
	need, err := fromWire(h.info.Resources, h.role)
	if err != nil || f.tasks[h.info.TaskID.Value] != nil {
		return nil
	}
	m.addTask(f, a, h.role, h.info, need)
	t := f.tasks[h.info.TaskID.Value]
	for _, s := range h.told {
		t.record(m.now, s, t.state)
	}
	t.state, t.last = h.latest, h.forwarded
	if terminal(t.state) {
		m.free(t)
	}
	return t
}

// tellReregistered says in what state a task is whose agent has come back.
func (m *master) tellReregistered(t *task, text string) {
	s := mesos.TaskStatus{
		TaskID: t.info.TaskID, AgentID: &t.info.AgentID, State: t.state.Enum(), Reason: mesos.REASON_AGENT_REREGISTERED.Enum(), Message: &text,
	}
	if t.last != nil {
		s.Healthy, s.CheckStatus, s.ContainerStatus = t.last.Healthy, t.last.CheckStatus, t.last.ContainerStatus
	}
	if t.info.Executor != nil {
		s.ExecutorID = &t.info.Executor.ExecutorID
	}
	m.report(t.framework, s)
}

// restart is what the end of the master's process and the start of another one
// do: it forgets all but the registry. Agents and frameworks come back by
// themselves.
func (m *master) restart() {
	m.life.Add(1)
	for _, f := range m.frameworks {
		f.stopTimer()
		if f.stream != nil {
			f.stream.end()
		}
	}
	for _, a := range m.agents {
		a.retire()
		m.registry.recovered[a.id] = true
		a.line.breakDown()
	}
	m.begin()
	m.log.WithField("master", m.id).Info("master restarted")
	life := m.life.Load()
	m.recovery = time.AfterFunc(m.timing.reregister, func() {
		m.box.post(func() {
			if m.life.Load() == life {
				m.endRecovery()
			}
		})
	})
}

// endRecovery gives up the agents that have not come back to a new master
// (Mesos: Master::recoveredSlavesTimeout).
func (m *master) endRecovery() {
	for id := range m.registry.recovered {
		delete(m.registry.recovered, id)
		m.registry.unreachable[id] = m.now
		m.log.WithField("agent", id).Warn("agent is unreachable: it did not reregister after the master's restart")
		m.tellLost(id)
	}
}

// tellAgents tells all agents that a framework's scheduler is there, or what is
// new about the framework (Mesos: Master::sendFrameworkUpdates).
func (m *master) tellAgents(f *framework) {
	for _, a := range m.agents {
		a.line.down(updateFramework{framework: f.brief()})
	}
}
