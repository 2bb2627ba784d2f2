package scheduler

import (
	"cmdq/task"
)

// deps is which tasks wait for which others to finish. A name is that of a task
// or of a series, which stands for all of its tasks.
type deps struct {
	names   map[task.ID]*named
	waiting map[task.ID]int // task to how many names have not finished; also of active ones, for when they are idle again
	stale   bool            // tasks came or went since
}

// named is a name that some task waits for.
type named struct {
	open    int     // tasks of this name that have not finished
	failed  task.ID // one of them that ended otherwise; empty: none has
	gone    bool    // there is none of this name
	waiters []task.ID
}

// dependencyFailed is how a task ends that waits for one that did not finish.
const dependencyFailed = "DEPENDENCY_FAILED"

// redepend works all of it out anew, after tasks came or went. Without any
// task that waits it costs a look at each.
func (s *state) redepend() {
	d := deps{names: map[task.ID]*named{}, waiting: map[task.ID]int{}}
	any := false
	for t := range s.queue.All() {
		if !waits(t) || t.State.Terminal() {
			continue
		}
		any = true
		for _, name := range afterOf(t) {
			n := d.names[name]
			if n == nil {
				n = &named{}
				d.names[name] = n
			}
			n.waiters = append(n.waiters, t.ID)
		}
	}
	before := s.deps
	s.deps = d
	if any {
		s.countNamed()
	}
	for id := range before.waiting {
		if t := s.queue.Get(id); t != nil && t.State == task.Idle && d.waiting[id] == 0 {
			s.reconsider(t) // what it waited for is not asked for any more
		}
	}
}

func waits(t *task.Task) bool { return len(afterOf(t)) > 0 }

// afterOf are the names that a task waits for.
func afterOf(t *task.Task) []task.ID { return t.Spec.Asks().After }

// concern notes a task that came: all is worked out anew if it waits for others or
// others wait for it.
func (s *state) concern(t *task.Task) {
	s.deps.stale = s.deps.stale || waits(t)
	for _, name := range namesOf(t) {
		s.deps.stale = s.deps.stale || s.deps.names[name] != nil
	}
}

// countNamed counts what waiters wait for, parks them, and ends those that wait
// in vain.
func (s *state) countNamed() {
	found := map[task.ID]bool{}
	for t := range s.queue.All() {
		for _, name := range namesOf(t) {
			n := s.deps.names[name]
			if n == nil {
				continue
			}
			found[name] = true
			if t.State != task.Finished {
				n.open++
			}
			if (t.State == task.Failed || t.State == task.Killed) && (n.failed == "" || t.ID < n.failed) {
				n.failed = t.ID
			}
		}
	}
	for name, n := range s.deps.names {
		n.gone = !found[name]
		for _, id := range n.waiters {
			if n.open > 0 || n.gone {
				s.deps.waiting[id]++
			}
			if n.failed != "" || n.gone {
				s.inVain = append(s.inVain, id)
			}
		}
	}
	for id := range s.deps.waiting {
		if t := s.queue.Get(id); t.State == task.Idle {
			s.reconsider(t)
		}
	}
}

// tickRules ends what stopped groups have left and what waits in vain, until
// nothing more follows from that.
func (s *state) tickRules() {
	for s.deps.stale || len(s.stopping)+len(s.inVain) > 0 {
		if s.deps.stale {
			s.redepend()
			s.stopAgain()
		}
		s.tickGroups()
		s.tickDeps()
	}
}

// tickDeps ends what waits in vain, and what waits for that.
func (s *state) tickDeps() {
	for len(s.inVain) > 0 {
		var vain []*task.Task
		for _, id := range s.inVain {
			if t := s.queue.Get(id); t != nil {
				vain = append(vain, t)
			}
		}
		s.inVain = nil
		sortBySeq(vain)
		for _, t := range vain {
			s.endInVain(t)
		}
	}
}

// namesOf are the names that a task counts for: its own, and that of its series
// unless it was taken out of that.
func namesOf(t *task.Task) []task.ID {
	if t.Spec.ID == t.ID || takenOut(t) {
		return []task.ID{t.ID}
	}
	return []task.ID{t.ID, t.Spec.ID}
}

// takenOut tells of a task that it was removed from the file before it was done.
func takenOut(t *task.Task) bool { return t.State == task.Killed && t.End.Reason == removedReason }

// endInVain ends a task whose dependency cannot finish any more.
func (s *state) endInVain(t *task.Task) {
	if t.State != task.Idle {
		return
	}
	why := ""
	for _, name := range afterOf(t) {
		switch n := s.deps.names[name]; {
		case n != nil && n.failed != "":
			why = string(n.failed) + " did not finish"
		case n == nil || n.gone:
			why = string(name) + " is not there"
		}
		if why != "" {
			break
		}
	}
	if why == "" {
		return // what had failed was queued again
	}
	s.end(t, nil, task.Killed, dependencyFailed, "it waits for other tasks: "+why)
}

// dependents follow the end of a task.
func (s *state) dependents(t *task.Task) {
	if takenOut(t) && t.Spec.ID != t.ID {
		s.deps.stale = true // its series is smaller now
	}
	for _, name := range namesOf(t) {
		n := s.deps.names[name]
		if n == nil {
			continue
		}
		if t.State != task.Finished {
			n.failed = t.ID
			s.inVain = append(s.inVain, n.waiters...)
			continue
		}
		if n.open--; n.open > 0 {
			continue
		}
		for _, id := range n.waiters {
			s.deps.waiting[id]--
			if s.deps.waiting[id] > 0 {
				continue
			}
			delete(s.deps.waiting, id)
			if w := s.queue.Get(id); w != nil && w.State == task.Idle {
				s.reconsider(w)
			}
		}
	}
}

// idleAgain is what follows for a task that was launched and is idle again: it may
// be held, wait for what was queued again meanwhile, or be of a stopped group.
func (s *state) idleAgain(t *task.Task) {
	s.reconsider(t)
	if waits(t) {
		s.inVain = append(s.inVain, t.ID)
	}
	if name := s.stoppedBy(t); name != nil {
		s.stopping = append(s.stopping, *name)
	}
}

// reconsider parks an idle task that may not be launched for now, and lets go one that
// may.
func (s *state) reconsider(t *task.Task) {
	if t.Held || s.deps.waiting[t.ID] > 0 {
		s.queue.Park(t.ID)
	} else {
		s.queue.Unpark(t.ID, s.now)
	}
}
