package scheduler

import (
	"fmt"
	"maps"
	"slices"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// simAsks is what people wanted of the queue, and what they were told.
type simAsks struct {
	policy task.Policy
	given  []task.Task      // what was submitted, whatever came of it
	open   []Change         // of the batch under way
	held   map[task.ID]bool // as the answers tell
	kept   map[task.ID]bool // submits that were answered as accepted
	tight  bool             // all tasks are in groups with tight bounds

	capped, stopped, forgiven int // how often a bound was met, and lifted
}

// rules gives a task rules at random. It waits only for such as were made before it,
// or there could be a circle, which no file has.
func (m *sim) rules(t *task.Task, before []task.Task) {
	r := &task.Rules{}
	if len(before) > 0 && m.rnd.IntN(4) == 0 {
		for range 1 + m.rnd.IntN(2) {
			if name := before[m.rnd.IntN(len(before))].ID; name != t.ID && !slices.Contains(r.After, name) {
				r.After = append(r.After, name)
			}
		}
	}
	if m.asks.tight || m.rnd.IntN(3) == 0 {
		r.Group = []string{"g", "h"}[m.rnd.IntN(2)]
	}
	if len(r.After) > 0 || r.Group != "" {
		t.Spec.Rules = r
	}
}

func (m *sim) someGroup() task.Group {
	g := task.Group{MaxRunning: m.rnd.IntN(4), MaxFailures: m.rnd.IntN(4) - 1}
	if m.asks.tight {
		g.MaxRunning, g.MaxFailures = 1+m.rnd.IntN(2), m.rnd.IntN(2)
	}
	g.OnFailure = []task.OnFailure{"", task.StopGroup, task.CancelGroup, task.Continue}[m.rnd.IntN(4)]
	return g
}

func (m *sim) somePolicy() task.Policy {
	p := task.Policy{Groups: map[string]task.Group{"g": m.someGroup()}}
	if m.rnd.IntN(2) == 0 || m.asks.tight {
		p.Groups["h"] = m.someGroup()
	}
	return p
}

// want lets a person want something of some tasks.
func (m *sim) want() {
	var c Change
	switch n := m.rnd.IntN(10); {
	case n < 2:
		c = HoldTasks{m.some()}
	case n < 5:
		c = ReleaseTasks{m.some()}
	case n < 7:
		sel := m.some()
		sel.Failed = m.rnd.IntN(2) == 0
		c = RetryTasks{sel}
	case n < 9:
		c = m.submit()
	default:
		c = CancelTasks{m.some()}
	}
	m.wish(c)
}

// wish: somebody asks for a change.
func (m *sim) wish(c Change) { m.wishes = append(m.wishes, m.asked(c)) }

func (m *sim) asked(c Change) Asked {
	return Asked{Change: c, Answer: func(out Outcome) { m.onAnswer(c, out) }}
}

// some selects a few tasks, or all; now and then one that is not there.
func (m *sim) some() (sel Selection) {
	if m.rnd.IntN(12) == 0 {
		return Selection{All: true}
	}
	known := slices.Sorted(maps.Keys(m.journal.tasks))
	for range 1 + m.rnd.IntN(2) {
		if i := m.rnd.IntN(len(known) + 1); i < len(known) {
			sel.IDs = append(sel.IDs, known[i])
		} else if m.rnd.IntN(4) == 0 {
			sel.IDs = append(sel.IDs, "nobody")
		}
	}
	return sel
}

// submit is a new task, or one of before once more, perhaps another one of its id.
func (m *sim) submit() Change {
	if n := len(m.asks.given); n > 0 && m.rnd.IntN(3) == 0 {
		again := m.asks.given[m.rnd.IntN(n)]
		if m.rnd.IntN(3) == 0 {
			other := *again.Spec
			other.Command = "other"
			again.Spec = &other
		}
		return Submit{Tasks: []task.Task{again}}
	}
	t := m.newTask(fmt.Sprintf("s%d", len(m.asks.given)))
	m.rules(&t, append(slices.Clone(m.file), m.asks.given...))
	m.asks.given = append(m.asks.given, t)
	return Submit{Tasks: []task.Task{t}}
}

// onAnswer: what is answered is in the journal.
func (m *sim) onAnswer(c Change, out Outcome) {
	m.asks.open = m.asks.open[1:]
	for _, id := range out.Changed {
		switch c.(type) {
		case HoldTasks:
			m.asks.held[id] = true
		case ReleaseTasks:
			delete(m.asks.held, id)
		case Submit:
			m.asks.kept[id] = true
		case CancelTasks:
			m.cancelled[id] = true
		}
	}
}

// onAsked notes a change that was stepped, and not answered yet.
func (m *sim) onAsked(ev Asked) {
	m.asks.open = append(m.asks.open, ev.Change)
	if c, is := ev.Change.(CancelTasks); is { // it may be done, and never answered
		tasks, _ := m.s.selected(c.Selection)
		for _, t := range tasks {
			m.cancelled[t.ID] = m.cancelled[t.ID] || !t.State.Terminal()
		}
	}
}

// answer lets the answers of a batch leave, and looks whether they are true.
func (m *sim) answer(answers []func()) error {
	for _, answer := range answers {
		answer()
	}
	if len(m.asks.open) > 0 {
		return errBroken("%d changes have got no answer", len(m.asks.open))
	}
	return m.onKept()
}

// onKept: the journal has all that was answered.
func (m *sim) onKept() error {
	for id := range m.asks.kept {
		if kept, ok := m.journal.tasks[id]; !ok || !kept.task.Given {
			return errBroken("%s was accepted, and is not in the journal", id)
		}
	}
	for id, kept := range m.journal.tasks {
		if kept.task.Held != m.asks.held[id] {
			return errBroken("%s is held in the journal: %v, and the last answer said %v", id, kept.task.Held, m.asks.held[id])
		}
	}
	return nil
}

// forgetAsks: who got no answer asks again, and does not know what was done.
func (m *sim) forgetAsks() error {
	for _, c := range m.asks.open {
		switch c.(type) {
		case HoldTasks, ReleaseTasks:
			for id, kept := range m.journal.tasks {
				if kept.task.Held {
					m.asks.held[id] = true
				} else {
					delete(m.asks.held, id)
				}
			}
		}
	}
	m.asks.open = nil
	return m.onKept()
}

// releaseAll lets go what is held, since nobody else will.
func (m *sim) releaseAll() {
	if len(m.wishes) > 0 {
		return
	}
	for t := range m.s.queue.All() {
		if t.Held && !t.State.Terminal() {
			m.wish(ReleaseTasks{Selection{All: true}})
			return
		}
	}
}

// simCounts are the tasks of a group, counted one by one.
type simCounts struct{ running, failed, forgiven int }

func (m *sim) counts() map[string]simCounts {
	counts := map[string]simCounts{}
	for t := range m.s.queue.All() {
		for _, name := range simGroups(t) {
			c := counts[name]
			if t.State.Active() {
				c.running++
			}
			if t.State == task.Failed || t.State == task.Fetching && t.End.State == task.Failed {
				if name == "(run)" && t.ForgivenByRun || name != "(run)" && t.ForgivenByGroup {
					c.forgiven++
				} else {
					c.failed++ // known is known, whatever is still fetched of it
				}
			} else if t.ForgivenByRun || t.ForgivenByGroup {
				panic("forgiven, and no failure: " + t.ID)
			}
			counts[name] = c
		}
	}
	return counts
}

func simGroups(t *task.Task) []string {
	if t.Spec.Rules == nil || t.Spec.Rules.Group == "" {
		return []string{"(run)"}
	}
	return []string{"(run)", t.Spec.Rules.Group}
}

func (m *sim) boundsOf(name string) task.Group {
	if name == "(run)" {
		return m.cfg.Run
	}
	if g, ok := m.s.policy.Groups[name]; ok {
		return g
	}
	return task.Group{MaxFailures: task.Unlimited}
}

// onForgiven: failures of a group count no more only if somebody wanted something of it
// again and it was stopped. Then none of them counts.
func (m *sim) onForgiven(ev Event, before map[string]simCounts) error {
	asked, _ := ev.(Asked)
	_, retry := asked.Change.(RetryTasks)
	for name, after := range m.counts() {
		if after.forgiven <= before[name].forgiven {
			continue
		}
		if !retry || !exceeded(m.boundsOf(name), before[name].failed) || after.failed > 0 {
			return errBroken("failures of group %s were forgiven by %T: %+v, now %+v", name, ev, before[name], after)
		}
		m.asks.forgiven++
	}
	return nil
}

// exceeded: the group may launch nothing more.
func exceeded(g task.Group, failed int) bool {
	return g.MaxFailures != task.Unlimited && failed > g.MaxFailures && g.OnFailure != task.Continue
}

// onRules is asked after every step: no bound is exceeded, nothing is launched before
// what it waits for, and nothing is left that can never be.
func (m *sim) onRules(before map[string]simCounts, calls []*sched.Call) error {
	after := m.counts()
	for _, call := range calls {
		if call.Type != sched.Call_ACCEPT {
			continue
		}
		for _, info := range call.Accept.Operations[0].Launch.TaskInfos {
			id, _ := task.ParseLaunchID(info.TaskID.Value)
			if err := m.onLaunched(m.s.queue.Get(id), before, after); err != nil {
				return err
			}
		}
	}
	if m.s.leaving != nil {
		return nil
	}
	for t := range m.s.queue.All() {
		if t.State != task.Idle {
			continue
		}
		for _, name := range simGroups(t) {
			if exceeded(m.boundsOf(name), after[name].failed) {
				return errBroken("%s is idle, and group %s had %d failures", t.ID, name, after[name].failed)
			}
		}
		for _, name := range simAfter(t) {
			if d := m.s.queue.Get(name); d != nil && (d.State == task.Failed || d.State == task.Killed) {
				return errBroken("%s is idle, and %s, which it waits for, is %s", t.ID, name, d.State)
			}
		}
	}
	return nil
}

func (m *sim) onLaunched(t *task.Task, before, after map[string]simCounts) error {
	if t.Held {
		return errBroken("%s launched, and it is held", t.ID)
	}
	for _, name := range simAfter(t) {
		if d := m.s.queue.Get(name); d == nil || d.State != task.Finished {
			return errBroken("%s launched before %s has finished: %+v", t.ID, name, d)
		}
	}
	for _, name := range simGroups(t) {
		g := m.boundsOf(name)
		if g.MaxRunning > 0 && after[name].running > g.MaxRunning {
			return errBroken("%s launched, and now group %s runs %d, allowed are %d", t.ID, name, after[name].running, g.MaxRunning)
		}
		if exceeded(g, before[name].failed) {
			return errBroken("%s launched, and group %s had %d failures, allowed are %d", t.ID, name, before[name].failed, g.MaxFailures)
		}
		if g.MaxRunning > 0 && after[name].running == g.MaxRunning {
			m.asks.capped++
		}
	}
	return nil
}

func simAfter(t *task.Task) []task.ID {
	if t.Spec.Rules == nil {
		return nil
	}
	return t.Spec.Rules.After
}

// onEnded judges what ended by a rule, when it did.
func (m *sim) onEnded(records []Record) error {
	for _, r := range records {
		if r.Kind != Ended || m.s.queue.Get(r.Task.ID) != r.Task || r.Task.State != task.Killed {
			continue
		}
		switch r.Task.End.Reason {
		case groupStopped:
			m.asks.stopped++
			if r.Task.Stop == task.GroupStopped {
				break // onStopped judged that, when it was asked to end
			}
			if !slices.ContainsFunc(simGroups(r.Task), func(name string) bool { return exceeded(m.boundsOf(name), m.counts()[name].failed) }) {
				return errBroken("%s ended, and its group has not failed so often: %+v", r.Task.ID, m.counts())
			}
		case dependencyFailed:
			if !slices.ContainsFunc(simAfter(r.Task), func(name task.ID) bool {
				d := m.s.queue.Get(name)
				return d == nil || d.State == task.Failed || d.State == task.Killed
			}) {
				return errBroken("%s ended, and nothing that it waits for has failed", r.Task.ID)
			}
		}
	}
	return nil
}

// onStopped notes the tasks that were asked to end, as their groups had it.
func (m *sim) onStopped() error {
	for t := range m.s.queue.Active() {
		if !t.Stop.Kills() || m.cancelled[t.ID] {
			continue
		}
		cancels := func(name string) bool {
			g := m.boundsOf(name)
			return g.OnFailure == task.CancelGroup && exceeded(g, m.counts()[name].failed)
		}
		if !slices.ContainsFunc(simGroups(t), cancels) {
			return errBroken("%s was cancelled, and nobody asked for that", t.ID)
		}
		m.cancelled[t.ID] = true
	}
	return nil
}

// byRule: a task ended killed since a rule had it so.
func byRule(t *task.Task) bool {
	return t.End.Reason == groupStopped || t.End.Reason == dependencyFailed
}
