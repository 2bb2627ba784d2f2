package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"cmdq/task"
)

// Change is something that somebody wants of the queue.
type Change interface{ change(s *state) Outcome }

// The changes.
type (
	// Submit queues tasks that are not of the tasks file. One that is there and
	// says the same is left alone; if one says something else, or waits for what
	// is not there, nothing is queued.
	Submit struct{ Tasks []task.Task }
	// CancelTasks asks tasks to end.
	CancelTasks struct{ Selection }
	// RetryTasks queues tasks again that have ended otherwise than finished.
	RetryTasks struct{ Selection }
	// HoldTasks keeps tasks from being launched.
	HoldTasks struct{ Selection }
	// ReleaseTasks undoes HoldTasks.
	ReleaseTasks struct{ Selection }
)

// Outcome is what came of a change.
type Outcome struct {
	Changed []task.ID
	Notes   []ChangeNote // why others were left alone, the first maxChangeNotes
	Err     error        // nothing was changed
	more    int          // notes that are left out
}

// ChangeNote says why a task was left alone.
type ChangeNote struct {
	ID   task.ID
	Text string
}

const maxChangeNotes = 100

func (o *Outcome) left(id task.ID, format string, args ...any) {
	if len(o.Notes) == maxChangeNotes {
		o.more++
		return
	}
	o.Notes = append(o.Notes, ChangeNote{id, fmt.Sprintf(format, args...)})
}

// onAsked makes a change. Its answer leaves when it is stored.
func (s *state) onAsked(ev Asked) {
	var out Outcome
	if s.leaving != nil {
		out.Err = errLeaving
	} else {
		out = ev.Change.change(s)
	}
	s.eff.Answers = append(s.eff.Answers, func() { ev.Answer(out) })
}

func (c CancelTasks) change(s *state) (out Outcome) {
	tasks, err := s.selected(c.Selection)
	out.Err = err
	for _, t := range tasks {
		switch {
		case t.State.Terminal():
			out.left(t.ID, "it has ended: %s", t.State)
			continue
		case t.State.Active() && t.Stop.Kills():
			out.left(t.ID, "it is being killed already")
			continue
		}
		if failedForGood(t) {
			out.left(t.ID, "it has failed already; nothing more that it left is waited for")
		} else {
			out.Changed = append(out.Changed, t.ID)
		}
		s.cancel(t)
	}
	return out
}

func (c RetryTasks) change(s *state) (out Outcome) {
	tasks, err := s.selected(c.Selection)
	out.Err = err
	var again []*task.Task
	named := map[task.ID]bool{}
	for _, id := range c.IDs {
		named[id] = true
	}
	for _, t := range tasks {
		switch a := t.Current(); {
		case t.State.Terminal() && takenOut(t) && c.Group == "" && !named[t.ID]:
			out.left(t.ID, "it was taken out of the tasks file; it is tried again by its id")
		case t.State == task.Finished:
			out.left(t.ID, "it has finished; only what failed or was killed is tried again")
		case !t.State.Terminal():
			out.left(t.ID, "it has not ended: it is %s", t.State)
		case t.Spec.Retries == 0 && a != nil && a.Adrift && !strings.HasSuffix(t.End.Message, endNotSeen):
			out.left(t.ID, "it may still be running on %s, and has retries: 0", a.Host)
		default:
			again = append(again, t)
		}
	}
	again = s.withoutCircle(again, &out)
	stopped := s.stoppedOf(again) // now: without their own failures some would bear the rest
	if s.frozen && len(again) > 0 {
		stopped[""] = true // the next start's flags say what the run bears
	}
	for _, t := range again {
		out.Changed = append(out.Changed, t.ID)
		s.requeue(t)
		s.concern(s.queue.Get(t.ID))
	}
	s.forgive(stopped)
	s.endedAtOnce(&out)
	return out
}

// endedAtOnce says which of the tasks that were queued the rules have ended already.
func (s *state) endedAtOnce(out *Outcome) {
	s.tickRules()
	for _, id := range out.Changed {
		if t := s.queue.Get(id); t != nil && t.State.Terminal() {
			out.left(id, "it ended at once: %s", t.End.Message)
		}
	}
}

// withoutCircle leaves out tasks that would wait for themselves, were they queued
// again with all others.
func (s *state) withoutCircle(tasks []*task.Task, out *Outcome) []*task.Task {
	for circle := s.circle(tasks); circle != nil; circle = s.circle(tasks) {
		tasks = slices.DeleteFunc(tasks, func(t *task.Task) bool {
			in := t.Spec == circle.spec
			if in {
				out.left(t.ID, "what it would wait for waits for %s, which it is part of", circle.Series)
			}
			return in
		})
	}
	return tasks
}

// requeue queues a task again that has ended, with all its retries.
func (s *state) requeue(t *task.Task) {
	fresh := *t
	fresh.State, fresh.Stop, fresh.Charged, fresh.Infra, fresh.NeverStarted = task.Idle, task.NotStopped, 0, 0, 0
	fresh.Base, fresh.End, fresh.Submitted, fresh.Alone = t.Launches, nil, s.now, false
	fresh.ForgivenByRun, fresh.ForgivenByGroup = false, false
	s.replace(t, &fresh, false)
}

func (c HoldTasks) change(s *state) (out Outcome) {
	tasks, err := s.selected(c.Selection)
	out.Err = err
	for _, t := range tasks {
		switch {
		case t.State.Terminal():
			out.left(t.ID, "it has ended: %s", t.State)
			continue
		case t.Held:
			out.left(t.ID, "it is held already")
			continue
		case t.State != task.Idle:
			out.left(t.ID, "it is %s, which goes on; it is held once that is over, should it be queued again", t.State)
		}
		s.hold(t, true)
		out.Changed = append(out.Changed, t.ID)
	}
	return out
}

func (c ReleaseTasks) change(s *state) (out Outcome) {
	tasks, err := s.selected(c.Selection)
	out.Err = err
	for _, t := range tasks {
		if !t.Held {
			out.left(t.ID, "it is not held")
			continue
		}
		s.hold(t, false)
		out.Changed = append(out.Changed, t.ID)
	}
	return out
}

func (s *state) hold(t *task.Task, held bool) {
	t.Held = held
	if t.State == task.Idle {
		s.reconsider(t)
	}
	s.record(Changed, t)
}
