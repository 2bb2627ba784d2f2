package scheduler

import (
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// What becomes of a task when its launch is over. Every way out of starting and
// running leads through one of these, and they all lead through left.

// left settles the accounts of a launch that is over, however it ended.
func (s *state) left(t *task.Task, a *task.Attempt, at time.Time) {
	if a == nil {
		return
	}
	s.countOut(t)
	s.busyCPUs -= max(10, t.Spec.Resources.CPUs)
	if a.Ended.IsZero() {
		a.Ended = at
	}
	a.MayStillRun, a.Settle = time.Time{}, time.Time{}
	ag := s.agent(a.Agent)
	ag.gaveBack(t, a)
	ag.used = ag.used.Sub(t.Spec.Resources)
	if a.Executor != "" {
		s.leftExecutor(ag, a)
	}
	s.forget(ag)
}

// endBy ends the task for good, by an update of this launch of it.
func (s *state) endBy(t *task.Task, a *task.Attempt, state task.State, u *update) {
	if a.Started.IsZero() && u.fromExecutor {
		s.countUp(t, a) // its end was told before its start
	}
	if a.Ended.IsZero() {
		a.Ended = u.at
	}
	if !a.Exit.Known {
		a.Exit = task.ParseExit(u.message)
	}
	if state == task.Finished && !a.Exit.Known {
		a.Exit = task.Exit{Known: true} // that is what finished means
	}
	if t.Stop.Kills() && state == task.Killed {
		s.endAsked(t, a, u.message)
		return
	}
	s.end(t, a, state, u.reasonName(), u.message)
}

// endAsked ends a task killed that was asked to end, with the reason for that: what
// became of its launch follows from it. The message is about the launch.
func (s *state) endAsked(t *task.Task, a *task.Attempt, message string) {
	reason := cancelled
	if t.Stop == task.GroupStopped {
		reason = groupStopped
		if name := s.stoppedBy(t); name != nil {
			message = strings.TrimSuffix(s.groupFailed(*name)+"; "+message, "; ")
		}
	}
	s.end(t, a, task.Killed, reason, message)
}

// end ends the task for good. a is the launch that decides it; nil: none does.
func (s *state) end(t *task.Task, a *task.Attempt, state task.State, reason, message string) {
	wasActive := t.State.Active()
	current := t.Current()
	t.End = &task.End{State: state, At: s.now, Reason: reason, Message: message}
	if a != nil {
		t.End.Launch, t.End.Exit = a.Number, a.Exit
		if !a.Ended.IsZero() {
			t.End.At = a.Ended
		}
	}
	if state == task.Failed {
		s.failedIn(t)
	}
	fetching := s.collectLast(t, a)
	if fetching {
		s.queue.Fetch(t.ID)
		s.record(Changed, t)
		if state == task.Finished && len(t.Spec.Outputs) > 0 {
			s.taskNote(logrus.InfoLevel, t, a, "the command finished; fetching its outputs")
		}
	}
	if wasActive {
		s.left(t, current, t.End.At)
		s.freed(s.agents[current.Agent])
	}
	if !fetching {
		s.conclude(t, a)
	}
}

// conclude: nothing more of the task is waited for. It is what its End says.
func (s *state) conclude(t *task.Task, a *task.Attempt) {
	s.queue.End(t.ID, t.End.State)
	if t.State == task.Failed {
		s.overIn(t)
	}
	s.closedIn(t)
	s.dependents(t)
	s.pace.ended(s.now)
	if a != nil && t.State == task.Finished && !a.Started.IsZero() {
		s.pace.ran(t.Spec.Resources, t.End.At.Sub(a.Started))
	}
	s.record(Ended, t)
	level := logrus.InfoLevel
	if t.State != task.Finished {
		level = logrus.WarnLevel
	}
	s.taskNote(level, t, a, "%s%s", t.State, because(t.End.Reason, t.End.Message))
	if t.End.Stderr != "" {
		s.eff.Notes[len(s.eff.Notes)-1].Fields["stderr"] = t.End.Stderr
	}
	s.follow(t)
}

func because(reason, message string) string {
	switch {
	case reason == "" && message == "":
		return ""
	case reason == "":
		return ": " + message
	case message == "":
		return ": " + reason
	}
	return ": " + message + " (" + reason + ")"
}

// again puts an active task back into the idle queue; zero at: ready now.
func (s *state) again(t *task.Task, a *task.Attempt, at, ended time.Time) {
	s.queue.Retry(t.ID, at)
	s.collectEarlier(t, a)
	s.left(t, a, ended)
	s.idleAgain(t)
	s.record(Retrying, t)
	s.freed(s.agents[a.Agent])
	s.follow(t)
}

// takeBack: the launch counts for nothing.
func (s *state) takeBack(t *task.Task, a *task.Attempt, u *update, why string) {
	s.tally.Uncharged++
	if t.Stop == task.NotStopped {
		t.Attempts-- // it never ran
	}
	t.Stop = task.NotStopped
	s.taskNote(logrus.InfoLevel, t, a, "idle again: %s%s", why, because(u.reasonName(), u.message))
	wake := time.Time{}
	if u.goodbye() {
		wake = s.now.Add(t.Spec.KillGrace + adriftGrace)
	}
	s.again(t, a, wake, u.at)
}

// charge: the command failed. It is tried again while its retries last.
func (s *state) charge(t *task.Task, a *task.Attempt, u *update) {
	a.Ended, a.Exit = u.at, task.ParseExit(u.message)
	if t.Stop.Kills() {
		s.endBy(t, a, task.Killed, u)
		return
	}
	t.Charged++
	if t.Spec.Retries >= 0 && t.Charged > t.Spec.Retries {
		s.endBy(t, a, task.Failed, u)
		return
	}
	t.Stop = task.NotStopped
	s.tally.Charged++
	wait := s.cfg.backoff(retryFirst, retryMax, t.Charged)
	s.taskNote(logrus.WarnLevel, t, a, "failed%s; next attempt in %s", because(u.reasonName(), u.message), wait.Round(10*time.Millisecond))
	s.again(t, a, s.now.Add(wait), u.at)
}

// cutOff: the launch is of before a restart of ours, and could not start, perhaps
// since nobody answered the agent that fetched our executor, or a file.
func (s *state) cutOff(t *task.Task, a *task.Attempt, u *update) bool {
	return s.restored && a.Launched.Before(s.link.started) && a.Started.IsZero() &&
		(a.Executor != "" || len(t.Spec.Files) > 0) && u.reason == mesos.REASON_CONTAINER_LAUNCH_FAILED
}

// infraBy: the infrastructure failed the launch, says this update.
func (s *state) infraBy(t *task.Task, a *task.Attempt, u *update) {
	if s.cutOff(t, a, u) {
		s.takeBack(t, a, u, "cmdq was away when the agent fetched from it")
		return
	}
	a.Ended, a.Exit = u.at, task.ParseExit(u.message)
	neverStarted := u.reason == mesos.REASON_CONTAINER_LAUNCH_FAILED || u.state == mesos.TASK_DROPPED
	if neverStarted {
		t.NeverStarted++
	}
	executorFirst := s.endedWithExecutor(a, u)
	if neverStarted || executorFirst || u.reason == mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT {
		if a.Started.IsZero() {
			s.failedOn(s.agent(a.Agent), t, a.Launched)
		}
	}
	if (neverStarted || executorFirst) && a.Started.IsZero() {
		t.Attempts-- // dropped by the agent, or without a container or an executor: it cannot have run
	}
	s.outgrown(t, a, u)
	atLeast := time.Duration(0)
	if u.goodbye() {
		atLeast = t.Spec.KillGrace + adriftGrace
	}
	s.infra(t, a, u.reasonName(), u.message, atLeast)
}

// infra counts an infrastructure failure. It is no failure of the command, so
// the command's retries are untouched, but it has to end some time. The next
// launch waits atLeast that long.
func (s *state) infra(t *task.Task, a *task.Attempt, reason, message string, atLeast time.Duration) {
	t.Infra++
	if t.Infra > s.cfg.InfraRetries || t.NeverStarted > min(neverStartedMax, s.cfg.InfraRetries) {
		s.end(t, a, task.Failed, reason, message)
		return
	}
	t.Stop = task.NotStopped
	s.tally.Infra++
	wait := max(s.cfg.backoff(retryFirst, retryMax, t.Infra), atLeast)
	where := ""
	if a.Executor != "" && t.Alone {
		where = ", in a container of its own"
	}
	s.taskNote(logrus.WarnLevel, t, a, "lost%s; next launch in %s%s", because(reason, message), wait.Round(10*time.Millisecond), where)
	s.again(t, a, s.now.Add(wait), s.now)
}

// giveUp ends the wait for a launch that may still run. A second launch is
// right only for a command that may run twice.
func (s *state) giveUp(t *task.Task, a *task.Attempt) {
	s.disown(task.LaunchID(t.ID, a.Number), a.Agent)
	switch {
	case t.Stop.Kills():
		a.Adrift = t.Spec.Retries == 0
		s.endAsked(t, a, "may still be running on "+a.Host)
	case t.Spec.Retries == 0:
		a.Adrift = true
		s.end(t, a, task.Failed, a.Reason, "may still be running on "+a.Host)
	default:
		s.infra(t, a, a.Reason, "no word of it for "+s.cfg.UnreachableTimeout.String(), 0)
	}
}
