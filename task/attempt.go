package task

import (
	"strconv"
	"strings"
	"time"
)

// Attempt is one launch of a task: one Mesos task with an id of its own.
type Attempt struct {
	Number int // from 1; the Mesos task id is LaunchID(task, Number)
	Agent  string
	Host   string

	Framework string // the framework id it was launched under
	Executor  string // the id of the executor of ours that it was sent to; empty: Mesos' command executor

	Queued   time.Time // since when the task was in the queue for it; zero: kept by an earlier cmdq
	Launched time.Time // when it was decided
	Starting time.Time // of the first STARTING; zero: not seen, or it was up at once
	Started  time.Time // of the first RUNNING; zero: never seen up
	Ended    time.Time // of the terminal update; zero: not seen to end

	Ports []uint16 // of the agent, in the order of PORT0, PORT1 and so on

	// Seen tells that some update of this launch was handled. A launch that the
	// cluster denies knowing and that was never seen has never arrived.
	Seen bool

	// Updates are the ids of the updates that were handled, the latest few.
	Updates [][16]byte

	// MayStillRun is set while the cluster cannot say whether the launch
	// lives: since when.
	MayStillRun time.Time

	// Look is when to ask about it if it has not started by then: of all the
	// looks that were planned, the one that counts.
	Look time.Time

	// KilledAt is when a KILL was last sent for it; zero: never.
	KilledAt time.Time

	// Settle is set while the launch is known to have ended but the update
	// that holds its exit status has not come: until when to wait for it.
	Settle time.Time

	// Adrift tells that it was given up, or its framework torn down, before its
	// end was seen. It may live until its agent has heard of that.
	Adrift bool

	State   string // the last Mesos state, such as TASK_RUNNING
	Reason  string
	Message string
	Exit    Exit
}

// Exit is how the command itself ended, as far as it is known.
type Exit struct {
	Known  bool
	Code   int    // exit status; meaningless if Signal is set
	Signal string // as strsignal(3) says it: "Killed", "Terminated"
}

// ParseExit reads the exit status out of the message of a terminal update:
// "Command exited with status N" or "Command terminated with signal S", with
// " (core dumped)" behind it perhaps (Mesos' src/common/status_utils.hpp), or the same
// of a "Container" (src/docker/executor.cpp). Other messages may speak of other
// exits, such as the fetcher's.
func ParseExit(message string) Exit {
	how, ok := strings.CutPrefix(message, "Command ")
	if !ok {
		how, ok = strings.CutPrefix(message, "Container ")
	}
	if !ok {
		return Exit{}
	}
	if rest, ok := strings.CutPrefix(how, "exited with status "); ok {
		digits, _, _ := strings.Cut(rest, " ")
		if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n <= 255 {
			return Exit{Known: true, Code: n}
		}
	}
	if rest, ok := strings.CutPrefix(how, "terminated with signal "); ok {
		signal := strings.TrimSuffix(rest, " (core dumped)")
		if signal != "" && len(signal) < 64 {
			return Exit{Known: true, Signal: signal}
		}
	}
	return Exit{}
}
