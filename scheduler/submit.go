package scheduler

import (
	"fmt"

	"cmdq/task"
)

func (c Submit) change(s *state) (out Outcome) {
	fresh := map[task.ID]bool{}
	var add []*task.Task
	for i := range c.Tasks {
		n := &c.Tasks[i]
		if t := s.queue.Get(n.ID); t == nil {
			fresh[n.ID], fresh[n.Spec.ID] = true, true
			add = append(add, n)
		} else if !t.Given || !t.Equal(n) {
			out.Err = &OtherTask{ID: n.ID, Given: t.Given}
			return out
		} else {
			out.left(n.ID, "it is there already: %s", t.State)
		}
	}
	if err := s.nameTaken(add); err != nil {
		out.Err = err
		return out
	}
	if n, name := s.unknownAfter(add, fresh); n != nil {
		out.Err = &UnknownTask{ID: name, Near: s.near(name), For: n.ID}
		return out
	}
	if err := s.unknownGroup(add); err != nil {
		out.Err = err
		return out
	}
	if circle := s.circle(add); circle != nil {
		out.Err = circle
		return out
	}
	if s.seq == 0 {
		s.seq = s.lastSeq()
	}
	for _, n := range add {
		s.seq++
		n.Given, n.Submitted, n.Seq = true, s.now, s.seq
		s.enqueue(*n)
		s.concern(n)
		out.Changed = append(out.Changed, n.ID)
	}
	if len(add) > 0 {
		s.stopAgain()
		s.endedAtOnce(&out)
	}
	return out
}

// unknownGroup looks whether a new task is in a group that the tasks file does not
// have, though it has some (task: the same of its own tasks).
func (s *state) unknownGroup(add []*task.Task) error {
	if len(s.policy.Groups) == 0 {
		return nil
	}
	for _, n := range add {
		for _, name := range groupsOf(n)[1:] {
			if _, ok := s.policy.Groups[name]; !ok {
				return &UnknownGroup{Name: name, For: n.ID}
			}
		}
	}
	return nil
}

// nameTaken looks whether new tasks have the name of a series, or are a series with
// the name of a task: others wait by it, and would not know for which.
func (s *state) nameTaken(add []*task.Task) error {
	single := map[task.ID]bool{}
	for _, n := range add {
		if n.ID == n.Spec.ID {
			single[n.ID] = true
		} else if t := s.queue.Get(n.Spec.ID); t != nil {
			return &OtherTask{ID: t.ID, Given: t.Given}
		}
	}
	if len(single) == 0 {
		return nil
	}
	for t := range s.queue.All() {
		if t.ID != t.Spec.ID && single[t.Spec.ID] {
			return &OtherTask{ID: t.Spec.ID, Given: t.Given}
		}
	}
	return nil
}

// unknownAfter is the first name that a task would wait for, and nobody has.
func (s *state) unknownAfter(add []*task.Task, fresh map[task.ID]bool) (*task.Task, task.ID) {
	unknown := map[task.ID]bool{}
	for _, n := range add {
		for _, name := range afterOf(n) {
			if !fresh[name] && s.queue.Get(name) == nil {
				unknown[name] = true
			}
		}
	}
	if len(unknown) == 0 {
		return nil, ""
	}
	for t := range s.queue.All() {
		delete(unknown, t.Spec.ID) // it is a series
	}
	for _, n := range add {
		for _, name := range afterOf(n) {
			if unknown[name] {
				return n, name
			}
		}
	}
	return nil, ""
}

// givenSeq is behind the place of every task of a file, whatever is added to that.
const givenSeq = 1 << 40

// lastSeq is the last place in the queue: what is submitted goes behind it.
func (s *state) lastSeq() uint64 {
	last := uint64(givenSeq)
	for t := range s.queue.All() {
		last = max(last, t.Seq)
	}
	return last
}

// UnknownTask is an id that no task has.
type UnknownTask struct {
	ID   task.ID
	Near []task.ID // that look like it
	For  task.ID   // the task that was to wait for it; empty: none
}

func (e *UnknownTask) Error() string {
	text := fmt.Sprintf("there is no task %s", e.ID)
	if e.For != "" {
		text = fmt.Sprintf("task %s: after: there is no task %s", e.For, e.ID)
	}
	if len(e.Near) > 0 {
		text += fmt.Sprintf("; did you mean %s?", joinIDs(e.Near))
	}
	return text
}

// UnknownGroup is a group that a task was to be in.
type UnknownGroup struct {
	Name string
	For  task.ID
}

func (e *UnknownGroup) Error() string {
	return fmt.Sprintf("task %s: group: found %q, which is not in groups of the tasks file", e.For, e.Name)
}

// OtherTask is a task of an id that is taken.
type OtherTask struct {
	ID    task.ID
	Given bool // it was submitted, too
}

func (e *OtherTask) Error() string {
	if !e.Given {
		return fmt.Sprintf("task %s is one of the tasks file", e.ID)
	}
	return fmt.Sprintf("task %s is there already, and says something else", e.ID)
}

func joinIDs(ids []task.ID) string {
	text := ""
	for i, id := range ids {
		switch {
		case i > 0 && i == len(ids)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += string(id)
	}
	return text
}
