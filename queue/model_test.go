package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"cmdq/task"
)

// model is the obvious queue: one slice in the order of the queue, looked
// through from the front for everything. What it does, Queue must do.
type model struct {
	tasks []*modelTask
}

type modelTask struct {
	id       task.ID
	need     task.Resources
	shape    key
	priority int
	seq      uint64
	state    task.State
	at       time.Time // zero: not delayed
	parked   bool
}

func (t *modelTask) ready() bool { return t.state == task.Idle && t.at.IsZero() && !t.parked }

func (t *modelTask) delayed() bool { return t.state == task.Idle && !t.at.IsZero() && !t.parked }

func (m *model) add(t task.Task) bool {
	if m.find(t.ID) != nil {
		return false
	}
	m.tasks = append(m.tasks, &modelTask{id: t.ID, need: t.Spec.Resources, shape: keyOf(&t), priority: t.Spec.Priority, seq: t.Seq})
	slices.SortFunc(m.tasks, func(a, b *modelTask) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.seq, b.seq))
	})
	return true
}

func (m *model) find(id task.ID) *modelTask {
	for _, t := range m.tasks {
		if t.id == id {
			return t
		}
	}
	return nil
}

// first also says which heads admit was asked with.
func (m *model) first(free task.Resources, admit func(task.ID) bool) (found task.ID, asked []task.ID) {
	seen := map[key]bool{}
	for _, t := range m.tasks {
		if !t.ready() || !t.need.Fits(free) || seen[t.shape] {
			continue
		}
		seen[t.shape] = true
		asked = append(asked, t.id)
		if admit(t.id) {
			return t.id, asked
		}
	}
	return "", asked
}

func (m *model) set(id task.ID, s task.State, at time.Time) {
	t := m.find(id)
	t.state, t.at = s, at
	t.parked = t.parked && s == task.Idle
}

func (m *model) unpark(id task.ID, now time.Time) {
	t := m.find(id)
	if t.parked && !t.at.After(now) {
		t.at = time.Time{}
	}
	t.parked = false
}

func (m *model) remove(id task.ID) bool {
	n := len(m.tasks)
	m.tasks = slices.DeleteFunc(m.tasks, func(t *modelTask) bool { return t.id == id })
	return len(m.tasks) < n
}

func (m *model) wake(now time.Time) int {
	n := 0
	for _, t := range m.tasks {
		if t.delayed() && !t.at.After(now) {
			t.at = time.Time{}
			n++
		}
	}
	return n
}

// where lists the ids of the tasks that keep says yes to, in queue order.
func (m *model) where(keep func(*modelTask) bool) []task.ID {
	var ids []task.ID
	for _, t := range m.tasks {
		if keep(t) {
			ids = append(ids, t.id)
		}
	}
	return ids
}

// compare tells of the first difference that a caller of q could see.
func (m *model) compare(q *Queue) error {
	delayed := m.where((*modelTask).delayed)
	parked := m.where(func(t *modelTask) bool { return t.parked })
	ready := m.where((*modelTask).ready)
	if q.Len() != len(m.tasks) || q.Ready() != len(ready) || q.Delayed() != len(delayed) || q.ParkedCount() != len(parked) {
		return fmt.Errorf("%d tasks, %d ready, %d delayed, %d parked; want %d, %d, %d, %d",
			q.Len(), q.Ready(), q.Delayed(), q.ParkedCount(), len(m.tasks), len(ready), len(delayed), len(parked))
	}
	for s := range task.State(task.NumStates) {
		if n := len(m.where(func(t *modelTask) bool { return t.state == s })); q.Count(s) != n {
			return fmt.Errorf("%d are %s, want %d", q.Count(s), s, n)
		}
	}
	var due time.Time
	for _, id := range delayed {
		if at := m.find(id).at; due.IsZero() || at.Before(due) {
			due = at
		}
	}
	if at, ok := q.NextWake(); !at.Equal(due) || ok != (len(delayed) > 0) {
		return fmt.Errorf("next wake %v %v, want %v", at, ok, due)
	}
	for _, t := range m.tasks {
		if got := q.Get(t.id); got == nil || got.ID != t.id || got.State != t.state {
			return fmt.Errorf("get %s: %+v, want it %s", t.id, got, t.state)
		}
		if at, ok := q.WakeAt(t.id); !at.Equal(t.at) || ok == t.at.IsZero() {
			return fmt.Errorf("wake of %s at %v %v, want %v", t.id, at, ok, t.at)
		}
	}
	return m.compareLists(q)
}

func (m *model) compareLists(q *Queue) error {
	var got []task.ID
	for t := range q.Active() {
		got = append(got, t.ID)
	}
	if want := m.where(func(t *modelTask) bool { return t.state.Active() }); !sameSet(got, want) {
		return fmt.Errorf("active %v, want %v", got, want)
	}
	got = nil
	for t := range q.Fetching() {
		got = append(got, t.ID)
	}
	if want := m.where(func(t *modelTask) bool { return t.state == task.Fetching }); !sameSet(got, want) {
		return fmt.Errorf("fetching %v, want %v", got, want)
	}
	got = nil
	for t := range q.Parked() {
		got = append(got, t.ID)
	}
	if want := m.where(func(t *modelTask) bool { return t.parked }); !sameSet(got, want) {
		return fmt.Errorf("parked %v, want %v", got, want)
	}
	got = nil
	for t := range q.All() {
		got = append(got, t.ID)
	}
	if want := m.where(func(*modelTask) bool { return true }); !sameSet(got, want) {
		return fmt.Errorf("all %v, want %v", got, want)
	}
	sum := 0
	for s := range q.Shapes() {
		sum += s.Ready
		got = nil
		for t := range q.SameShape(s.Head) {
			got = append(got, t.ID)
		}
		want := m.where(func(t *modelTask) bool { return t.ready() && t.shape == keyOf(s.Head) })
		if s.Need != s.Head.Spec.Resources || s.Ready != len(want) || s.Head.ID != got[0] || !slices.Equal(got, want) {
			return fmt.Errorf("shape %v: %d ready, head %s, tasks %v; want %v", s.Need, s.Ready, s.Head.ID, got, want)
		}
	}
	if sum != q.Ready() {
		return fmt.Errorf("%d tasks in the shapes, want %d", sum, q.Ready())
	}
	return nil
}

func sameSet(a, b []task.ID) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
