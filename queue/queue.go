// Package queue keeps every task in exactly one place and says which one goes
// next. A task is idle (ready, delayed until a time, or parked until its owner
// says otherwise), starting, running, fetching, or ended; First finds the first
// ready task, by priority and then by place in the file, that fits into some free
// resources, without looking at every task.
//
// A Queue has one owner and no lock. The package does no I/O, starts nothing
// and reads no clock: every time is handed in. It never decides whether a task
// is tried again; it only does the step that it is told, and panics on a step
// that the life of a task does not have, since that is a bug of its owner.
//
// How it is laid out:
//
//	tasks    every task by id, each an entry with its place
//	shapes   what decides where a task fits; each has its ready tasks in line
//	tree     over the shapes: whose head goes first, and the least need below
//	waits    the delayed tasks, a heap by time
//	parked   the idle tasks that may not be launched for now
//	active   the starting and running tasks
//	fetching the tasks that wait for what their command left
package queue

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"cmdq/task"
)

// ErrDuplicate is what Add returns for an id that the queue has already.
var ErrDuplicate = errors.New("a task of this id is in the queue already")

// Queue holds tasks. Make it with New.
//
// The tasks that it hands out are its own: the owner may write to them but for
// ID, Spec, Seq and State, by which the queue finds them. No two tasks may
// have the same priority and Seq; if they do, either may go first.
type Queue struct {
	tasks    map[task.ID]*entry
	shapes   map[key]*shape
	tree     tree
	waits    waits
	parked   []wait
	active   []*entry
	fetching []*entry
	counts   [task.NumStates]int
	ready    int

	// last is what First returned: its launch follows as a rule, and then the
	// map, whose memory is cold in a long queue, need not be asked.
	last *entry

	// rules and rulesKey are what shape was last asked with: the tasks of a series
	// come one after another, and a file's specs often share their rules.
	rules    *task.Rules
	rulesKey string
}

// New returns an empty queue.
func New() *Queue {
	return &Queue{tasks: make(map[task.ID]*entry), shapes: make(map[key]*shape), tree: newTree()}
}

// Add puts an idle task into the queue, ready, and returns the queue's own
// copy of it. The error is ErrDuplicate, with the id. Adding a task that is
// not idle or has no Spec panics.
func (q *Queue) Add(t task.Task) (*task.Task, error) {
	if t.State != task.Idle || t.Spec == nil {
		panic(fmt.Sprintf("queue: add %s: not idle, or no spec", t.ID))
	}
	if q.tasks[t.ID] != nil {
		return nil, fmt.Errorf("add %s: %w", t.ID, ErrDuplicate)
	}
	e := &entry{task: t, near: nearOf(t.Spec.Priority), shape: q.shape(&t), place: gone}
	e.shape.tasks++
	q.tasks[t.ID] = e
	q.counts[task.Idle]++
	q.enter(e)
	return &e.task, nil
}

// Restore puts a task into the queue in whatever state it is, as it was before a
// restart, and returns the queue's own copy of it. An idle one waits until wake;
// with a zero wake it is ready. Park follows for one that was parked. The error
// is ErrDuplicate, with the id. A task without a Spec panics.
func (q *Queue) Restore(t task.Task, wake time.Time) (*task.Task, error) {
	state := t.State
	t.State = task.Idle
	added, err := q.Add(t)
	if err != nil || state == task.Idle && wake.IsZero() {
		return added, err
	}
	e := q.tasks[t.ID]
	q.counts[task.Idle]--
	q.counts[state]++
	e.task.State = state
	q.leave(e)
	switch {
	case state.Active():
		q.enterActive(e)
	case state == task.Fetching:
		q.enterFetching(e)
	case state.Terminal():
		e.place = ended
		q.release(e)
	default:
		q.enterAt(e, wake)
	}
	return added, nil
}

// Get is the task with this id, nil if there is none.
func (q *Queue) Get(id task.ID) *task.Task {
	if e := q.find(id); e != nil {
		return &e.task
	}
	return nil
}

// First is the first ready task, the highest Spec.Priority first and then the
// lowest Seq, that fits into free and whose shape admit accepts; nil if there
// is none. Admit is asked with the head of a shape that fits, in the order of
// the queue, at most once for a shape, and no longer once it said yes; it must
// not change the queue nor call First. A nil admit accepts all.
func (q *Queue) First(free task.Resources, admit func(*task.Task) bool) *task.Task {
	s := q.tree.first(free, admit)
	if s == nil {
		return nil
	}
	q.last = s.head
	return &s.head.task
}

// Ready counts the tasks that are idle, and neither delayed nor parked.
func (q *Queue) Ready() int { return q.ready }

// Delayed counts the tasks that are idle and wait for their time.
func (q *Queue) Delayed() int { return len(q.waits) }

// ParkedCount counts the tasks that are idle and parked.
func (q *Queue) ParkedCount() int { return len(q.parked) }

// Count is the number of tasks in a state.
func (q *Queue) Count(s task.State) int { return q.counts[s] }

// Len is the number of all tasks, ended ones too.
func (q *Queue) Len() int { return len(q.tasks) }

// Active yields the starting and running tasks, each once, in no order of
// meaning but in the same one after the same calls. The queue may be changed
// meanwhile: a task that is not active when its turn comes is left out, and
// one launched after the start is not seen.
func (q *Queue) Active() iter.Seq[*task.Task] { return each(&q.active, active) }

// Fetching yields the tasks whose command has ended and whose files are being
// fetched, as Active does the active ones.
func (q *Queue) Fetching() iter.Seq[*task.Task] { return each(&q.fetching, fetching) }

// Parked yields the parked tasks, as Active does the active ones.
func (q *Queue) Parked() iter.Seq[*task.Task] {
	return func(yield func(*task.Task) bool) {
		for _, w := range slices.Clone(q.parked) {
			if w.entry.place == parked && !yield(&w.entry.task) {
				return
			}
		}
	}
}

// each yields the tasks of a list as it is when the walk begins, without those
// that have left their place by then.
func each(list *[]*entry, in place) iter.Seq[*task.Task] {
	return func(yield func(*task.Task) bool) {
		for _, e := range slices.Clone(*list) {
			if e.place == in && !yield(&e.task) {
				return
			}
		}
	}
}

// All yields every task, in an order that differs from call to call. The
// queue may be changed meanwhile: a task removed before its turn is left out,
// and one added may be seen or not.
func (q *Queue) All() iter.Seq[*task.Task] {
	return func(yield func(*task.Task) bool) {
		for _, e := range q.tasks {
			if !yield(&e.task) {
				return
			}
		}
	}
}

// Shape is what the ready tasks of one kind have in common.
type Shape struct {
	Need  task.Resources
	Ready int        // how many tasks, at least 1
	Head  *task.Task // the one that goes first
}

// Shapes yields the shapes that have ready tasks, in no order of meaning but
// in the same one after the same calls. The queue may be changed meanwhile: a
// shape without ready tasks when its turn comes is left out, and one that is
// new may be seen or not.
func (q *Queue) Shapes() iter.Seq[Shape] {
	return func(yield func(Shape) bool) {
		for _, s := range q.tree.leaves {
			if s != nil && s.head != nil && !yield(Shape{s.key.need, s.ready, &s.head.task}) {
				return
			}
		}
	}
}

// SameShape yields the ready tasks of the head's shape, in the order of the
// queue, the head too if it is ready. It takes any task that has not ended for
// a head, and yields nothing for another. The queue may be changed meanwhile:
// a task that is not ready when its turn comes is left out.
func (q *Queue) SameShape(head *task.Task) iter.Seq[*task.Task] {
	return func(yield func(*task.Task) bool) {
		e := q.find(head.ID)
		if e == nil || e.shape == nil {
			return
		}
		for _, o := range e.shape.inOrder() {
			if o.place == ready && !yield(&o.task) {
				return
			}
		}
	}
}

// NextWake is the time at which the first delayed task is due; false if none
// is delayed.
func (q *Queue) NextWake() (time.Time, bool) {
	if len(q.waits) == 0 {
		return time.Time{}, false
	}
	return q.waits[0].at, true
}

func (q *Queue) find(id task.ID) *entry {
	if q.last != nil && q.last.task.ID == id {
		return q.last
	}
	return q.tasks[id]
}
