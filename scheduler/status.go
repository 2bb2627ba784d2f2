package scheduler

import (
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// onUpdate: statusUpdate. The acknowledgement is a call like any other, so it
// leaves after the records of this step are stored.
func (s *state) onUpdate(st *mesos.TaskStatus) {
	if len(st.UUID) > 0 && st.AgentID != nil {
		defer s.call(calls.Acknowledge(st.AgentID.Value, st.TaskID.Value, st.UUID).With(calls.Framework(s.framework.ID)))
	}
	if len(st.TaskID.Value) > maxWireID || len(st.GetAgentID().GetValue()) > maxWireID {
		return // of nobody that Mesos knows: ids have 255 bytes (Mesos: src/common/validation.cpp)
	}
	u := digest(st, s.now)
	s.tally.updated(u.state.String(), u.reasonName())
	delete(s.reconcile.waiting, st.TaskID.Value)
	if u.terminal() {
		s.forgetLaunch(st.TaskID.Value)
	}
	t := s.queue.Get(u.id)
	if t == nil || u.launch > t.Launches || u.launch <= t.Base {
		s.unwantedUpdate(&u, st.TaskID.Value)
		return
	}
	a := t.Attempt(u.launch)
	if a != nil && !remember(a, u.uuid) {
		// Handled before; only acknowledged. But a KILL may have met a master that
		// did not know the agent yet, and then this is the first word from there.
		if t.State.Active() && t.Current().Number == u.launch && t.Stop != task.NotStopped && u.alive() {
			s.kill(t, a)
		}
		return
	}
	if a != nil && (u.uuid != nil || !a.Seen || a.Adrift && u.terminal()) {
		defer s.recordOnce(t)
	}
	switch {
	case t.State.Terminal() || t.State == task.Fetching:
		s.unwantedUpdate(&u, st.TaskID.Value)
		fill(a, &u)
		if a != nil && u.terminal() {
			a.Adrift = false // it does not live any more, and may be queued again
		}
	case !t.State.Active() || t.Current().Number != u.launch:
		s.onStaleUpdate(t, a, &u, st.TaskID.Value)
	default:
		s.onCurrentUpdate(t, a, &u)
	}
}

// recordOnce makes sure that what an update taught us is stored before it is
// acknowledged. Deferred later than the acknowledgement, it runs earlier.
func (s *state) recordOnce(t *task.Task) {
	for _, r := range s.eff.Records {
		if r.Task == t {
			return
		}
	}
	s.record(Changed, t)
}

// remember notes the id of an update; false if it was there already.
func remember(a *task.Attempt, uuid []byte) bool {
	const most = 8
	if uuid == nil {
		return true
	}
	id := [16]byte(uuid)
	if slices.Contains(a.Updates, id) {
		return false
	}
	if len(a.Updates) == most {
		a.Updates = slices.Delete(a.Updates, 0, 1)
	}
	a.Updates = append(a.Updates, id)
	return true
}

// unwantedUpdate kills a launch that nobody waits for, if it lives.
func (s *state) unwantedUpdate(u *update, launch string) {
	if u.alive() {
		s.note(logrus.WarnLevel, logrus.Fields{"task": string(u.id), "attempt": u.launch},
			"%s of a launch that is not wanted any more: killing it", u.state)
		s.killUnwanted(launch, u.agent, 0)
	}
}

// fill adds to an old launch what was not known of it.
func fill(a *task.Attempt, u *update) {
	if a == nil || !u.terminal() {
		return
	}
	if a.Ended.IsZero() {
		a.Ended = u.at
	}
	if exit := task.ParseExit(u.message); !a.Exit.Known && exit.Known {
		a.Exit, a.State, a.Message, a.Reason = exit, u.state.String(), u.message, u.reasonName()
	}
	a.MayStillRun = time.Time{}
}

// onStaleUpdate is about a launch that was given up, of a task that lives on.
func (s *state) onStaleUpdate(t *task.Task, a *task.Attempt, u *update, launch string) {
	fill(a, u)
	if u.state != mesos.TASK_FINISHED || a != nil && a.Reason == outputMissing {
		s.unwantedUpdate(u, launch)
		return
	}
	if t.State.Active() {
		newer := t.Current()
		s.killUnwanted(task.LaunchID(t.ID, newer.Number), newer.Agent, t.Spec.KillGrace)
	}
	if a == nil { // of so long ago that it was forgotten
		t.History = slices.Insert(t.History, 0, task.Attempt{Number: u.launch, Agent: u.agent, Host: u.agent,
			Framework: s.framework.ID, Executor: u.executor})
		a = &t.History[0]
	}
	a.State, a.Reason, a.Message = u.state.String(), u.reasonName(), u.message
	a.Ended = u.at // not when it was given up
	s.taskNote(logrus.InfoLevel, t, a, "an earlier launch finished after all")
	s.endBy(t, a, task.Finished, u)
}

// onCurrentUpdate is the table of docs/states.md, row by row: the first that
// fits wins.
func (s *state) onCurrentUpdate(t *task.Task, a *task.Attempt, u *update) {
	unseen := !a.Seen
	a.Seen = true
	if !a.Settle.IsZero() && (u.unsure() || u.vanished()) {
		return // it is known to have ended, and what is known of the end stands
	}
	a.State, a.Reason, a.Message = u.state.String(), u.reasonName(), u.message
	s.executorEnded(a, u)
	switch {
	case t.Stop.Kills() && u.terminal() && u.state != mesos.TASK_FINISHED:
		s.endBy(t, a, task.Killed, u)
	case t.Stop == task.Interrupted && u.terminal() && u.state != mesos.TASK_FINISHED && u.state != mesos.TASK_FAILED:
		s.takeBack(t, a, u, "interrupted")
	case u.uuid == nil && (u.state == mesos.TASK_FINISHED || u.state == mesos.TASK_FAILED || u.state == mesos.TASK_KILLED):
		s.awaitExit(t, a, u)
	case u.alive():
		s.onAlive(t, a, u)
	case u.state == mesos.TASK_FINISHED:
		s.endBy(t, a, task.Finished, u)
	case noRoomForExecutor(u) || otherExecutor(u):
		s.turnedDown(t, a, u)
	case u.state == mesos.TASK_ERROR:
		s.endBy(t, a, task.Failed, u)
	case u.infrastructure() || a.Executor != "" && u.containerLimit():
		s.infraBy(t, a, u)
	case u.state == mesos.TASK_FAILED || u.state == mesos.TASK_KILLED:
		s.charge(t, a, u)
	case u.neverLeft() && a.Started.IsZero():
		s.takeBack(t, a, u, "never left the master")
	case u.state == mesos.TASK_DROPPED:
		s.infraBy(t, a, u)
	case u.state == mesos.TASK_GONE && u.reason == mesos.REASON_RECONCILIATION && unseen && u.executor == "": // else it was there
		s.takeBack(t, a, u, "never arrived")
	case u.unsure():
		s.onUnsure(t, a, u)
	default: // GONE, GONE_BY_OPERATOR, LOST
		s.infraBy(t, a, u)
	}
}

func (s *state) onAlive(t *task.Task, a *task.Attempt, u *update) {
	changed := !a.MayStillRun.IsZero() || !a.Settle.IsZero()
	if !a.MayStillRun.IsZero() {
		s.taskNote(logrus.InfoLevel, t, a, "is there after all (%s)", u.state)
	}
	a.MayStillRun, a.Settle = time.Time{}, time.Time{}
	if u.state == mesos.TASK_STARTING && a.Starting.IsZero() && a.Started.IsZero() {
		a.Starting = u.at // for people only: stored with what comes next
	}
	if u.state == mesos.TASK_RUNNING || u.state == mesos.TASK_KILLING {
		if a.Started.IsZero() {
			a.Started, changed = u.at, true
			s.countUp(t, a)
			s.startedIn(s.agent(a.Agent), a)
		}
		s.ranOn(s.agent(a.Agent))
		if t.State == task.Starting {
			s.queue.Up(t.ID)
			s.taskNote(logrus.InfoLevel, t, a, "running")
		}
	}
	if changed {
		s.record(Changed, t)
	}
	if t.State == task.Starting && !a.Look.After(s.now) {
		s.watchStart(t, a) // no look is to come: the last one found that it may still run
	}
	if t.Stop != task.NotStopped && u.state != mesos.TASK_KILLING {
		s.kill(t, a)
	}
}

// awaitExit: it ended, but the update that says how is still at the agent.
func (s *state) awaitExit(t *task.Task, a *task.Attempt, u *update) {
	a.MayStillRun = time.Time{}
	if a.Settle.IsZero() {
		a.Settle = s.now.Add(settleWait)
		s.lookAgain(t, a, a.Settle)
		s.record(Changed, t)
		s.taskNote(logrus.InfoLevel, t, a, "ended (%s); waiting for its exit status", u.state)
	}
}

// settle takes the end for what is known of it: its exit status did not come.
func (s *state) settle(t *task.Task, a *task.Attempt) {
	u := update{id: t.ID, launch: a.Number, reason: noReason, message: a.Message, at: s.now}
	u.state = mesos.TaskState(mesos.TaskState_value[a.State])
	if t.Stop == task.Interrupted && u.state == mesos.TASK_KILLED {
		s.takeBack(t, a, &u, "interrupted")
	} else if u.state == mesos.TASK_FINISHED {
		s.endBy(t, a, task.Finished, &u)
	} else {
		s.charge(t, a, &u)
	}
}

// settleAll ends every wait for an exit status: it cannot come any more.
func (s *state) settleAll() {
	for _, t := range s.activeTasks() {
		if a := t.Current(); !a.Settle.IsZero() {
			s.settle(t, a)
		}
	}
}

// onUnsure marks the launch: it may still run.
func (s *state) onUnsure(t *task.Task, a *task.Attempt, u *update) {
	if !a.MayStillRun.IsZero() {
		return
	}
	a.MayStillRun = s.now
	if !u.unreachable.IsZero() && u.unreachable.Before(s.now) {
		a.MayStillRun = u.unreachable
	}
	s.lookAgain(t, a, a.MayStillRun.Add(s.cfg.UnreachableTimeout))
	s.agent(a.Agent).doubted = true
	s.record(Changed, t)
	s.taskNote(logrus.WarnLevel, t, a, "may still run: %s %s", u.state, u.message)
}
