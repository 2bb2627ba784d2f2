package executor

import (
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"
)

const (
	// linger is for the agent's acknowledgements when nothing runs any more; an
	// agent that has dropped the framework sends none.
	linger = time.Second

	// minBackoff is the least between two tries to subscribe. An agent that was
	// started again waits 2 s for its executors (Mesos:
	// --executor_reregistration_timeout), so the most should be well below.
	minBackoff = 50 * time.Millisecond
)

// subscribe asks for a stream, and tells the agent what it may have missed: the
// tasks of which it acknowledged nothing, and the updates that it did not
// acknowledge (Mesos: docs/executor-http-api.md).
func (s *state) subscribe() {
	s.phase = subscribing
	call := new(api.Call_Subscribe)
	for _, t := range s.inOrder() {
		if !t.heard {
			call.UnacknowledgedTasks = append(call.UnacknowledgedTasks, t.brief())
		}
		for _, u := range t.updates {
			u.sent = true
			call.UnacknowledgedUpdates = append(call.UnacknowledgedUpdates, api.Call_Update{Status: u.status})
		}
	}
	s.eff.subscribe = call
}

// brief is what an agent looks at of a task that it never heard of from us: which
// one it is (Mesos: src/slave/slave.cpp, subscribe). With what they run, some
// thousands of tasks would make a message that an agent may refuse.
func (t *task) brief() mesos.TaskInfo {
	return mesos.TaskInfo{Name: t.info.Name, TaskID: t.info.TaskID, AgentID: t.info.AgentID}
}

// onSubscribed: what went along with the SUBSCRIBE was handled before this.
func (s *state) onSubscribed(ev subscribed) {
	if s.was {
		s.note("", "subscribed again, after %s", s.now.Sub(s.lostAt).Round(time.Millisecond))
	} else {
		s.note("", "subscribed")
	}
	s.phase, s.was, s.killing = online, true, ev.killing
	if len(s.tasks) == 0 {
		s.idleAt = s.now // a launch is about to come: we were started for it
	}
	for _, t := range s.inOrder() {
		for _, u := range t.updates {
			if u.sent {
				s.taken(t, u)
			}
		}
		s.flush(t)
	}
}

// onDown: without checkpoint the agent will not take us back (Mesos:
// src/executor/executor.cpp, disconnected).
func (s *state) onDown(ev down) {
	if s.phase == offline {
		return
	}
	if s.phase == online {
		s.lostAt = s.now
	}
	s.phase = offline
	s.retryAt = s.now.Add(minBackoff + time.Duration(s.jitter()*float64(max(0, s.backoffMax-minBackoff))))
	switch {
	case ev.fatal:
		s.warn("", "the agent refuses us: %v", ev.err)
		s.leave(1, "nobody to report to")
	case s.was && !s.checkpoint && !s.leaving:
		s.warn("", "the agent is gone: %v", ev.err)
		s.leave(1, "the framework does not checkpoint")
	default:
		s.note("", "no connection to the agent: %v", ev.err)
	}
}

// mayReturn tells whether there is a point in subscribing.
func (s *state) mayReturn() bool {
	return !s.leaving || s.was && s.checkpoint && s.status == 0
}

// patience is how long we go on without an agent.
func (s *state) patience() time.Duration {
	if s.was {
		return s.recovery
	}
	return s.first
}

// leave begins the end: everything is asked to stop, and has most of the grace
// for it. What is told until the end of the grace is told.
func (s *state) leave(status int, why string) {
	if s.leaving {
		return
	}
	s.note("", "ending: %s", why)
	s.leaving, s.status = true, status
	s.endAt = s.now.Add(s.grace * 9 / 10)
	s.quietAt = s.now
	for _, t := range s.inOrder() {
		if t.phase != over {
			t.left = !t.killed
			s.kill(t, s.grace*3/5)
		}
	}
}

// idles tells whether there is nothing to do at all.
func (s *state) idles() bool {
	return s.idle > 0 && s.phase == online && len(s.tasks) == 0 && !s.leaving
}

// settle looks whether this was all.
func (s *state) settle() {
	if s.phase != online && !s.leaving && !s.now.Before(s.lostAt.Add(s.patience())) {
		s.warn("", "no agent for %s", s.patience())
		s.leave(1, "nobody to report to")
	}
	exit := false
	switch {
	case s.leaving:
		toldAll := s.owed == 0 || s.phase == offline && !s.mayReturn() || !s.now.Before(s.quietAt.Add(linger))
		exit = s.alive == 0 && toldAll || !s.now.Before(s.endAt)
	case s.idles() && !s.now.Before(s.idleAt.Add(s.idle)):
		// A launch that is on its way finds us gone. Nothing of it has run, and
		// the agent says so: no RUNNING came of it.
		s.note("", "ending: no task for %s", s.idle)
		exit = true
	}
	if exit {
		s.eff.exit = &s.status
	}
}

func (s *state) note(task, format string, args ...any) {
	s.eff.notes = append(s.eff.notes, note{task: task, text: fmt.Sprintf(format, args...)})
}

func (s *state) warn(task, format string, args ...any) {
	s.eff.notes = append(s.eff.notes, note{warn: true, task: task, text: fmt.Sprintf(format, args...)})
}

// ours completes a status.
func ours(id string, state mesos.TaskState, uuid []byte, at time.Time) mesos.TaskStatus {
	seconds := float64(at.UnixMicro()) / 1e6
	return mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: id}, State: &state, Source: mesos.SOURCE_EXECUTOR.Enum(), UUID: uuid, Timestamp: &seconds,
	}
}
