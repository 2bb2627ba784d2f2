package scheduler

import (
	"fmt"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// happen lets something happen without cmdq.
func (m *sim) happen() {
	a := m.c.agents[m.rnd.IntN(len(m.c.agents))]
	var l *simLaunch
	if n := len(m.c.order); n > 0 {
		l = m.c.order[n-1-m.rnd.IntN(min(n, 10))]
	}
	switch n := m.rnd.IntN(100); {
	case n < 25:
		m.offer()
	case n < 85:
		if l != nil {
			m.progress(l)
		}
	case m.cfg.Own:
	case n < 88:
		m.c.cut(a)
	case n < 90:
		m.c.lose(a)
	case n < 96:
		m.c.back(a)
	case n == 96 && m.rnd.IntN(4) == 0:
		m.c.markGone(a)
	case n == 97:
		m.c.breakStream()
	case n == 98 && m.rnd.IntN(3) == 0:
		m.c.masterFails()
	case n == 99 && m.rnd.IntN(8) == 0 && m.c.framework != "":
		m.c.remove(m.c.framework) // by an operator
	}
	if m.rnd.IntN(6) == 0 {
		m.mishap()
	}
	if m.rnd.IntN(5) == 0 {
		m.answerFetch()
	}
	if m.s != nil {
		m.ask()
	}
}

// ask lets a person want something.
func (m *sim) ask() {
	switch n := m.rnd.IntN(120); {
	case n == 0:
		id := m.file[m.rnd.IntN(len(m.file))].ID
		m.wish(CancelTasks{Selection{IDs: []task.ID{id}}})
	case n <= 2:
		m.edit()
		if !m.cfg.Once { // else the file is read at the next start
			m.wishes = append(m.wishes, Load{Tasks: slices.Clone(m.file), Policy: m.asks.policy, File: m.fileName()})
		}
	case n <= 4:
		m.wishes = append(m.wishes, Interrupt{})
	case n == 5 && m.rnd.IntN(2) == 0:
		m.wishes = append(m.wishes, Detach{})
	case n <= 7:
		m.c.event(Heartbeat{})
	case n <= 13:
		m.want()
	}
}

func (m *sim) offer() {
	var offers []mesos.Offer
	for _, a := range m.c.agents {
		if m.chance(3) {
			continue
		}
		if o, ok := m.c.offer(a); ok {
			offers = append(offers, o)
		}
	}
	if len(offers) > 0 {
		m.c.event(Offers{offers})
	}
}

// progress moves one launch on, or what is told of it.
func (m *sim) progress(l *simLaunch) {
	switch n := m.rnd.IntN(10); {
	case n < 3:
		m.c.start(l)
		m.c.forward(l)
	case n < 7:
		m.c.forward(l)
	case n < 9:
		m.exit(l)
		m.c.forward(l)
	case len(l.sent) > 0 && l.held && l.agent.reachable() && l.framework == m.c.framework: // an old copy was still on its way
		m.c.event(Updated{l.sent[m.rnd.IntN(len(l.sent))]})
	default:
		m.swap()
	}
}

// swap lets one update overtake another of a different launch.
func (m *sim) swap() {
	n := len(m.c.events)
	if n < 2 {
		return
	}
	x, isUpdate := m.c.events[n-1].(Updated)
	y, both := m.c.events[n-2].(Updated)
	if isUpdate && both && x.Status.TaskID != y.Status.TaskID {
		m.c.events[n-1], m.c.events[n-2] = y, x
	}
}

// exit ends a command in one way or another.
func (m *sim) exit(l *simLaunch) {
	if !l.atAgent || l.dead {
		return
	}
	n := m.rnd.IntN(100)
	switch {
	case !l.ran && m.benign:
	case !l.ran && n < 70:
	case !l.ran && n < 75:
		m.c.end(l, mesos.TASK_ERROR, noReason, "no")
	case !l.ran && n < 80 && l.executor == nil:
		m.c.end(l, mesos.TASK_DROPPED, mesos.REASON_EXECUTOR_TERMINATED, "no")
	case !l.ran:
		m.c.end(l, mesos.TASK_FAILED, mesos.REASON_CONTAINER_LAUNCH_FAILED, "no container")
	case l.dying && n < 60:
		m.c.end(l, mesos.TASK_KILLED, noReason, "Command terminated with signal Terminated")
	case n < 70 || m.benign && n < 90:
		m.c.end(l, mesos.TASK_FINISHED, noReason, "Command exited with status 0")
	case n < 90 || m.benign:
		m.c.end(l, mesos.TASK_FAILED, noReason, "Command exited with status 1")
	case n < 96 && l.executor == nil:
		l.seen.lost = true
		m.c.end(l, mesos.TASK_FAILED, mesos.REASON_EXECUTOR_TERMINATED, "")
	default:
		m.c.end(l, mesos.TASK_KILLED, noReason, "Command terminated with signal Killed")
	}
}

// waitNoMore takes a task out of what others of the file wait for.
func (m *sim) waitNoMore(id task.ID) {
	for i := range m.file {
		if slices.Contains(simAfter(&m.file[i]), id) {
			spec, rules := *m.file[i].Spec, *m.file[i].Spec.Rules
			rules.After = slices.DeleteFunc(slices.Clone(rules.After), func(name task.ID) bool { return name == id })
			spec.Rules = &rules
			m.file[i].Spec = &spec
		}
	}
}

// edit changes the tasks file as a person would, a little here and there.
func (m *sim) edit() {
	m.edits++
	switch i := m.rnd.IntN(len(m.file)); m.rnd.IntN(4) {
	case 0:
		if len(m.file) > 1 {
			m.removed[m.file[i].ID] = true
			m.waitNoMore(m.file[i].ID)
			m.file = slices.Delete(m.file, i, i+1)
		}
	case 1:
		t := m.newTask(fmt.Sprintf("n%d", m.edits))
		m.rules(&t, m.file)
		m.file = slices.Insert(m.file, i, t)
		if m.rnd.IntN(4) == 0 {
			m.asks.policy = m.somePolicy()
		}
	case 2:
		spec := *m.file[i].Spec
		if m.rnd.IntN(2) == 0 {
			spec.Command = fmt.Sprintf("true %d", m.edits)
		}
		spec.Retries = m.rnd.IntN(4) - 1
		spec.Resources.CPUs = int64(100 * (1 + m.rnd.IntN(30)))
		if spec.Rules != nil && m.rnd.IntN(2) == 0 {
			rules := task.Rules{After: spec.Rules.After[:m.rnd.IntN(1+len(spec.Rules.After))], Group: []string{"", "g", "h"}[m.rnd.IntN(3)]}
			spec.Rules = &rules
		}
		m.file[i].Spec = &spec
	case 3:
		m.rnd.Shuffle(len(m.file), func(a, b int) { m.file[a], m.file[b] = m.file[b], m.file[a] })
	}
	for i := range m.file {
		m.file[i].Seq, m.file[i].Submitted = uint64(i), m.c.now
	}
}
