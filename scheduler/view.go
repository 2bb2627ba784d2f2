package scheduler

import (
	"context"
	"iter"
	"time"

	"cmdq/task"
)

// View is the queue between two steps. It and what it hands out are only for the
// function that was given it: nothing of that may be changed or kept.
type View struct{ s *state }

// Look lets look see the queue as it is now. Run waits meanwhile, so look should
// be quick. It waits while Run is busy or has not begun, and gives up with ctx.
func (s *Scheduler) Look(ctx context.Context, look func(View)) error {
	return s.ask(ctx, func(st *state) { look(View{st}) })
}

// Frozen is the queue of a run that nobody runs just now, as the journal has it.
func Frozen(cfg Config, saved Saved) (View, error) {
	s := newState(cfg)
	if err := s.restore(saved); err != nil {
		return View{}, err
	}
	s.now, s.frozen = saved.Now, true
	s.regroup()
	s.redepend()
	return View{s}, nil
}

// Tasks yields every task, in no order.
func (v View) Tasks() iter.Seq[*task.Task] { return v.s.queue.All() }

// Task is the one of this id, nil if there is none.
func (v View) Task(id task.ID) *task.Task { return v.s.queue.Get(id) }

// Selected are the tasks that are meant, in the order of the queue. Ids that are
// not there are an error, and so is a key of no failures.
func (v View) Selected(s Selection) ([]*task.Task, error) { return v.s.selected(s) }

// Given finds a task of a file that was submitted before.
func (v View) Given(tasks []task.Task) (task.ID, bool) { return v.s.givenAmong(tasks) }

// Circle finds a task that was submitted and would wait for itself with a tasks
// file like this.
func (v View) Circle(file []task.Task) *WaitsForItself { return v.s.circleWith(file) }

// Near are ids that may have been meant by one that is not there.
func (v View) Near(id task.ID) []task.ID { return v.s.near(id) }

// Explain says why a task is where it is.
func (v View) Explain(t *task.Task) Explanation { return v.s.explain(t) }

// What an idle task waits for, beside offers.
const (
	WaitsHeld    = "held"
	WaitsTasks   = "waiting"
	WaitsBackoff = "delayed"
)

// Waits is what an idle task waits for, empty if it is ready; and until when, if
// that is known.
func (v View) Waits(t *task.Task) (what string, until time.Time) {
	if t.State != task.Idle {
		return "", time.Time{}
	}
	switch wake, delayed := v.s.queue.WakeAt(t.ID); {
	case t.Held:
		return WaitsHeld, time.Time{}
	case v.s.deps.waiting[t.ID] > 0:
		return WaitsTasks, time.Time{}
	case delayed && wake.After(v.s.now):
		return WaitsBackoff, wake
	}
	return "", time.Time{}
}

// Offline makes a change in a run that nobody runs just now, and gives the records
// of it.
func Offline(cfg Config, saved Saved, c Change) (Outcome, []Record, error) {
	v, err := Frozen(cfg, saved)
	if err != nil {
		return Outcome{}, nil, err
	}
	v.s.eff = Effects{}
	out := c.change(v.s)
	v.s.tickGroups()
	v.s.tickDeps()
	return out, v.s.eff.Records, out.Err
}
