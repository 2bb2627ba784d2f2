package scheduler

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// commit is what Run does with a batch, and the places at which it may be
// stopped: before the records are stored, and then before each call.
func (m *sim) commit() error {
	eff := m.batch
	m.batch = Effects{}
	stop := -1
	if m.chance(30) {
		stop = m.rnd.IntN(len(eff.Calls) + 3)
	}
	if stop == 0 {
		return m.crash(nil)
	}
	if m.chance(60) { // the disk fails for a while
		m.c.pass(time.Duration(m.rnd.IntN(60)) * time.Second)
		for range m.rnd.IntN(10) {
			m.happen()
		}
		m.journal.keep(eff.Records, m.s.queue)
	}
	m.journal.keep(eff.Records, m.s.queue)
	if err := m.onRecord(eff.Records); err != nil {
		return err
	}
	if m.chance(60) {
		return m.crash(eff.Calls) // before the answers
	}
	if err := m.answer(eff.Answers); err != nil {
		return err
	}
	for i, call := range eff.Calls {
		if stop == i+1 {
			return m.crash(eff.Calls[i:])
		}
		if call.Type == sched.Call_TEARDOWN {
			return m.tearDown(call)
		}
		if err := m.send(call); err != nil {
			return err
		}
	}
	if eff.Over != nil || stop == len(eff.Calls)+1 {
		return m.leave(eff.Over)
	}
	for _, c := range eff.Collections {
		if err := m.onCollection(c); err != nil {
			return err
		}
	}
	return m.onFetching()
}

// send lets a call leave. It may get lost, and so may its answer.
func (m *sim) send(call *sched.Call) error {
	lost := errors.New("connection reset")
	if call.Type == sched.Call_SHUTDOWN {
		m.known.shut[call.Shutdown.AgentID.Value+" "+call.Shutdown.ExecutorID.Value] = true
	}
	switch call.Type {
	case sched.Call_SUBSCRIBE:
		m.answers = nil // of a stream that is given up
		if m.chance(6) {
			m.c.breakStream()
			m.answers = append(m.answers, Down{lost})
			return nil
		}
	case sched.Call_ACKNOWLEDGE:
		if err := m.onAcknowledge(call.Acknowledge); err != nil {
			return err
		}
		if m.chance(8) {
			return nil
		}
	default:
		if m.chance(30) {
			m.answers = append(m.answers, Answered{call, lost})
			return nil
		}
	}
	err := m.c.call(call)
	var wrong *broken
	switch {
	case errors.As(err, &wrong):
		return err
	case err != nil:
		m.answers = append(m.answers, Answered{call, err})
	case call.Type != sched.Call_SUBSCRIBE && m.chance(40):
		m.answers = append(m.answers, Answered{call, lost})
	}
	return nil
}

// tearDown is the last call of a run; its answer is waited for.
func (m *sim) tearDown(call *sched.Call) error {
	var err error
	if m.chance(4) {
		err = errors.New("connection reset")
	}
	if err == nil || m.rnd.IntN(2) == 0 {
		if answer := m.c.call(call); err == nil {
			err = answer
		}
	}
	if m.chance(8) {
		return m.crash(nil)
	}
	m.batch.add(m.s.step(m.c.now, Answered{call, err}))
	return m.commit()
}

// crash ends cmdq between two effects. What it had sent may arrive still.
func (m *sim) crash(late []*sched.Call) error {
	if m.cfg.Own {
		late = nil
	}
	for _, call := range late {
		if call.Type == sched.Call_SUBSCRIBE || call.Type == sched.Call_TEARDOWN || m.rnd.IntN(2) == 0 {
			break
		}
		var wrong *broken
		if err := m.c.call(call); errors.As(err, &wrong) {
			return err
		}
	}
	return m.leave(nil)
}

// leave ends the process, by a crash or as it decided.
func (m *sim) leave(over *Over) error {
	m.s, m.wishes, m.answers, m.fetching, m.batch = nil, nil, nil, nil, Effects{}
	if err := m.forgetAsks(); err != nil {
		return err
	}
	m.known.forget()
	maps.DeleteFunc(m.known.alone, func(id task.ID, _ int) bool { return !m.journal.tasks[id].task.Alone }) // heard, but not stored
	if m.cfg.Own {
		m.c.die()
	} else if m.rnd.IntN(3) > 0 {
		m.c.breakStream()
	}
	if over != nil && over.Why == Drained && len(m.journal.owed) == 0 {
		m.done = true
	}
	return nil
}

// start is a start of cmdq with what the journal has: first of all it sends the
// TEARDOWN that is missing.
func (m *sim) start() error {
	saved := m.journal.saved()
	for id := range m.journal.owed {
		if m.chance(3) {
			return nil // no master took it
		}
		if !m.c.completed[id] {
			m.c.breakStream()
			m.c.remove(id)
		}
		if m.chance(5) {
			return nil // and so did we end
		}
		saved.TornDown = m.c.now
		saved.TornIDs = append(saved.TornIDs, id)
	}
	if m.journal.allEnded {
		m.done = true
		return nil
	}
	if m.chance(6) { // other flags
		m.setTerse(!m.cfg.Executor.Terse)
		m.known.mixed = true
	}
	if m.chance(6) {
		m.cfg.Executor.Default = !m.cfg.Executor.Default
	}
	if m.chance(6) {
		m.cfg.Collect.Tail, m.cfg.Collect.Keep = m.rnd.IntN(2) == 0, m.rnd.IntN(4) == 0
	}
	m.s = newState(m.cfg)
	if err := m.s.restore(saved); err != nil {
		return err
	}
	if err := m.step(Restored{}); err != nil {
		return err
	}
	if m.rnd.IntN(2) == 0 {
		if err := m.commit(); err != nil || m.s == nil {
			return err
		}
	}
	if err := m.step(m.load()); err != nil {
		return err
	}
	return m.commit()
}

// load is what a start hands over: the file, or that it is the one of before.
func (m *sim) load() Event {
	load := Load{Tasks: slices.Clone(m.file), Policy: m.asks.policy, File: m.fileName()}
	if m.journal.file == load.File {
		m.read = load.Tasks
		return Unchanged{}
	}
	return load
}

// fileName tells contents of the tasks file apart.
func (m *sim) fileName() string {
	var name strings.Builder
	fmt.Fprintf(&name, "%v;", m.asks.policy)
	for i := range m.file {
		fmt.Fprintf(&name, "%s %p %d;", m.file[i].ID, m.file[i].Spec, m.file[i].Seq)
	}
	return name.String()
}
