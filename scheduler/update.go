package scheduler

import (
	"math"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// update is a TaskStatus with its optional parts made plain. A missing reason
// is noReason, not reason 0, which means something.
type update struct {
	id         task.ID
	launch     int
	state      mesos.TaskState
	reason     mesos.TaskStatus_Reason
	fromMaster bool

	fromExecutor bool
	message      string
	uuid         []byte // nil unless 16 bytes
	executor     string // of ours; empty: it is none
	agent        string
	at           time.Time
	unreachable  time.Time
}

// memoryStatistics begins what an agent adds to the message of a memory limit: some
// forty figures, after a line with what was allowed and what was used. They are in
// its log, too (src/slave/containerizer/mesos/isolators/cgroups/subsystems/memory.cpp).
const memoryStatistics = "\nMEMORY STATISTICS: \n"

const noReason mesos.TaskStatus_Reason = -1

func digest(st *mesos.TaskStatus, now time.Time) update {
	message, _, _ := strings.Cut(st.GetMessage(), memoryStatistics)
	u := update{state: st.GetState(), reason: noReason, message: clean(strings.TrimRight(message, "\n")), at: now}
	u.id, u.launch = task.ParseLaunchID(st.TaskID.Value)
	if st.Reason != nil {
		u.reason = *st.Reason
	}
	u.fromMaster = st.Source != nil && *st.Source == mesos.SOURCE_MASTER
	u.fromExecutor = st.Source != nil && *st.Source == mesos.SOURCE_EXECUTOR
	if len(st.UUID) == 16 {
		u.uuid = st.UUID
	}
	u.agent = st.GetAgentID().GetValue()
	if x := st.GetExecutorID().GetValue(); strings.HasPrefix(x, executorIDs) && len(x) <= maxWireID {
		u.executor = x
	}
	if sec := st.GetTimestamp(); sec > 0 && sec < math.MaxInt32*4 {
		u.at = time.UnixMilli(int64(sec * 1000)).UTC()
	}
	if st.UnreachableTime != nil {
		u.unreachable = time.Unix(0, st.UnreachableTime.Nanoseconds).UTC()
	}
	return u
}

// clean bounds a text from the wire and keeps it on one line.
func clean(text string) string {
	const most = 2000
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, text)
}

// alive: the launch is on an agent and has not ended.
func (u *update) alive() bool {
	switch u.state {
	case mesos.TASK_STAGING, mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_KILLING:
		return true
	}
	return false
}

// unsure: the cluster cannot say whether the launch lives.
func (u *update) unsure() bool {
	switch u.state {
	case mesos.TASK_UNREACHABLE, mesos.TASK_UNKNOWN:
		return true
	case mesos.TASK_LOST:
		return !u.unreachable.IsZero() || u.reason == mesos.REASON_RECONCILIATION
	}
	return false
}

// vanished: the launch is gone, and nobody knows how it ended.
func (u *update) vanished() bool {
	switch u.state {
	case mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR, mesos.TASK_LOST, mesos.TASK_DROPPED:
		return !u.unsure()
	}
	return false
}

func (u *update) terminal() bool { return !u.alive() && !u.unsure() }

func (u *update) reasonName() string {
	if u.reason == noReason {
		return ""
	}
	return strings.TrimPrefix(u.reason.String(), "REASON_")
}

// infrastructure: the launch ended for a reason that is not the command's.
func (u *update) infrastructure() bool {
	switch u.state {
	case mesos.TASK_FAILED:
		return u.reason == mesos.REASON_EXECUTOR_TERMINATED || u.reason == mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT ||
			u.reason == mesos.REASON_CONTAINER_LAUNCH_FAILED
	case mesos.TASK_KILLED:
		// The second is what our executor says of what it ended because it was told
		// to go itself.
		return u.reason == mesos.REASON_AGENT_DRAINING || u.reason == mesos.REASON_EXECUTOR_TERMINATED
	}
	return false
}

// goodbye: the agent leaves, and says so before it ends what runs there
// (recordings/agent_shut_down).
func (u *update) goodbye() bool {
	return u.state == mesos.TASK_GONE_BY_OPERATOR || u.state == mesos.TASK_LOST && u.reason == mesos.REASON_AGENT_REMOVED
}

// neverLeft: the master itself turned the launch down.
func (u *update) neverLeft() bool {
	return u.fromMaster && (u.state == mesos.TASK_DROPPED ||
		u.state == mesos.TASK_LOST && u.reason == mesos.REASON_INVALID_OFFERS)
}
