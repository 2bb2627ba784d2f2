package scheduler

import (
	"context"
	"fmt"

	"cmdq/task"
)

// Task is a copy of a task as it is now; false: there is none of this id. It
// waits while Run is busy, and gives up with ctx.
func (s *Scheduler) Task(ctx context.Context, id task.ID) (t task.Task, ok bool, err error) {
	done := make(chan struct{})
	ask := func(st *state) {
		defer close(done)
		if found := st.queue.Get(id); found != nil {
			t, ok = found.Clone(), true
		}
	}
	select {
	case s.asks <- ask:
		<-done
		return t, ok, nil
	case <-ctx.Done():
		return task.Task{}, false, fmt.Errorf("ask for task %s: %w", id, ctx.Err())
	}
}
