package queue

import (
	"container/heap"
	"slices"

	"cmdq/task"
)

// key is what decides where a task fits: tasks of the same key fit the same
// offers, so that only the first of them needs to be looked at.
type key struct {
	need     task.Resources
	executor task.Executor // an executor that is not up yet needs something too
	user     string        // and there is one a user
	alone    bool          // and one that is launched alone has no part in it
	rules    string        // Rules.Key: which agents it may run on, and what bounds it
}

func keyOf(t *task.Task) key {
	return key{t.Spec.Resources, t.Spec.Executor, t.Spec.User, t.Alone, t.Spec.Rules.Key()}
}

// slack is how many slots of a shape may go unused whatever its length.
const slack = 32

// shape holds the ready tasks of one key.
//
// Tasks mostly come in the order of the queue and go from the front. Those
// stand in line, a sorted slice. One that comes when a later one stands in line
// already (a retry, a high priority) goes to the late ones, a heap.
//
// A task that goes from the middle (cancelled, delayed) leaves its slot behind,
// dead. A slot is live if its entry's place is ready: the order of an entry
// never changes, so one that comes back finds its old slot right where it
// belongs. Dead slots go when they come to the front, or all at once when they
// and what the front has passed are more than the live ones.
type shape struct {
	key   key
	leaf  int32 // its leaf in the tree
	tasks int   // in the queue and not ended
	ready int   // live slots

	head   *entry   // the first of the live, nil if there is none
	line   []*entry // sorted from index passed on; nil before it
	passed int
	late   late
}

// put takes in an entry that has just become ready. It tells whether the head
// is another one now.
func (s *shape) put(e *entry) bool {
	s.ready++
	if !e.slot {
		e.slot = true
		if n := len(s.line); n == s.passed || s.line[n-1].before(e) {
			s.line = append(s.line, e)
		} else {
			heap.Push(&s.late, e)
		}
	}
	if s.head != nil && s.head.before(e) {
		return false
	}
	s.head = e
	return true
}

// take lets go of an entry that has just stopped being ready. It tells whether
// the head is another one now.
func (s *shape) take(e *entry) bool {
	s.ready--
	changed := e == s.head
	if changed {
		s.advance()
	}
	if len(s.line)+len(s.late) > 2*s.ready+slack {
		s.compact()
	}
	return changed
}

// advance drops the dead slots in front and finds the head.
func (s *shape) advance() {
	for s.passed < len(s.line) && s.line[s.passed].place != ready {
		s.line[s.passed].slot = false
		s.line[s.passed] = nil
		s.passed++
	}
	for len(s.late) > 0 && s.late[0].place != ready {
		heap.Pop(&s.late).(*entry).slot = false
	}
	s.head = nil
	if s.passed < len(s.line) {
		s.head = s.line[s.passed]
	} else {
		s.line, s.passed = s.line[:0], 0
	}
	if len(s.late) > 0 && (s.head == nil || s.late[0].before(s.head)) {
		s.head = s.late[0]
	}
}

// compact leaves only the live slots, in memory of their own size.
func (s *shape) compact() {
	s.line, s.passed = live(s.line[s.passed:]), 0
	s.late = live(s.late)
	heap.Init(&s.late)
}

func live(slots []*entry) []*entry {
	n := 0
	for _, e := range slots {
		e.slot = e.place == ready
		if e.slot {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	kept := make([]*entry, 0, n)
	for _, e := range slots {
		if e.slot {
			kept = append(kept, e)
		}
	}
	return kept
}

// inOrder lists the ready tasks, in a slice of its own.
func (s *shape) inOrder() []*entry {
	all := make([]*entry, 0, s.ready)
	for _, slots := range [][]*entry{s.line[s.passed:], s.late} {
		for _, e := range slots {
			if e.place == ready {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return a.order().compare(b.order()) })
	return all
}

// late is a heap by order (container/heap).
type late []*entry

func (l late) Len() int           { return len(l) }
func (l late) Less(i, j int) bool { return l[i].before(l[j]) }
func (l late) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push is for container/heap.
func (l *late) Push(x any) { *l = append(*l, x.(*entry)) }

// Pop is for container/heap.
func (l *late) Pop() any {
	last := len(*l) - 1
	e := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return e
}
