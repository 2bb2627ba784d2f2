package scheduler

import (
	"time"

	"cmdq/task"
)

// tickStall: tasks wait and nothing is offered. Whatever the reason, a REVIVE
// costs little, and a person wants to know.
func (s *state) tickStall() {
	if s.stallDue().After(s.now) {
		return
	}
	text := s.stallReason()
	if text != "" && (text != s.stall.text || !s.stall.said.Add(stallReminder).After(s.now)) {
		s.info("%s waiting and no offer for %s: %s", countTasks(s.queue.Ready()), stallWait, text)
		s.stall.said, s.stall.text = s.now, text
	}
	s.stall.looked = s.now
	s.reviveNow()
}

// stall is what was last said about offers that do not come.
type stall struct {
	looked time.Time
	said   time.Time
	text   string
}

// stallDue is when there is to be another look.
func (s *state) stallDue() time.Time { return laterOf(s.offered, s.stall.looked).Add(stallWait) }

// stallReason says what usually holds offers back here. Empty: our own tasks
// fill the cluster, which is as it should be.
func (s *state) stallReason() string {
	switch {
	case len(s.sizes(false)) == 0:
		return "no agent is there: none may be registered, or none has anything for role " + s.cfg.Role
	case s.largestFits() == nil:
		return "no agent seen is large enough for any of them"
	case s.active() > 0 && s.full():
		return ""
	case s.anyResting():
		return "other frameworks, a quota or a filter may hold what is free, and agents that failed to start commands are left alone for now"
	}
	return "other frameworks, a quota or a filter may hold what is free"
}

// full tells whether our own tasks leave no room, on any agent, for what waits.
func (s *state) full() bool {
	for _, a := range s.agents {
		if s.firstOn(a, a.emptied()) != nil {
			return false
		}
	}
	return true
}

// largestFits is a waiting task that fits some agent when that is empty.
func (s *state) largestFits() *task.Task {
	for _, own := range []bool{false, true} {
		for _, size := range s.sizes(own) {
			fits := func(head *task.Task) bool {
				return s.byOwn(head) == own && s.need(head).Fits(size) && s.fitsSome(head)
			}
			if t := s.queue.First(size, fits); t != nil {
				return t
			}
		}
	}
	return nil
}
