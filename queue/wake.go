package queue

import (
	"time"

	"cmdq/task"
)

// WakeAt is when a delayed task becomes ready, and when a parked one would if it
// was not parked; false for any other task, and for a parked one that was ready.
func (q *Queue) WakeAt(id task.ID) (time.Time, bool) {
	e := q.find(id)
	if e == nil {
		return time.Time{}, false
	}
	at := e.wake(q)
	return at, !at.IsZero()
}

// wake is when the entry is due; zero if it waits for no time.
func (e *entry) wake(q *Queue) time.Time {
	switch e.place {
	case delayed:
		return q.waits[e.pos].at
	case parked:
		return q.parked[e.pos].at
	}
	return time.Time{}
}
