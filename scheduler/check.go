package scheduler

import (
	"fmt"

	"cmdq/task"
)

// check tells which invariant is broken, if any. Tests call it after every
// step; the scheduler itself does not.
func (s *state) check() error {
	if err := s.queue.Check(); err != nil {
		return err
	}
	used := map[string]task.Resources{}
	in := map[string]int{} // executor id: active launches
	waiting := map[string]int{}
	tails := 0
	for t := range s.queue.All() {
		if err := s.checkTask(t); err != nil {
			return err
		}
		if t.End != nil {
			tails += len(t.End.Stderr)
		}
		if t.State.Active() {
			a := t.Current()
			used[a.Agent] = used[a.Agent].Add(t.Spec.Resources)
			in[a.Executor]++
			if a.Started.IsZero() {
				waiting[a.Executor]++
			}
		}
	}
	if tails != s.tails {
		return fmt.Errorf("tasks keep %d bytes of standard error, counted %d", tails, s.tails)
	}
	if err := s.checkGroups(); err != nil {
		return err
	}
	for id, a := range s.agents {
		for k, x := range a.executors {
			if x.executorKey != k || x.active != in[x.id] || x.waiting != waiting[x.id] {
				return fmt.Errorf("executor %s of %q on %s: %d active and %d waiting, counted %d and %d",
					x.id, k.user, id, x.active, x.waiting, in[x.id], waiting[x.id])
			}
			used[id] = used[id].Add(s.cfg.Executor.Cost)
		}
		if a.used != used[id] {
			return fmt.Errorf("agent %s: %s counted as used, its tasks need %s", id, a.used, used[id])
		}
		delete(used, id)
	}
	for id, r := range used {
		if r != (task.Resources{}) {
			return fmt.Errorf("agent %s is unknown, but tasks there need %s", id, r)
		}
	}
	for id := range s.edited {
		if t := s.queue.Get(id); t == nil || !busy(t) {
			return fmt.Errorf("task %s: an edit waits, but it is neither active nor fetching", id)
		}
	}
	if next := s.nextDue(); !next.After(s.now) {
		return fmt.Errorf("next due %s is not after now %s", next, s.now)
	}
	if s.link.phase == up && s.leaving == nil && s.eff.Over == nil && s.link.suppressed == (s.queue.Ready() > 0) {
		return fmt.Errorf("suppressed is %v with %d tasks ready", s.link.suppressed, s.queue.Ready())
	}
	return nil
}

// checkGroups counts the groups anew, and the tasks that are parked.
func (s *state) checkGroups() error {
	running, open, counted, failed := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	var busy int64
	parked := 0
	for t := range s.queue.All() {
		for _, name := range groupsOf(t) {
			if t.State.Active() {
				running[name]++
			}
			if !t.State.Terminal() {
				open[name]++
			}
			if counts(t, name) {
				counted[name]++
			}
			if t.State == task.Failed {
				failed[name]++
			}
		}
		if t.State.Active() {
			busy += max(10, t.Spec.Resources.CPUs)
		}
		if t.State == task.Idle && (t.Held || s.deps.waiting[t.ID] > 0) {
			parked++
		}
	}
	for name, g := range s.groups {
		if g.running != running[name] || g.open != open[name] || g.counted != counted[name] || g.failed != failed[name] {
			return fmt.Errorf("group %q: %d running, %d open, %d failures and %d failed, counted %d, %d, %d and %d", name,
				running[name], open[name], counted[name], failed[name], g.running, g.open, g.counted, g.failed)
		}
	}
	switch {
	case busy != s.busyCPUs:
		return fmt.Errorf("our tasks have %d thousandths of cpus, counted %d", busy, s.busyCPUs)
	case parked != s.queue.ParkedCount():
		return fmt.Errorf("%d tasks are parked, and %d should be", s.queue.ParkedCount(), parked)
	}
	return nil
}

func (s *state) checkTask(t *task.Task) error {
	switch {
	case t.State.Active() && t.Current() == nil:
		return fmt.Errorf("task %s is %s without a launch", t.ID, t.State)
	case t.State.Terminal() && t.End != nil && t.End.State != t.State:
		return fmt.Errorf("task %s is %s, but its end says %s", t.ID, t.State, t.End.State)
	case (t.State.Terminal() || t.State == task.Fetching) != (t.End != nil):
		return fmt.Errorf("task %s is %s, end recorded: %v", t.ID, t.State, t.End != nil)
	case t.Attempts < 0 || t.Attempts > t.Launches:
		return fmt.Errorf("task %s: %d attempts of %d launches", t.ID, t.Attempts, t.Launches)
	case t.Spec.Retries >= 0 && t.Charged > t.Spec.Retries+1:
		return fmt.Errorf("task %s: charged %d times with %d retries", t.ID, t.Charged, t.Spec.Retries)
	case t.Infra > s.cfg.InfraRetries+1:
		return fmt.Errorf("task %s: %d infrastructure failures", t.ID, t.Infra)
	}
	if c := t.Current(); c != nil && t.State.Active() {
		if !c.Ended.IsZero() {
			return fmt.Errorf("task %s is %s, its launch %d has ended", t.ID, t.State, c.Number)
		}
		if _, unwanted := s.unwanted[task.LaunchID(t.ID, c.Number)]; unwanted {
			return fmt.Errorf("task %s: its current launch %d is unwanted", t.ID, c.Number)
		}
	}
	return nil
}
