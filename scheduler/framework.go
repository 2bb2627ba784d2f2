package scheduler

import (
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// frameworkInfo is who we are: tasks outlive a lost agent connection
// (checkpoint) and a lost scheduler (failover timeout).
func (s *state) frameworkInfo() *mesos.FrameworkInfo {
	yes, failover := true, s.cfg.FailoverTimeout.Seconds()
	info := &mesos.FrameworkInfo{
		User: s.cfg.User, Name: s.cfg.Name, ID: &mesos.FrameworkID{Value: s.cfg.FrameworkID},
		FailoverTimeout: &failover, Checkpoint: &yes, Roles: []string{s.cfg.Role},
	}
	if s.cfg.Hostname != "" {
		info.Hostname = &s.cfg.Hostname
	}
	for _, c := range []mesos.FrameworkInfo_Capability_Type{
		mesos.FrameworkInfo_Capability_MULTI_ROLE,
		mesos.FrameworkInfo_Capability_PARTITION_AWARE,
		mesos.FrameworkInfo_Capability_TASK_KILLING_STATE,
		mesos.FrameworkInfo_Capability_GPU_RESOURCES,
	} {
		info.Capabilities = append(info.Capabilities, mesos.FrameworkInfo_Capability{Type: c})
	}
	return info
}

// onErrored: error. A master that no longer knows us after a long absence gets
// a new framework; anything else ends the run with the master's words.
func (s *state) onErrored(ev Errored) {
	removed := strings.Contains(ev.Message, "Framework has been removed")
	l := &s.link
	if removed && l.ever && l.phase != up && s.now.Sub(l.seen) > s.cfg.FailoverTimeout && s.cfg.NewID != nil {
		s.newFramework()
		return
	}
	text := clean(ev.Message)
	if removed {
		text += ": somebody tore this framework down"
	}
	s.eff.Over = &Over{Why: Refused, Message: text}
	if s.leaving != nil {
		s.eff.Over.Why = s.leaving.why // we were on our way out
	}
}

// newFramework goes on under a new id: the master dropped the old one after a
// long absence and has ended its tasks, or is about to.
func (s *state) newFramework() {
	old := s.cfg.FrameworkID
	s.cfg.FrameworkID = s.cfg.NewID()
	s.warn("the master removed framework %s after we were away for longer than %s: going on as %s",
		old, s.cfg.FailoverTimeout, s.cfg.FrameworkID)
	for _, t := range s.activeTasks() {
		a := t.Current()
		if t.Stop == task.Cancelled {
			s.end(t, a, task.Killed, "", "the framework was removed")
		} else if t.Spec.Retries == 0 {
			s.end(t, a, task.Failed, "FRAMEWORK_REMOVED", "may still be running on "+a.Host)
		} else {
			s.infra(t, a, "FRAMEWORK_REMOVED", "the framework was removed", newIDGrace)
		}
	}
	clear(s.unwanted)
	s.link.phase, s.link.next, s.link.seen = down, s.now, s.now
}

// onMessage: frameworkMessage. No executor of ours sends any yet.
func (s *state) onMessage(ev Message) {
	s.note(logrus.DebugLevel, nil, "message of %d bytes from executor %s on agent %s", len(ev.Data), ev.Executor, ev.Agent)
}
