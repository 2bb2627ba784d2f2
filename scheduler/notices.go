package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cmdq/task"
)

// Cause is what a notice tells of.
type Cause uint8

// The causes. What was told once is told again when it comes to that again, as
// after a retry.
const (
	FirstFailed Cause = iota // of the run or the group one task is failed now, and none was
	NoneLeft                 // every task of the run or the group has ended
)

// Notice is what somebody is to be told, of one end.
type Notice struct {
	ID        string // of its own
	Cause     Cause
	To        task.Notice
	Group     string // empty: the whole run
	Framework string // its id
	States    [task.NumStates]int
	Failed    *task.Task // of FirstFailed: which one, as it was
}

// Delivery says how far the delivery of a notice is.
type Delivery struct {
	ID    string
	Tries int       // that were begun
	Next  time.Time // when it is tried next
	Over  bool      // it was delivered, or is given up
}

// ErrOver says that Run has ended.
var ErrOver = errors.New("the run is over")

// Note records how far a delivery is, and waits until that is stored. It waits
// while Run is busy or has not begun, and gives up with ctx.
func (s *Scheduler) Note(ctx context.Context, d Delivery) error {
	stored := make(chan struct{})
	select {
	case s.requests <- Noted{Delivery: d, Answer: func() { close(stored) }}:
	case <-s.done:
		return ErrOver
	case <-ctx.Done():
		return fmt.Errorf("note a delivery: %w", ctx.Err())
	}
	select {
	case <-stored:
		return nil
	case <-s.done:
		return ErrOver // it may be stored all the same
	case <-ctx.Done():
		return fmt.Errorf("note a delivery: %w", ctx.Err())
	}
}

// onNoted decides nothing: what is owed is the journal's to know.
func (s *state) onNoted(ev Noted) {
	s.eff.Records = append(s.eff.Records, Record{Kind: Tried, At: s.now, Delivery: &ev.Delivery})
	s.eff.Answers = append(s.eff.Answers, ev.Answer)
}

// firstFailure is the only task of a group that is failed.
type firstFailure struct {
	group string
	task  *task.Task
}

// openIn and closedIn keep the numbers of tasks that have not ended.
func (s *state) openIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		s.group(name).open++
	}
}

func (s *state) closedIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		g := s.group(name)
		if g.open--; g.open == 0 {
			s.closed = append(s.closed, name)
		}
	}
}

// oweNotices notes, at the end of a step, who is to be told of what happened in
// it. A group whose last task ended and was queued again in one step has not
// ended. All this is known again after a restart by how the tasks are, and is
// stored together with them: nothing is told that did not happen, and nothing
// that did is left out.
func (s *state) oweNotices() {
	failed, closed := s.failures, s.closed
	if len(failed)+len(closed) == 0 {
		return
	}
	s.failures, s.closed = nil, nil
	closed = slices.DeleteFunc(closed, func(name string) bool { return s.group(name).open > 0 })
	slices.Sort(closed)
	closed = slices.Compact(closed)

	var owed []*Notice
	for _, f := range failed {
		of := f.task.Clone()
		for _, to := range s.toldOf(f.group, FirstFailed) {
			owed = append(owed, &Notice{Cause: FirstFailed, To: to, Group: f.group, Failed: &of})
		}
	}
	for _, name := range closed {
		for _, to := range s.toldOf(name, NoneLeft) {
			owed = append(owed, &Notice{Cause: NoneLeft, To: to, Group: name})
		}
	}
	s.countStates(owed)
	for _, n := range owed {
		if n.States == ([task.NumStates]int{}) {
			continue // the last of the group has gone to another one
		}
		n.ID, n.Framework = s.cfg.NewID(), cmp.Or(s.framework.ID, s.former)
		s.eff.Records = append(s.eff.Records, Record{Kind: Owed, At: s.now, Notice: n})
	}
}

// toldOf are those who want to know: of the run those of the tasks file, and of
// the flags.
func (s *state) toldOf(name string, c Cause) []task.Notice {
	b := s.bounds(name)
	file := task.Policy{}
	if name == "" {
		file = s.policy
	}
	if c == NoneLeft {
		return slices.Concat(file.OnFinish, b.Finish)
	}
	return slices.Concat(file.OnFailure, b.Failure)
}

// countStates fills in how many tasks are in which state. It looks at every task
// once if any notice is of a group.
func (s *state) countStates(owed []*Notice) {
	groups := map[string]*[task.NumStates]int{}
	for _, n := range owed {
		if n.Group != "" {
			groups[n.Group] = &[task.NumStates]int{}
		}
	}
	if len(groups) > 0 {
		for t := range s.queue.All() {
			if states := groups[t.Spec.Asks().Group]; states != nil {
				states[t.State]++
			}
		}
	}
	for _, n := range owed {
		if n.Group != "" {
			n.States = *groups[n.Group]
			continue
		}
		for i := range n.States {
			n.States[i] = s.queue.Count(task.State(i))
		}
	}
}
