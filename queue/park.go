package queue

import (
	"fmt"
	"time"

	"cmdq/task"
)

// Park takes an idle task out of those that may be launched, until Unpark, and
// keeps when it is due. Nothing changes for one that is parked. It panics on one
// that is not idle.
//
// A parked task can end, be removed and be fetched as any idle one, and Delay
// changes only when it is due; Wake and NextWake do not know of it, and to launch
// it panics. A task that was launched is not parked when Retry brings it back.
func (q *Queue) Park(id task.ID) {
	e := q.idle("park", id)
	if e.place == parked {
		return
	}
	at := e.wake(q)
	q.leave(e)
	q.enterParked(e, at)
}

// Unpark makes a parked task ready, or delayed if it is not due at now. Nothing
// changes for an idle one that is not parked. It panics on one that is not idle.
func (q *Queue) Unpark(id task.ID, now time.Time) {
	e := q.idle("unpark", id)
	if e.place != parked {
		return
	}
	at := e.wake(q)
	q.leave(e)
	if !at.After(now) {
		at = time.Time{}
	}
	q.enterAt(e, at)
}

func (q *Queue) idle(step string, id task.ID) *entry {
	e := q.must(step, id)
	if e.task.State != task.Idle {
		panic(fmt.Sprintf("queue: %s %s: it is %s", step, id, e.task.State))
	}
	return e
}

func (q *Queue) enterParked(e *entry, at time.Time) {
	e.place, e.pos = parked, int32(len(q.parked))
	q.parked = append(q.parked, wait{at, e})
}

// leaveParked takes an entry out of the parked ones, and puts the last one where
// it was.
func (q *Queue) leaveParked(e *entry) {
	last := len(q.parked) - 1
	moved := q.parked[last]
	q.parked[e.pos], moved.entry.pos = moved, e.pos
	q.parked[last] = wait{}
	q.parked = q.parked[:last]
}
