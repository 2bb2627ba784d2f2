package executor

import (
	"strconv"
	"syscall"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

const (
	// defaultGrace is from SIGTERM to SIGKILL when nobody says another time
	// (Mesos: src/slave/constants.hpp).
	defaultGrace = 3 * time.Second

	// terseAfter is how long a command runs before a terse executor says that
	// it does.
	terseAfter = time.Second
)

// stage is where a task stands.
//
//	preparing ──▶ announced ──▶ starting ──▶ running ──▶ over
//
// A terse executor leaves announced out.
type stage uint8

const (
	preparing stage = iota
	announced       // its RUNNING is on the way to the agent
	starting        // the process may be there
	running
	over
)

// task is a command from its LAUNCH until all that can be said of it is
// acknowledged.
type task struct {
	id      string
	number  int
	info    mesos.TaskInfo
	job     *job // nil: the data makes no sense
	phase   stage
	heard   bool // the agent acknowledged some update: it knows that we have it
	updates []*update

	killed   bool // somebody asked for its end
	left     bool // that was the executor, which has to go itself
	timedOut bool
	grace    time.Duration
	killAt   time.Time // SIGKILL; zero: not yet, or sent
	limitAt  time.Time // of its run
	speakAt  time.Time // RUNNING, if terse
}

// onLaunch begins with a task: its directory and what it wants there.
func (s *state) onLaunch(info mesos.TaskInfo) {
	id := info.TaskID.Value
	if s.tasks[id] != nil {
		s.warn(id, "launched again while it is known; ignored")
		return
	}
	t := s.add(info)
	switch command, err := ParseCommand(info.Data); {
	case s.leaving:
		t.left = true
		s.end(t, mesos.TASK_KILLED, t.whyKilled(), "The executor is shutting down")
	case err != nil:
		s.end(t, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID.Enum(), err.Error())
	case !usableID(id):
		s.end(t, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID.Enum(), "the task's id cannot be the name of a directory")
	case s.alive > s.maxTasks:
		s.end(t, mesos.TASK_FAILED, mesos.REASON_CONTAINER_LAUNCH_FAILED.Enum(), "the executor runs "+strconv.Itoa(s.maxTasks)+" tasks already")
	default:
		t.job = &job{id: id, command: command}
		s.eff.prepare = append(s.eff.prepare, t.job)
	}
}

// onLaunchGroup refuses a group: its tasks live and die together, which is the
// default executor's business.
func (s *state) onLaunchGroup(tasks []mesos.TaskInfo) {
	for _, info := range tasks {
		if s.tasks[info.TaskID.Value] != nil {
			s.warn(info.TaskID.Value, "launched again while it is known; ignored")
			continue
		}
		s.end(s.add(info), mesos.TASK_ERROR, mesos.REASON_TASK_GROUP_INVALID.Enum(), "this executor runs no task groups")
	}
}

func (s *state) add(info mesos.TaskInfo) *task {
	t := &task{id: info.TaskID.Value, number: s.count, info: info}
	s.count++
	s.alive++
	s.tasks[t.id] = t
	return t
}

// usableID tells whether a task's id is the name of one directory. Mesos lets
// no other through (src/common/validation.cpp, validateID), but for the length.
func usableID(id string) bool {
	if id == "" || id == "." || id == ".." || len(id) > 255 {
		return false
	}
	for _, c := range []byte(id) {
		if c == '/' || c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func (s *state) onPrepared(ev prepared) {
	t := s.tasks[ev.job.id]
	switch {
	case t == nil || t.phase != preparing || t.job != ev.job: // an id may have come again
	case ev.err != nil && ev.fault:
		s.end(t, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID.Enum(), ev.err.Error())
	case ev.err != nil:
		s.end(t, mesos.TASK_FAILED, mesos.REASON_CONTAINER_LAUNCH_FAILED.Enum(), "Failed to launch the task: "+ev.err.Error())
	case s.terse:
		s.start(t)
	default:
		t.phase = announced
		s.tell(t, mesos.TASK_RUNNING, nil, "")
	}
}

// onAnnounced: the agent knows that the task runs, so now it may.
func (s *state) onAnnounced(t *task) {
	if t.phase == announced {
		s.start(t)
	}
}

func (s *state) start(t *task) {
	t.phase = starting
	s.eff.start = append(s.eff.start, t.job)
}

func (s *state) onStarted(ev started) {
	t := s.tasks[ev.id]
	if t == nil || t.phase != starting {
		return
	}
	if ev.err == errWithdrawn {
		s.end(t, mesos.TASK_KILLED, t.whyKilled(), "Killed before it was started")
		return
	}
	if ev.err != nil {
		s.end(t, mesos.TASK_FAILED, mesos.REASON_CONTAINER_LAUNCH_FAILED.Enum(), "Failed to launch the task: "+ev.err.Error())
		return
	}
	t.phase = running
	if s.terse {
		t.speakAt = s.now.Add(terseAfter)
		s.due.add(t.speakAt, t)
	}
	if limit := t.limit(); limit > 0 {
		t.limitAt = s.now.Add(limit)
		s.due.add(t.limitAt, t)
	}
	if t.killed {
		s.terminate(t)
	}
}

// limit is how long the task may run, by its data and by Mesos; 0: no limit.
func (t *task) limit() time.Duration {
	limit := time.Duration(t.job.command.Timeout)
	if m := t.info.MaxCompletionTime; m != nil && (limit == 0 || m.Nanoseconds < int64(limit)) {
		limit = max(1, time.Duration(m.Nanoseconds))
	}
	return limit
}

// ownGrace is from SIGTERM to SIGKILL when a KILL does not say.
func (t *task) ownGrace() time.Duration {
	if policy := t.info.KillPolicy.GetGracePeriod(); policy != nil {
		return max(0, time.Duration(policy.Nanoseconds))
	}
	if t.job.command.KillGrace != nil {
		return time.Duration(*t.job.command.KillGrace)
	}
	return defaultGrace
}

func (s *state) onKill(ev killAsked) {
	t := s.tasks[ev.id]
	switch {
	case t == nil:
		s.warn(ev.id, "to be killed, but not known")
	case t.phase == over:
	case ev.grace != nil:
		s.kill(t, max(0, *ev.grace))
	default:
		s.kill(t, t.ownGrace())
	}
}

// kill asks a task to end, and makes sure that it does when the grace is over.
// A second kill can only shorten the grace (Mesos: src/launcher/executor.cpp).
func (s *state) kill(t *task, grace time.Duration) {
	if t.killed {
		t.grace = min(t.grace, grace)
		if at := s.now.Add(grace); !t.killAt.IsZero() && at.Before(t.killAt) {
			s.killAt(t, at)
		}
		return
	}
	t.killed, t.grace = true, grace
	switch t.phase {
	case preparing:
		s.eff.abandon = append(s.eff.abandon, t.job)
		s.end(t, mesos.TASK_KILLED, t.whyKilled(), "Killed before it was started")
	case announced:
		s.end(t, mesos.TASK_KILLED, t.whyKilled(), "Killed before it was started")
	case starting: // what comes of it says whether that was in time
		s.eff.withdraw = append(s.eff.withdraw, t.job)
	case running:
		s.terminate(t)
	}
}

// terminate sends the signals of a kill to a task that is there.
func (s *state) terminate(t *task) {
	if s.killing && !s.leaving && !t.timedOut {
		s.tell(t, mesos.TASK_KILLING, nil, "")
	}
	s.signal(t, syscall.SIGTERM)
	s.killAt(t, s.now.Add(t.grace))
}

func (s *state) killAt(t *task, at time.Time) {
	t.killAt = at
	if at.After(s.now) {
		s.due.add(at, t)
		return
	}
	t.killAt = time.Time{}
	s.signal(t, syscall.SIGKILL)
}

func (s *state) signal(t *task, sig syscall.Signal) {
	s.eff.signals = append(s.eff.signals, signalling{t.id, sig})
}

// onDue does what one of the task's times says.
func (s *state) onDue(t *task) {
	passed := func(at *time.Time) bool {
		if t.phase != running || at.IsZero() || at.After(s.now) {
			return false
		}
		*at = time.Time{}
		return true
	}
	if passed(&t.killAt) {
		s.signal(t, syscall.SIGKILL)
	}
	if passed(&t.limitAt) && !t.killed {
		t.timedOut = true // without a grace, as Mesos' executors do it
		s.kill(t, 0)
	}
	if passed(&t.speakAt) && !t.killed {
		s.tell(t, mesos.TASK_RUNNING, nil, "")
	}
}

func (s *state) onExited(ev exited) {
	t := s.tasks[ev.id]
	if t == nil || t.phase == over {
		return
	}
	text := "Command " + describe(ev.status)
	switch {
	case t.timedOut:
		s.end(t, mesos.TASK_FAILED, mesos.REASON_MAX_COMPLETION_TIME_REACHED.Enum(), text)
	case t.killed && ev.status.Exited(): // an end of its own, late or early
		s.end(t, mesos.TASK_KILLED, nil, text)
	case t.killed:
		s.end(t, mesos.TASK_KILLED, t.whyKilled(), text)
	case ev.status.Exited() && ev.status.ExitStatus() == 0:
		s.end(t, mesos.TASK_FINISHED, nil, text)
	default:
		s.end(t, mesos.TASK_FAILED, nil, text)
	}
}

// whyKilled is the reason of a task that was killed: none if that was asked for.
// One that was not asked for is nobody's fault but the executor's, and its
// framework may want to run it again.
func (t *task) whyKilled() *mesos.TaskStatus_Reason {
	if t.left {
		return mesos.REASON_EXECUTOR_TERMINATED.Enum()
	}
	return nil
}

// end is the last that is said of a task.
func (s *state) end(t *task, state mesos.TaskState, reason *mesos.TaskStatus_Reason, text string) {
	t.phase = over
	t.job = nil
	s.alive--
	s.quietAt = s.now
	s.note(t.id, "%s %s", state, text)
	s.tell(t, state, reason, text)
}
