package scheduler

import (
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// revive keeps the pace of REVIVE calls. A freed slot is offered again only at
// the master's next tick, unless a framework REVIVEs; so that a master is not
// flooded, one REVIVE is under way at most, and one leaves in each interval.
type revive struct {
	wanted bool      // something ended and tasks wait that would fit there
	sent   time.Time // when the last one left
	flying bool      // no offers came since
}

// freed notes that a launch left its agent: if a waiting task would fit there,
// its turn should not wait for the master's next tick.
func (s *state) freed(a *agent) {
	if a == nil || s.revive.wanted {
		return
	}
	s.revive.wanted = s.firstOn(a, a.emptied()) != nil
}

// tickOffers keeps the master's idea of whether we want offers right.
func (s *state) tickOffers() {
	if s.link.phase != up {
		return
	}
	waiting, before := s.queue.Ready() > 0, s.ready
	s.ready = s.queue.Ready()
	switch {
	case !waiting && !s.link.suppressed:
		s.link.suppressed, s.revive = true, revive{sent: s.revive.sent}
		s.tally.Suppressed++
		s.call(calls.Suppress().With(calls.Framework(s.framework.ID)))
		s.info("nothing waits: no more offers wanted (SUPPRESS)")
	case waiting && s.link.suppressed:
		s.link.suppressed, s.offered = false, s.now
		s.reviveNow()
		s.info("%s waiting: offers wanted (REVIVE)", countTasks(s.queue.Ready()))
	case waiting:
		if s.ready > before && !s.full() {
			s.revive.wanted = true // what was refused for those that wait may fit the new ones
		}
		s.tickTurnaround()
		s.tickStall()
	}
}

func (s *state) tickTurnaround() {
	r := &s.revive
	if r.flying && !r.sent.Add(reviveLost).After(s.now) {
		r.flying = false
	}
	if r.wanted && !r.flying && !r.sent.Add(s.cfg.ReviveInterval).After(s.now) {
		s.reviveNow()
	}
}

func (s *state) reviveNow() {
	s.tally.Revived++
	s.revive = revive{sent: s.now, flying: true}
	s.call(calls.Revive().With(calls.Framework(s.framework.ID)))
}

func (s *state) offersDue() time.Time {
	if s.queue.Ready() == 0 {
		return time.Time{}
	}
	next := s.stallDue()
	if s.revive.wanted {
		at := s.revive.sent.Add(s.cfg.ReviveInterval)
		if s.revive.flying {
			at = s.revive.sent.Add(reviveLost)
		}
		if at.Before(next) {
			next = at
		}
	}
	return next
}
