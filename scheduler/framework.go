package scheduler

import (
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// subscription is the SUBSCRIBE of a framework. Tasks outlive a lost agent
// connection (checkpoint) and a lost scheduler (failover timeout).
func (c *Config) subscription(id string, roles []string, suppressed bool) *sched.Call {
	yes, failover := true, c.FailoverTimeout.Seconds()
	info := &mesos.FrameworkInfo{
		User: c.User, Name: c.Name, ID: &mesos.FrameworkID{Value: id},
		FailoverTimeout: &failover, Checkpoint: &yes, Roles: roles,
	}
	if c.Hostname != "" {
		info.Hostname = &c.Hostname
	}
	if c.Page != "" {
		info.WebUiURL = &c.Page
	}
	if c.Principal != "" {
		info.Principal = &c.Principal
	}
	for _, capability := range []mesos.FrameworkInfo_Capability_Type{
		mesos.FrameworkInfo_Capability_MULTI_ROLE,
		mesos.FrameworkInfo_Capability_PARTITION_AWARE,
		mesos.FrameworkInfo_Capability_TASK_KILLING_STATE,
		mesos.FrameworkInfo_Capability_GPU_RESOURCES,
	} {
		info.Capabilities = append(info.Capabilities, mesos.FrameworkInfo_Capability{Type: capability})
	}
	call := calls.Subscribe(info).With(calls.SubscribeTo(id))
	if suppressed {
		call.Subscribe.SuppressedRoles = roles
	}
	return call
}

// identify notes how the framework stands with the master.
func (s *state) identify() { s.recordFramework(Identified, s.framework) }

func (s *state) recordFramework(k Kind, f Framework) {
	s.eff.Records = append(s.eff.Records, Record{Kind: k, At: s.now, Framework: &f})
}

// dropFramework ends the use of this framework id: the next SUBSCRIBE takes a
// new one. An id that no master ever had is simply used again.
func (s *state) dropFramework(k Kind) {
	if !s.framework.Subscribed {
		return
	}
	s.former = s.framework.ID
	for _, a := range s.agents {
		s.dropExecutors(a)
	}
	s.recordFramework(k, s.framework)
	s.framework = Framework{}
	for _, launch := range sortedKeys(s.unwanted) {
		s.forgetLaunch(launch) // it ends with its framework
	}
}

// The master's last words on a stream that mean something to us
// (Mesos: src/master/master.cpp).
const (
	wordsRemoved    = "Framework has been removed"
	wordsFailedOver = "Framework failed over"
)

// onErrored: error. A master that no longer knows us after a long absence gets
// a new framework; anything else ends the run with the master's words.
func (s *state) onErrored(ev Errored) {
	over := &Over{Why: Refused}
	text := clean(ev.Message)
	switch {
	case strings.Contains(ev.Message, wordsRemoved):
		if s.link.phase != up && s.leaving == nil && (!s.framework.Subscribed || s.now.Sub(s.framework.Seen) > s.cfg.FailoverTimeout) {
			s.newFramework()
			return
		}
		text += ": somebody tore this framework down; the next start goes on under a new id"
		s.settleAll()
		s.castAdrift()
		s.dropFramework(TornDown)
		over.Torn = true
	case strings.Contains(ev.Message, wordsFailedOver):
		text += ": another scheduler subscribed as framework " + s.framework.ID + " and has its tasks now; nothing was torn down"
	}
	over.Message = text
	if s.leaving != nil && !strings.Contains(ev.Message, wordsFailedOver) {
		over.Why = s.leaving.why // we were on our way out
	}
	s.eff.Over = over
}

// newFramework goes on under a new id: the master dropped the old one after a
// long absence and has ended its tasks, or is about to. An id without a
// SUBSCRIBED on record never launched anything.
func (s *state) newFramework() {
	old := s.framework
	s.settleAll()
	for _, t := range s.activeTasks() {
		a := t.Current()
		if t.Stop.Kills() {
			a.Adrift = true
			s.endAsked(t, a, "the framework was removed")
		} else if t.Spec.Retries == 0 {
			a.Adrift = true
			s.end(t, a, task.Failed, "FRAMEWORK_REMOVED", "may still be running on "+a.Host)
		} else {
			a.Adrift = true
			s.infra(t, a, "FRAMEWORK_REMOVED", "the framework was removed", max(newIDGrace, t.Spec.KillGrace+adriftGrace))
		}
	}
	s.dropFramework(TornDown)
	s.framework = Framework{ID: s.cfg.NewID(), Seen: s.now}
	s.identify()
	why := " after we were away for longer than " + s.cfg.FailoverTimeout.String()
	if !old.Subscribed {
		why = ", which has launched nothing yet"
	}
	s.warn("the master removed framework %s%s: going on as %s", old.ID, why, s.framework.ID)
	s.link.phase, s.link.next = down, s.now
}

// onMessage: frameworkMessage. No executor of ours sends any yet.
func (s *state) onMessage(ev Message) {
	s.note(logrus.DebugLevel, nil, "message of %d bytes from executor %s on agent %s", len(ev.Data), ev.Executor, ev.Agent)
}
