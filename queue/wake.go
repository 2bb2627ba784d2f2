package queue

import (
	"time"

	"cmdq/task"
)

// WakeAt is when a delayed task becomes ready; false for any other task.
func (q *Queue) WakeAt(id task.ID) (time.Time, bool) {
	e := q.find(id)
	if e == nil || e.place != delayed {
		return time.Time{}, false
	}
	return q.waits[e.pos].at, true
}
