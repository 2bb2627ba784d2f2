package scheduler

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"cmdq/task"
)

// reconcile asks the master for the state of every active launch: after every
// SUBSCRIBED and then from time to time, and again, ever more slowly, for those
// that got no answer (Mesos: docs/reconciliation.md).
type reconcile struct {
	waiting map[string]string // launch id to agent: no answer yet
	round   time.Time         // when the round began
	next    time.Time         // when to ask again, or to begin a new round
	wait    time.Duration
}

// startReconcile begins a round over all launches decided before this time, zero:
// over all, and over those that are to be killed.
func (s *state) startReconcile(before time.Time) {
	r := &s.reconcile
	r.waiting, r.wait, r.round = map[string]string{}, reconcileAgain, s.now
	for t := range s.queue.Active() {
		a := t.Current()
		if before.IsZero() || a.Launched.Before(before) {
			r.waiting[task.LaunchID(t.ID, a.Number)] = a.Agent
		}
	}
	for launch, agent := range s.unwanted {
		r.waiting[launch] = agent // a master that had not heard of the agent dropped our KILL
	}
	s.askWaiting()
}

func (s *state) tickReconcile() {
	r := &s.reconcile
	if s.link.phase != up || r.next.IsZero() || r.next.After(s.now) {
		return
	}
	s.dropAnswered()
	if len(r.waiting) == 0 {
		if r.next = r.round.Add(reconcileEvery); !r.next.After(s.now) {
			s.startReconcile(s.now.Add(-reconcileYoungest))
		}
		return
	}
	r.wait = min(r.wait*2, reconcileMax)
	s.askWaiting()
}

// dropAnswered forgets launches that are over without an answer.
func (s *state) dropAnswered() {
	for launch := range s.reconcile.waiting {
		if _, unwanted := s.unwanted[launch]; unwanted {
			continue
		}
		id, n := task.ParseLaunchID(launch)
		t := s.queue.Get(id)
		if t == nil || !t.State.Active() || t.Current().Number != n {
			delete(s.reconcile.waiting, launch)
		}
	}
}

func (s *state) askWaiting() {
	r := &s.reconcile
	if len(r.waiting) == 0 {
		r.next = s.now.Add(reconcileEvery)
		return
	}
	r.next = s.now.Add(r.wait)
	s.callReconcile(r.waiting)
}

// callReconcileAll asks for all launches that the master knows of: after a
// restart there may be some that we do not know, and they are to be killed.
func (s *state) callReconcileAll() {
	s.call(calls.Reconcile().With(calls.Framework(s.framework.ID)))
}

// askAbout asks about one launch.
func (s *state) askAbout(t *task.Task, a *task.Attempt) {
	if s.link.phase == up {
		s.callReconcile(map[string]string{task.LaunchID(t.ID, a.Number): a.Agent})
	}
}

// askAboutAgent asks about all launches that may still run on an agent which is
// there again: one that never arrived will not be told of otherwise.
func (s *state) askAboutAgent(a *agent) {
	launches := map[string]string{}
	for t := range s.queue.Active() {
		if at := t.Current(); at.Agent == a.id && !at.MayStillRun.IsZero() {
			launches[task.LaunchID(t.ID, at.Number)] = a.id
		}
	}
	if len(launches) > 0 {
		s.callReconcile(launches)
	}
}

func (s *state) callReconcile(launches map[string]string) {
	var batch []sched.Call_Reconcile_Task
	flush := func() {
		call := calls.Reconcile().With(calls.Framework(s.framework.ID))
		call.Reconcile.Tasks = batch
		s.call(call)
		batch = nil
	}
	for _, launch := range sortedKeys(launches) {
		batch = append(batch, sched.Call_Reconcile_Task{
			TaskID: mesos.TaskID{Value: launch}, AgentID: &mesos.AgentID{Value: launches[launch]}})
		if len(batch) == reconcileBatch {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
}
