package queue

import (
	"fmt"

	"cmdq/task"
)

// Check tells of the first invariant that does not hold, nil if all do: every
// task is in exactly one place, the one of its state; every index is in order;
// every sum is right. It looks at everything, so it is for tests.
func (q *Queue) Check() error {
	for _, check := range []func() error{q.checkTasks, q.checkSums, q.checkShapes, q.checkTree} {
		if err := check(); err != nil {
			return fmt.Errorf("check queue: %w", err)
		}
	}
	return nil
}

func (q *Queue) checkTasks() error {
	for id, e := range q.tasks {
		t := &e.task
		switch {
		case t.ID != id:
			return fmt.Errorf("task %s is kept as %s", t.ID, id)
		case !e.inPlace(q):
			return fmt.Errorf("task %s: %s, but not in the place %d at %d", id, t.State, e.place, e.pos)
		case e.near != nearOf(t.Spec.Priority):
			return fmt.Errorf("task %s: kept as of priority %d, has %d", id, e.near, t.Spec.Priority)
		case t.State.Terminal() != (e.shape == nil):
			return fmt.Errorf("task %s: %s, with a shape or without", id, t.State)
		case e.shape != nil && (e.shape != q.shapes[e.shape.key] || e.shape.key != keyOf(t)):
			return fmt.Errorf("task %s: its shape is not its own", id)
		}
	}
	if q.last != nil && q.tasks[q.last.task.ID] != q.last {
		return fmt.Errorf("the last found, %s, is not in the queue", q.last.task.ID)
	}
	return nil
}

// inPlace tells whether the entry is where its state says. That a ready one
// has a slot is for checkShapes.
func (e *entry) inPlace(q *Queue) bool {
	switch e.place {
	case ready:
		return e.task.State == task.Idle && e.slot
	case delayed:
		return e.task.State == task.Idle && int(e.pos) < len(q.waits) && q.waits[e.pos].entry == e
	case parked:
		return e.task.State == task.Idle && int(e.pos) < len(q.parked) && q.parked[e.pos].entry == e
	case active:
		return e.task.State.Active() && int(e.pos) < len(q.active) && q.active[e.pos] == e
	case fetching:
		return e.task.State == task.Fetching && int(e.pos) < len(q.fetching) && q.fetching[e.pos] == e
	case ended:
		return e.task.State.Terminal()
	}
	return false
}

func (q *Queue) checkSums() error {
	var counts [task.NumStates]int
	var places [gone + 1]int
	members := map[*shape]int{}
	for _, e := range q.tasks {
		counts[e.task.State]++
		places[e.place]++
		if e.shape != nil {
			members[e.shape]++
		}
	}
	if counts != q.counts {
		return fmt.Errorf("tasks by state: %v, counted %v", q.counts, counts)
	}
	if places[ready] != q.ready || places[delayed] != len(q.waits) || places[parked] != len(q.parked) ||
		places[active] != len(q.active) || places[fetching] != len(q.fetching) {
		return fmt.Errorf("ready %d, delayed %d, parked %d, active %d, fetching %d, counted %v",
			q.ready, len(q.waits), len(q.parked), len(q.active), len(q.fetching), places)
	}
	if len(members) != len(q.shapes) {
		return fmt.Errorf("%d shapes, %d of them with tasks", len(q.shapes), len(members))
	}
	for s, n := range members {
		if s.tasks != n {
			return fmt.Errorf("shape %v: %d tasks, counted %d", s.key, s.tasks, n)
		}
	}
	for i := range q.waits {
		if i > 0 && q.waits.Less(i, (i-1)/2) {
			return fmt.Errorf("waits: %d is before the one above it", i)
		}
	}
	return nil
}

func (q *Queue) checkShapes() error {
	sum := 0
	for k, s := range q.shapes {
		sum += s.ready
		if s.key != k {
			return fmt.Errorf("shape %v is kept as %v", s.key, k)
		}
		if err := s.check(); err != nil {
			return fmt.Errorf("shape %v: %w", k, err)
		}
	}
	if sum != q.ready {
		return fmt.Errorf("%d ready tasks, %d in the shapes", q.ready, sum)
	}
	return nil
}

func (s *shape) check() error {
	slots := map[*entry]bool{}
	var first *entry
	alive := 0
	for _, row := range [][]*entry{s.line[s.passed:], s.late} {
		for _, e := range row {
			if slots[e] || !e.slot {
				return fmt.Errorf("%s has two slots, or does not know of one", e.task.ID)
			}
			slots[e] = true
			if e.place != ready {
				continue
			}
			if e.shape != s {
				return fmt.Errorf("%s is of another shape", e.task.ID)
			}
			alive++
			if first == nil || e.before(first) {
				first = e
			}
		}
	}
	if alive != s.ready || first != s.head {
		return fmt.Errorf("%d ready and a head, counted %d, or another head", s.ready, alive)
	}
	for i, e := range s.line {
		if (e == nil) != (i < s.passed) || i > s.passed && e.before(s.line[i-1]) {
			return fmt.Errorf("line: not in order at %d", i)
		}
	}
	for i := 1; i < len(s.late); i++ {
		if s.late.Less(i, (i-1)/2) {
			return fmt.Errorf("late: %d is before the one above it", i)
		}
	}
	if n := len(s.line) + len(s.late); n > 2*s.ready+slack {
		return fmt.Errorf("%d slots for %d ready tasks", n, s.ready)
	}
	return nil
}

func (q *Queue) checkTree() error {
	t := &q.tree
	size := len(t.leaves)
	if size&(size-1) != 0 || len(t.nodes) != 2*size || len(t.free)+len(q.shapes) != size {
		return fmt.Errorf("tree: %d leaves, %d free, %d nodes for %d shapes", size, len(t.free), len(t.nodes), len(q.shapes))
	}
	if size > smallest && len(q.shapes) < size/8 {
		return fmt.Errorf("tree: %d leaves for %d shapes", size, len(q.shapes))
	}
	for _, i := range t.free {
		if t.leaves[i] != nil {
			return fmt.Errorf("tree: leaf %d is free and taken", i)
		}
	}
	for i, s := range t.leaves {
		want := node{leaf: none}
		if s != nil {
			if int(s.leaf) != i || q.shapes[s.key] != s {
				return fmt.Errorf("tree: leaf %d has a shape of another place", i)
			}
			want = leafNode(s)
		}
		if t.nodes[size+i] != want {
			return fmt.Errorf("tree: leaf %d is %+v, not %+v", i, t.nodes[size+i], want)
		}
	}
	for i := 1; i < size; i++ {
		if want := join(&t.nodes[2*i], &t.nodes[2*i+1]); t.nodes[i] != want {
			return fmt.Errorf("tree: node %d is %+v, not %+v", i, t.nodes[i], want)
		}
	}
	return nil
}
