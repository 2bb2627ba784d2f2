package scheduler

import (
	"fmt"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// executorEnded drops the executor of a launch if this update of it tells that
// it is gone, or never was. The agent says so; the executor itself only that it
// goes.
func (s *state) executorEnded(at *task.Attempt, u *update) {
	if at.Executor == "" || !u.terminal() {
		return
	}
	a := s.agent(at.Agent)
	if u.fromExecutor {
		if x := a.executor(at.Executor); x != nil {
			x.started = true // a terse one does not always say RUNNING
			if u.reason == mesos.REASON_EXECUTOR_TERMINATED {
				s.retire(a, x) // it is about to go
			}
		}
		return
	}
	switch u.reason {
	case mesos.REASON_CONTAINER_LAUNCH_FAILED:
		if a.notStarted != at.Executor {
			a.notStarted = at.Executor // each of its tasks tells of it
			s.note(logrus.WarnLevel, logrus.Fields{"agent": at.Host}, "cmdq's executor could not be started there%s%s",
				because(u.reasonName(), u.message), s.cfg.Executor.from())
		}
	case mesos.REASON_EXECUTOR_TERMINATED, mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT,
		mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT, mesos.REASON_CONTAINER_LIMITATION,
		mesos.REASON_CONTAINER_LIMITATION_MEMORY, mesos.REASON_CONTAINER_LIMITATION_DISK,
		mesos.REASON_CONTAINER_PREEMPTED, mesos.REASON_EXECUTOR_UNREGISTERED:
	default:
		if !noRoomForExecutor(u) && !otherExecutor(u) {
			return
		}
	}
	if x := a.executor(at.Executor); x != nil && otherExecutor(u) {
		s.retire(a, x) // it lives
		return
	} else if x != nil {
		s.dropExecutor(a, x)
	}
	delete(a.former, at.Executor)
}

// from says where agents were told to fetch the executor.
func (c *ExecutorConfig) from() string {
	if c.Arch == "" {
		return "; --executor-uri is " + c.URI()
	}
	return "; the agent was to fetch it from " + c.URI() + " (see --listen, --advertise and --executor-uri)"
}

// otherExecutor: the master has an executor of this id of which something else was
// said. The words are of Mesos' src/master/validation.cpp,
// validateCompatibleExecutorInfo.
func otherExecutor(u *update) bool {
	return u.state == mesos.TASK_ERROR && strings.HasPrefix(u.message, "ExecutorInfo is not compatible with existing ExecutorInfo")
}

// noRoomForExecutor: the master does not know the executor any more that we took
// for running, and the offer had no room for another one. The words are of
// Mesos' src/master/validation.cpp, validateTaskAndExecutorResources.
func noRoomForExecutor(u *update) bool {
	return u.state == mesos.TASK_ERROR && strings.Contains(u.message, "required by task and its executor is more than available")
}

// turnedDown: the offer had no room, since an executor was gone that we took for
// running: that of the launch, or of one before it in the same ACCEPT. It is
// nobody's failure, and is not tried again in a hurry.
func (s *state) turnedDown(t *task.Task, a *task.Attempt, u *update) {
	t.Attempts-- // it never left the master
	t.Stop = task.NotStopped
	s.tally.Uncharged++
	s.taskNote(logrus.InfoLevel, t, a, "turned down%s; next launch in %s", because(u.reasonName(), u.message), retryFirst)
	s.again(t, a, s.now.Add(retryFirst), u.at)
}

// containerLimit: the container was killed for what all in it used together.
func (u *update) containerLimit() bool {
	switch u.reason {
	case mesos.REASON_CONTAINER_LIMITATION, mesos.REASON_CONTAINER_LIMITATION_MEMORY, mesos.REASON_CONTAINER_LIMITATION_DISK:
		return u.state == mesos.TASK_FAILED && !u.fromExecutor
	}
	return false
}

// outgrown: the container of our executor was killed for what all in it used. Nobody
// says which of them was to blame, and it would take the others with it again. So
// from now on all that ran is launched by Mesos' own executor: there a task is
// charged for what it does itself.
func (s *state) outgrown(t *task.Task, a *task.Attempt, u *update) {
	if a.Executor != "" && u.containerLimit() && (!a.Started.IsZero() || s.cfg.Executor.Terse) {
		s.queue.Apart(t.ID)
	}
}

// endedWithExecutor: the executor was gone before the launch was seen to run,
// and it tells of that first, so it did not.
func (s *state) endedWithExecutor(at *task.Attempt, u *update) bool {
	return at.Executor != "" && u.reason == mesos.REASON_EXECUTOR_TERMINATED && at.Started.IsZero() && !s.cfg.Executor.Terse
}

// The exit statuses of a shell that could not start a program (POSIX, sh).
const (
	notExecutable = 126
	notFound      = 127
)

// unfitFor: an agent cannot run our executor, or is said not to.
func (s *state) unfitFor(a *agent, format string, args ...any) {
	if a.unfit {
		return
	}
	a.unfit = true
	s.note(logrus.WarnLevel, logrus.Fields{"agent": a.host}, "no tasks with executor: cmdq go there: %s", fmt.Sprintf(format, args...))
}

// checkExecutable learns from the end of an executor that it cannot run there.
func (s *state) checkExecutable(a *agent, status int32) {
	if status&0x7f != 0 {
		return // a signal ended it
	}
	switch code := status >> 8 & 0xff; code {
	case notExecutable, notFound:
		made := ""
		if s.cfg.Executor.Arch != "" {
			made = "; it is made for linux/" + s.cfg.Executor.Arch
		}
		s.unfitFor(a, "its shell could not start cmdq's executor (status %d)%s%s", code, made, s.cfg.Executor.from())
	}
}

// checkArch reads what an agent says of its processor, if it does.
func (s *state) checkArch(a *agent, attributes []mesos.Attribute) {
	if s.cfg.Executor.Arch == "" || a.unfit {
		return
	}
	for _, at := range attributes {
		switch strings.ToLower(at.Name) {
		case "arch", "architecture", "cpu_arch", "cpu-arch", "os_arch":
		default:
			continue
		}
		found := clean(at.GetText().GetValue())
		if arch := goArch(found); arch != "" && arch != s.cfg.Executor.Arch {
			s.unfitFor(a, "its attribute %s is %s, our executor is for %s; --executor-uri names another one",
				clean(at.Name), found, s.cfg.Executor.Arch)
		}
	}
}

// goArch is what Go calls an architecture; empty if it is none that we know.
func goArch(name string) string {
	switch strings.ToLower(name) {
	case "amd64", "x86_64", "x86-64", "x64":
		return "amd64"
	case "arm64", "aarch64":
		return "arm64"
	case "386", "i386", "i486", "i586", "i686", "x86":
		return "386"
	case "arm", "armv7l", "armv6l", "armhf":
		return "arm"
	case "ppc64le", "s390x", "riscv64", "ppc64", "loong64", "mips64", "mips64le":
		return strings.ToLower(name)
	}
	return ""
}
