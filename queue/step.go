package queue

import (
	"container/heap"
	"fmt"
	"time"

	"cmdq/task"
)

// Launch takes a ready task: idle to starting.
func (q *Queue) Launch(id task.ID) {
	e := q.must("launch", id)
	if e.place == delayed || e.place == parked {
		panic(fmt.Sprintf("queue: launch %s: it is delayed or parked", id))
	}
	q.become("launch", e, task.Starting)
	q.leave(e)
	q.enterActive(e)
}

func (q *Queue) enterActive(e *entry) {
	e.place, e.pos = active, int32(len(q.active))
	q.active = append(q.active, e)
}

func (q *Queue) enterFetching(e *entry) {
	e.place, e.pos = fetching, int32(len(q.fetching))
	q.fetching = append(q.fetching, e)
}

// Up notes that a command runs: starting to running.
func (q *Queue) Up(id task.ID) {
	q.become("up", q.must("up", id), task.Running)
}

// Fetch notes that a command has ended and that what it left is being fetched:
// from idle (delayed and parked too), starting or running to fetching.
func (q *Queue) Fetch(id task.ID) {
	e := q.must("fetch", id)
	q.become("fetch", e, task.Fetching)
	q.leave(e)
	q.enterFetching(e)
}

// Retry makes a starting, running or fetching task idle again, in its old place by
// priority and Seq: ready if at is zero, else delayed until then.
func (q *Queue) Retry(id task.ID, at time.Time) {
	e := q.must("retry", id)
	q.become("retry", e, task.Idle)
	q.leave(e)
	q.enterAt(e, at)
}

// Apart makes a starting or running task one that is launched alone from now on.
func (q *Queue) Apart(id task.ID) {
	e := q.must("apart", id)
	if e.place != active {
		panic(fmt.Sprintf("queue: apart %s: it is %s", id, e.task.State))
	}
	if e.task.Alone {
		return
	}
	if e.slot {
		e.shape.compact() // or its dead slot would come to life with it
	}
	q.release(e)
	e.task.Alone = true
	e.shape = q.shape(&e.task)
	e.shape.tasks++
}

// Delay makes an idle task wait until at, whatever it waited for before; with
// a zero at it is ready. A parked one stays parked.
func (q *Queue) Delay(id task.ID, at time.Time) {
	e := q.idle("delay", id)
	if e.place == parked {
		q.parked[e.pos].at = at
		return
	}
	q.leave(e)
	q.enterAt(e, at)
}

// End moves a task that has not ended to a terminal state. It stays known
// until it is removed.
func (q *Queue) End(id task.ID, s task.State) {
	e := q.must("end", id)
	if !s.Terminal() {
		panic(fmt.Sprintf("queue: end %s: %s is not terminal", id, s))
	}
	q.become("end", e, s)
	q.leave(e)
	e.place = ended
	q.release(e)
}

// Remove forgets an idle or ended task and returns it, nil if there is none
// with this id. It panics on one that is starting, running or fetching.
func (q *Queue) Remove(id task.ID) *task.Task {
	e := q.find(id)
	if e == nil {
		return nil
	}
	if e.place == active || e.place == fetching {
		panic(fmt.Sprintf("queue: remove %s: it is %s", id, e.task.State))
	}
	if e.place != ended {
		q.leave(e)
		q.release(e)
	}
	e.place = gone
	q.counts[e.task.State]--
	delete(q.tasks, id)
	if q.last == e {
		q.last = nil
	}
	return &e.task
}

// Wake makes the delayed tasks ready that are due at or before now, and
// returns how many they were.
func (q *Queue) Wake(now time.Time) int {
	n := 0
	for ; len(q.waits) > 0 && !q.waits[0].at.After(now); n++ {
		e := q.waits[0].entry
		q.leave(e)
		q.enter(e)
	}
	return n
}

func (q *Queue) must(step string, id task.ID) *entry {
	e := q.find(id)
	if e == nil {
		panic(fmt.Sprintf("queue: %s %s: no such task", step, id))
	}
	return e
}

// become is the only writer of a task's state.
func (q *Queue) become(step string, e *entry, s task.State) {
	from := e.task.State
	if !from.CanBecome(s) {
		panic(fmt.Sprintf("queue: %s %s: from %s to %s", step, e.task.ID, from, s))
	}
	q.counts[from]--
	q.counts[s]++
	e.task.State = s
}

// leave takes an entry out of the index that it is in. Who calls it puts it
// into the next.
func (q *Queue) leave(e *entry) {
	switch e.place {
	case ready:
		e.place = gone
		q.ready--
		if e.shape.take(e) {
			q.tree.update(e.shape)
		}
	case delayed:
		heap.Remove(&q.waits, int(e.pos))
		e.place = gone
	case parked:
		q.leaveParked(e)
		e.place = gone
	case active:
		q.active = without(q.active, e)
		e.place = gone
	case fetching:
		q.fetching = without(q.fetching, e)
		e.place = gone
	default:
		panic(fmt.Sprintf("queue: %s is in no index", e.task.ID))
	}
}

// without takes an entry out of a list, and puts the last one where it was.
func without(list []*entry, e *entry) []*entry {
	last := len(list) - 1
	moved := list[last]
	list[e.pos], moved.pos = moved, e.pos
	list[last] = nil
	return list[:last]
}

// enter makes an entry ready.
func (q *Queue) enter(e *entry) {
	e.place = ready
	q.ready++
	if e.shape.put(e) {
		q.tree.update(e.shape)
	}
}

func (q *Queue) enterAt(e *entry, at time.Time) {
	if at.IsZero() {
		q.enter(e)
		return
	}
	e.place = delayed
	q.waits.add(at, e)
}

// shape finds the shape of a task, or makes it.
func (q *Queue) shape(t *task.Task) *shape {
	s := t.Spec
	if s.Rules != q.rules {
		q.rules, q.rulesKey = s.Rules, s.Rules.Key()
	}
	k := key{s.Resources, s.Executor, s.User, t.Alone, q.rulesKey}
	if known := q.shapes[k]; known != nil {
		return known
	}
	made := &shape{key: k}
	q.shapes[k] = made
	q.tree.add(made)
	return made
}

// release lets an entry go from its shape, for ever, and forgets a shape that
// no task is left of: so there are never more shapes than tasks to come.
func (q *Queue) release(e *entry) {
	s := e.shape
	e.shape = nil
	s.tasks--
	if s.tasks == 0 {
		delete(q.shapes, s.key)
		q.tree.drop(s)
	}
}
