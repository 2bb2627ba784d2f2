package scheduler

import (
	"fmt"
	"maps"
	"slices"

	"cmdq/task"
)

// WaitsForItself is a task that would wait, by way of others, for the series that
// it is part of.
type WaitsForItself struct {
	ID, Series task.ID
	spec       *task.Spec
}

func (e *WaitsForItself) Error() string {
	return fmt.Sprintf("task %s: after: what it would wait for waits for %s, which it is part of", e.ID, e.Series)
}

// waitsFor is who waits for whom, by the names of tasks and series.
type waitsFor map[task.ID]map[task.ID]bool

func (w waitsFor) note(t *task.Task) {
	for _, name := range []task.ID{t.ID, t.Spec.ID} {
		for _, on := range afterOf(t) {
			if w[name] == nil {
				w[name] = map[task.ID]bool{}
			}
			w[name][on] = true
		}
	}
}

// circle finds one of these tasks that waits for its own series. Every circle goes
// through a series: any other name is there before somebody waits for it, and a
// tasks file is looked through when it is read.
func (w waitsFor) circle(tasks []*task.Task) *WaitsForItself {
	looked := map[*task.Spec]bool{} // all tasks of a spec wait for the same
	for _, t := range tasks {
		if t.ID == t.Spec.ID || looked[t.Spec] {
			continue
		}
		looked[t.Spec] = true
		seen := map[task.ID]bool{}
		for open := slices.Clone(afterOf(t)); len(open) > 0; {
			name := open[len(open)-1]
			if open = open[:len(open)-1]; seen[name] {
				continue
			}
			seen[name] = true
			if name == t.Spec.ID {
				return &WaitsForItself{ID: t.ID, Series: name, spec: t.Spec}
			}
			open = slices.AppendSeq(open, maps.Keys(w[name]))
		}
	}
	return nil
}

// inSeries are those of some tasks that could close a circle.
func inSeries(tasks []*task.Task) []*task.Task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t *task.Task) bool { return t.ID == t.Spec.ID || !waits(t) })
}

// circle finds one that tasks would close that come into the queue, or are queued
// again.
func (s *state) circle(fresh []*task.Task) *WaitsForItself {
	late := inSeries(fresh)
	if len(late) == 0 {
		return nil
	}
	w := waitsFor{}
	for t := range s.queue.All() {
		if !t.State.Terminal() {
			w.note(t)
		}
	}
	for _, n := range s.edited { // it follows once its launch is over
		if n != nil {
			w.note(n)
		}
	}
	for _, t := range fresh {
		w.note(t)
	}
	return w.circle(late)
}

// circleWith finds one between a tasks file as it is now and what was submitted.
func (s *state) circleWith(file []task.Task) *WaitsForItself {
	var given []*task.Task
	for t := range s.queue.All() {
		if t.Given && !t.State.Terminal() {
			given = append(given, t)
		}
	}
	late := inSeries(given)
	if len(late) == 0 {
		return nil
	}
	w := waitsFor{}
	for _, t := range given {
		w.note(t)
	}
	for i := range file {
		if t := s.queue.Get(file[i].ID); t == nil || !t.State.Terminal() || !t.Equal(&file[i]) {
			w.note(&file[i])
		}
	}
	return w.circle(late)
}
