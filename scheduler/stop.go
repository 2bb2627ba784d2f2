package scheduler

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"cmdq/mesosapi"
	"cmdq/task"
)

// leaving is the end of the run under way.
type leaving struct {
	why   Why
	until time.Time // wait no longer than this
	torn  bool      // TEARDOWN was sent
	id    string    // of the framework that it names

	adrift []*task.Task // what may still run when that framework goes
}

// cancelled is how a task ends that somebody cancelled.
const cancelled = "CANCELLED"

// cancel asks a task to end that has not. What is idle ends at once; what is
// active is killed and ends when that is seen.
func (s *state) cancel(t *task.Task) {
	switch t.State {
	case task.Idle:
		s.end(t, nil, task.Killed, cancelled, "cancelled before it was launched")
	case task.Fetching:
		if failedForGood(t) {
			s.conclude(t, t.Attempt(t.End.Launch)) // as it has counted since
			return
		}
		s.end(t, nil, task.Killed, cancelled, "cancelled while what it left was fetched")
	default:
		t.Stop = task.Cancelled
		s.record(Changed, t)
		s.kill(t, t.Current())
	}
}

// onInterrupt stops the run: no launches, KILL what is active, wait a little
// for the ends, then TEARDOWN.
func (s *state) onInterrupt() {
	if s.leaving != nil {
		return
	}
	active := s.activeTasks()
	s.info("interrupted: killing %s, launching no more", countTasks(len(active)))
	s.leaving = &leaving{why: Interrupted, until: s.now.Add(stopWait)}
	for _, t := range active {
		if !t.Current().Settle.IsZero() {
			continue // it has ended, and not by our doing
		}
		if t.Stop == task.NotStopped {
			t.Stop = task.Interrupted
			s.record(Changed, t)
		}
		s.kill(t, t.Current())
	}
}

// leave ends the run once every task has ended.
func (s *state) leave(why Why) {
	s.leaving = &leaving{why: why, until: s.now}
	s.tickLeaving()
}

// tickLeaving sends the TEARDOWN when nothing is left to wait for. Whoever
// sends it tells by Answered how it went.
func (s *state) tickLeaving() {
	l := s.leaving
	if l == nil || l.torn || s.eff.Over != nil {
		return
	}
	if s.active() > 0 && l.until.After(s.now) && s.link.phase == up {
		return
	}
	s.settleAll()
	s.castAdrift()
	if l.why == Drained {
		s.eff.Records = append(s.eff.Records, Record{Kind: AllEnded, At: s.now})
	}
	l.id = s.framework.ID
	s.dropFramework(Dropped)
	if s.link.phase != up {
		s.eff.Over = &Over{Why: l.why, Message: "not subscribed", Torn: s.framework.ID == l.id}
		return
	}
	l.torn = true
	s.call(teardown(l.id))
}

func teardown(framework string) *sched.Call {
	return &sched.Call{Type: sched.Call_TEARDOWN, FrameworkID: &mesos.FrameworkID{Value: framework}}
}

// endNotSeen is how a task ended whose launch ends with its framework.
const endNotSeen = "its end was not seen"

// castAdrift makes idle again what may still run when its framework goes. It is
// not launched before the agents have had the time to end it.
func (s *state) castAdrift() {
	for _, t := range s.activeTasks() {
		a := t.Current()
		switch {
		case t.Stop.Kills() && !s.cfg.Own && !a.MayStillRun.IsZero():
			a.Adrift = t.Spec.Retries == 0
			s.endAsked(t, a, "may still be running on "+a.Host)
		case t.Stop.Kills():
			a.Adrift = !s.cfg.Own
			s.endAsked(t, a, endNotSeen)
		case !s.cfg.Own && !a.MayStillRun.IsZero() && t.Spec.Retries == 0:
			a.Adrift = true
			s.end(t, a, task.Failed, a.Reason, "may still be running on "+a.Host)
		case s.cfg.Own:
			t.Stop = task.NotStopped
			s.tally.Uncharged++
			s.again(t, a, time.Time{}, s.now)
		default:
			t.Stop, a.Adrift = task.NotStopped, true
			s.tally.Uncharged++
			s.again(t, a, s.now.Add(t.Spec.KillGrace+adriftGrace), s.now)
			if s.leaving != nil {
				s.leaving.adrift = append(s.leaving.adrift, t)
			}
		}
	}
}

// onDetach leaves at once. What runs goes on, and whoever starts next with the
// same journal takes it over.
func (s *state) onDetach() {
	if s.leaving != nil {
		return
	}
	if s.cfg.Own {
		s.info("leaving; with the cluster end %s", countTasks(s.active()))
	} else {
		s.info("detached: %s left alone", countTasks(s.active()))
	}
	s.identify()
	s.eff.Over = &Over{Why: Detached}
}

// onTornDown ends the run, whether or not the master heard of it.
func (s *state) onTornDown(err error) {
	s.eff.Over = &Over{Why: s.leaving.why, Torn: err == nil}
	if err != nil {
		s.eff.Over.Message = "teardown: " + err.Error()
		var refused *mesosapi.Refused
		if errors.As(err, &refused) && refused.Status == 401 {
			s.eff.Over.Why = Refused // as by any call
		}
		return
	}
	s.recordFramework(TornDown, Framework{ID: s.leaving.id})
	for _, t := range s.leaving.adrift { // only now do the agents hear of it
		if s.queue.Get(t.ID) != t || t.State != task.Idle {
			continue // its end was heard after all
		}
		s.queue.Delay(t.ID, s.now.Add(t.Spec.KillGrace+adriftGrace))
		s.record(Changed, t)
	}
}

// kill asks Mesos to end this launch, unless it was asked a moment ago.
func (s *state) kill(t *task.Task, a *task.Attempt) {
	if s.link.phase != up || !a.KilledAt.IsZero() && a.KilledAt.Add(killAgain).After(s.now) {
		return
	}
	a.KilledAt = s.now
	s.callKill(task.LaunchID(t.ID, a.Number), a.Agent, t.Spec.KillGrace)
}

func (s *state) callKill(launch, agent string, grace time.Duration) {
	call := calls.Kill(launch, agent).With(calls.Framework(s.framework.ID))
	if grace > 0 {
		call.Kill.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(grace)}}
	}
	s.call(call)
}

// killUnwanted kills a launch that no task waits for, and keeps at it until the
// cluster says that it has ended.
func (s *state) killUnwanted(launch, agent string, grace time.Duration) {
	s.disown(launch, agent)
	if s.link.phase == up {
		s.callKill(launch, agent, grace)
	}
}

// disown notes that a launch is to be killed wherever it is met.
func (s *state) disown(launch, agent string) {
	if known, ok := s.unwanted[launch]; ok && known == agent {
		return
	}
	s.unwanted[launch] = agent
	s.eff.Records = append(s.eff.Records, Record{Kind: Unwanted, At: s.now, Launch: &Launch{launch, agent}})
}

// forgetLaunch: it has ended, or nobody needs to mind it any more.
func (s *state) forgetLaunch(launch string) {
	if _, ok := s.unwanted[launch]; ok {
		delete(s.unwanted, launch)
		s.eff.Records = append(s.eff.Records, Record{Kind: Gone, At: s.now, Launch: &Launch{ID: launch}})
	}
}

// killAgain repeats, on a new stream, the KILLs that may have been lost.
func (s *state) killAgain() {
	for _, launch := range sortedKeys(s.unwanted) {
		s.callKill(launch, s.unwanted[launch], 0)
	}
	for _, t := range s.activeTasks() {
		if t.Stop != task.NotStopped {
			t.Current().KilledAt = time.Time{}
			s.kill(t, t.Current())
		}
	}
}

// activeTasks is a copy, in file order: the caller may change their states.
func (s *state) activeTasks() []*task.Task {
	out := slices.Collect(s.queue.Active())
	sortBySeq(out)
	return out
}

func sortBySeq(tasks []*task.Task) {
	slices.SortFunc(tasks, func(a, b *task.Task) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
	})
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
