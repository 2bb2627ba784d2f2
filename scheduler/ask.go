package scheduler

import (
	"context"
	"errors"
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

// errLeaving is why nothing is changed any more.
var errLeaving = errors.New("cmdq is ending")

// Change makes a change and waits until it is stored.
func (s *Scheduler) Change(ctx context.Context, c Change) (Outcome, error) {
	answer := make(chan Outcome, 1)
	select {
	case s.requests <- Asked{Change: c, Answer: func(o Outcome) { answer <- o }}:
	case <-s.done:
		return Outcome{}, errLeaving
	case <-ctx.Done():
		return Outcome{}, fmt.Errorf("%T: %w", c, ctx.Err())
	}
	select {
	case out := <-answer:
		return out, out.Err
	case <-s.done:
		select {
		case out := <-answer: // the last of the run
			return out, out.Err
		default:
			return Outcome{}, errLeaving
		}
	case <-ctx.Done():
		return Outcome{}, fmt.Errorf("%T: %w", c, ctx.Err())
	}
}
