package scheduler

import (
	"context"
	"fmt"

	"cmdq/task"
)

// Task is a copy of a task as it is now; false: there is none of this id. It
// waits while Run is busy or has not begun, and gives up with ctx.
func (s *Scheduler) Task(ctx context.Context, id task.ID) (t task.Task, ok bool, err error) {
	err = s.ask(ctx, func(st *state) {
		if found := st.queue.Get(id); found != nil {
			t, ok = found.Clone(), true
		}
	})
	if err != nil {
		return task.Task{}, false, fmt.Errorf("ask for task %s: %w", id, err)
	}
	return t, ok, nil
}

// ask lets look look at the state between two steps of Run, or after the last.
// It must change nothing and keep nothing.
func (s *Scheduler) ask(ctx context.Context, look func(*state)) error {
	seen := make(chan struct{})
	select {
	case s.asks <- func(st *state) { look(st); close(seen) }:
		<-seen
	case <-s.done:
		look(s.state)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
