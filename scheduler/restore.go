package scheduler

import (
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// Saved is what a journal knows of a run that goes on.
type Saved struct {
	Framework Framework
	Unwanted  []Launch
	Policy    task.Policy
	File      string // that was Applied last

	// Each calls back for every task, in the order in which they were first
	// queued, with the time until which an idle one waits, and hands on the
	// first error.
	Each func(func(t task.Task, wake time.Time) error) error

	// Now bounds the times of the journal: a clock may have been set back.
	Now time.Time

	// TornDown is when the TEARDOWN of the framework before this one was taken
	// by a master, if that was only now; else zero. What may have run until then
	// waits from then. TornIDs are the frameworks whose TEARDOWN that was. They
	// are recorded together with the longer wait, and not before: a crash between
	// the two would let a command start beside its old copy.
	TornDown time.Time
	TornIDs  []string
}

// Restore fills the queue from a journal. It comes before Run, at most once; on
// an error the scheduler is not to be used.
func (s *Scheduler) Restore(saved Saved) error {
	if err := s.state.restore(saved); err != nil {
		return err
	}
	s.latest.Store(s.state.snapshot())
	s.requests <- Restored{}
	return nil
}

// restore has no effects of its own: what follows from it is decided by the
// step that takes Restored.
func (s *state) restore(saved Saved) error {
	s.framework, s.torn, s.applied, s.policy = saved.Framework, saved.TornIDs, saved.File, saved.Policy
	for _, l := range saved.Unwanted {
		s.unwanted[l.ID] = l.Agent
	}
	s.framework.Seen = saved.notAfter(s.framework.Seen, 0)
	if err := s.restoreTasks(saved); err != nil {
		return err
	}
	if !s.cfg.Own {
		s.restoreExecutors(saved)
	}
	return nil
}

func (s *state) restoreTasks(saved Saved) error {
	return saved.Each(func(t task.Task, wake time.Time) error {
		saved.bound(&t, &wake)
		added, err := s.queue.Restore(t, wake)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if !added.State.Terminal() {
			s.meetRole(added)
		}
		if added.State == task.Idle && added.Held {
			s.queue.Park(added.ID)
		}
		if added.End != nil {
			s.tails += len(added.End.Stderr)
		}
		a := added.Current()
		if a == nil {
			return nil
		}
		if added.State == task.Idle && a.Adrift && !saved.TornDown.IsZero() {
			if safe := saved.TornDown.Add(added.Spec.KillGrace + adriftGrace); safe.After(wake) {
				s.queue.Delay(added.ID, safe)
				s.delayed = append(s.delayed, added)
			}
		}
		if added.State.Active() {
			ag := s.agent(a.Agent)
			s.busyCPUs += max(10, added.Spec.Resources.CPUs)
			ag.host, ag.used = a.Host, ag.used.Add(added.Spec.Resources)
		}
		return nil
	})
}

// restoreExecutors finds the executors that have launches of ours: on each agent
// the newest of each user.
func (s *state) restoreExecutors(saved Saved) {
	newest := map[*executor]time.Time{}
	for t := range s.queue.Active() {
		a := t.Current()
		if a.Executor == "" {
			continue
		}
		ag, k := s.agent(a.Agent), s.executorKey(t)
		if known := ag.executor(a.Executor); known != nil && known.executorKey != k {
			continue // it has tasks of both: --user was another one
		}
		x := ag.executors[k]
		switch {
		case x != nil && !a.Launched.After(newest[x]):
			continue
		case x != nil && x.id == a.Executor:
			newest[x] = a.Launched
			continue
		case x != nil:
			s.dropExecutor(ag, x) // restoreFormer finds it
		}
		x = &executor{id: a.Executor, executorKey: k}
		s.addExecutor(ag, x)
		newest[x] = a.Launched
	}
	s.restoreFormer(saved)
	for t := range s.queue.Active() {
		a := t.Current()
		ag := s.agent(a.Agent)
		if x := ag.executor(a.Executor); x != nil && a.Executor != "" {
			x.active++
			if a.Started.IsZero() {
				x.waiting++
			} else {
				x.started = true
			}
		} else if x := ag.former[a.Executor]; x != nil {
			x.active++
		}
	}
}

// restoreFormer finds the executors that nothing new is sent to: older ones that
// have launches of ours, and those that had some so lately that they have not
// ended by themselves.
func (s *state) restoreFormer(saved Saved) {
	for t := range s.queue.All() {
		for i := range t.History {
			a := &t.History[i]
			lives := a.Ended.IsZero() || s.cfg.Executor.Idle == 0 || a.Ended.Add(s.cfg.Executor.Idle).After(saved.Now)
			if a.Executor == "" || a.Framework != s.framework.ID || !lives {
				continue
			}
			ag := s.agent(a.Agent)
			if ag.executor(a.Executor) != nil {
				continue
			}
			if ag.former == nil {
				ag.former = map[string]*executor{}
			}
			ag.former[a.Executor] = &executor{id: a.Executor}
		}
	}
}

// bound takes back what lies further ahead than it can.
func (saved *Saved) bound(t *task.Task, wake *time.Time) {
	*wake = saved.notAfter(*wake, max(retryMax+retryMax/10, t.Spec.KillGrace+adriftGrace))
	if a := t.Current(); a != nil {
		a.MayStillRun = saved.notAfter(a.MayStillRun, 0)
		a.Settle = saved.notAfter(a.Settle, settleWait)
	}
}

// notAfter is at, or so long after now if that is earlier.
func (saved *Saved) notAfter(at time.Time, ahead time.Duration) time.Time {
	if most := saved.Now.Add(ahead); !saved.Now.IsZero() && at.After(most) {
		return most
	}
	return at
}

// onRestored takes up what was active when the journal ended. On a cluster of
// our own nothing has survived: the cluster ended with the process before us.
func (s *state) onRestored(Restored) {
	s.restored, s.before = true, s.ended()
	for _, id := range s.torn {
		s.recordFramework(TornDown, Framework{ID: id})
	}
	for _, t := range s.delayed {
		s.record(Changed, t)
	}
	s.torn, s.delayed = nil, nil
	s.info("going on with %s, of which %d have ended and %d were active",
		countTasks(s.queue.Len()), s.ended(), s.active())
	s.regroup()
	s.redepend()
	s.collectAgain()
	for _, t := range s.activeTasks() {
		a := t.Current()
		switch {
		case s.cfg.Own && !a.Settle.IsZero():
			s.settle(t, a) // it had ended before its cluster did
		case s.cfg.Own:
			s.lostWithUs(t, a)
		case !a.Settle.IsZero():
			s.lookAgain(t, a, a.Settle)
		case !a.MayStillRun.IsZero():
			s.lookAgain(t, a, a.MayStillRun.Add(s.cfg.UnreachableTimeout))
			s.agent(a.Agent).doubted = true
		case t.State == task.Starting:
			s.watchStart(t, a)
		}
	}
}

// lostWithUs: the command was killed with its cluster, or had ended unheard. That
// is no failure of the cluster which a budget would have to end.
func (s *state) lostWithUs(t *task.Task, a *task.Attempt) {
	const message = "cmdq and its Mesos ended while it was active"
	if t.Stop.Kills() {
		s.endAsked(t, a, message)
		return
	}
	t.Stop = task.NotStopped
	s.tally.Uncharged++
	s.taskNote(logrus.WarnLevel, t, a, "idle again: %s", message)
	s.again(t, a, time.Time{}, s.now)
}
