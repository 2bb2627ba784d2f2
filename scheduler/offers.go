package scheduler

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"cmdq/task"
)

// revive keeps the pace of REVIVE calls. A freed slot is offered again only at
// the master's next tick, unless a framework REVIVEs; so that a master is not
// flooded, one REVIVE is under way at most, and one leaves in each interval.
type revive struct {
	wanted bool      // something ended and tasks wait that would fit there
	sent   time.Time // when the last one left
	flying bool      // no offers came since
}

// onOffers: resourceOffers. Every offer is answered in this very step, so none
// is ever held.
func (s *state) onOffers(offers []mesos.Offer) {
	s.offered, s.revive.flying = s.now, false
	var refused, refusedLong []mesos.OfferID
	for _, group := range byAgent(offers) {
		a := s.meet(&group[0])
		p := s.pool(group)
		a.saw(p.free)
		ids := offerIDs(group)
		switch {
		case s.leaving != nil:
			refusedLong = append(refusedLong, ids...)
		case s.resting(a):
			s.call(s.decline(a.restUntil.Sub(s.now), ids))
		case s.acceptFrom(a, p, ids):
		case s.queue.Ready() == 0:
			refusedLong = append(refusedLong, ids...)
		default:
			refused = append(refused, ids...)
		}
	}
	if len(refused) > 0 {
		s.call(s.decline(s.cfg.RefuseFor, refused))
	}
	if len(refusedLong) > 0 {
		s.call(s.decline(longRefusal, refusedLong))
	}
}

// byAgent puts the offers of one agent together, agents in the order they came.
func byAgent(offers []mesos.Offer) [][]mesos.Offer {
	var groups [][]mesos.Offer
	place := make(map[string]int, len(offers))
	for _, o := range offers {
		i, ok := place[o.AgentID.Value]
		if !ok {
			i = len(groups)
			place[o.AgentID.Value] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], o)
	}
	return groups
}

func (s *state) pool(offers []mesos.Offer) *pool {
	p := &pool{}
	for i := range offers {
		for _, r := range offers[i].Resources {
			p.add(r, s.cfg.Role)
		}
	}
	return p
}

func offerIDs(offers []mesos.Offer) []mesos.OfferID {
	ids := make([]mesos.OfferID, len(offers))
	for i := range offers {
		ids[i] = offers[i].ID
	}
	return ids
}

func (s *state) decline(refuse time.Duration, ids []mesos.OfferID) *sched.Call {
	return calls.Decline(ids...).With(calls.RefuseSeconds(refuse), calls.Framework(s.cfg.FrameworkID))
}

// acceptFrom launches on this agent what fits, first fit in queue order. False:
// nothing does.
func (s *state) acceptFrom(a *agent, p *pool, ids []mesos.OfferID) bool {
	var launches []mesos.TaskInfo
	for size := 0; size < maxAccept; {
		t := s.queue.First(p.free, nil)
		if t == nil {
			break
		}
		info := s.launch(t, a, p)
		size += info.Size()
		launches = append(launches, info)
	}
	if len(launches) == 0 {
		return false
	}
	refuse := s.cfg.RefuseFor
	if s.queue.Ready() == 0 {
		refuse = longRefusal
	}
	call := calls.Accept(calls.OfferOperations{calls.OpLaunch(launches...)}.WithOffers(ids...)).
		With(calls.RefuseSeconds(refuse), calls.Framework(s.cfg.FrameworkID))
	call.Accept.OfferIDs = ids // mesos-go shuffles them
	s.call(call)
	return true
}

// freed notes that a launch left its agent: if a waiting task would fit there,
// its turn should not wait for the master's next tick.
func (s *state) freed(a *agent) {
	if a == nil || s.revive.wanted {
		return
	}
	s.revive.wanted = s.queue.First(a.largest.Sub(a.used), nil) != nil
}

// tickOffers keeps the master's idea of whether we want offers right.
func (s *state) tickOffers() {
	if s.link.phase != up {
		return
	}
	waiting := s.queue.Ready() > 0
	switch {
	case !waiting && !s.link.suppressed:
		s.link.suppressed, s.revive = true, revive{sent: s.revive.sent}
		s.call(calls.Suppress().With(calls.Framework(s.cfg.FrameworkID)))
		s.info("nothing waits: no more offers wanted (SUPPRESS)")
	case waiting && s.link.suppressed:
		s.link.suppressed, s.offered = false, s.now
		s.reviveNow()
		s.info("%s waiting: offers wanted (REVIVE)", countTasks(s.queue.Ready()))
	case waiting:
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
	s.revive = revive{sent: s.now, flying: true}
	s.call(calls.Revive().With(calls.Framework(s.cfg.FrameworkID)))
}

// tickStall: tasks wait and nothing is offered. Whatever the reason, a REVIVE
// costs little, and a person wants to know.
func (s *state) tickStall() {
	if s.offered.Add(stallWait).After(s.now) {
		return
	}
	text := s.stallReason()
	if text != "" && (text != s.stall.text || !s.stall.said.Add(stallReminder).After(s.now)) {
		s.info("%s waiting and no offer for %s: %s", countTasks(s.queue.Ready()), stallWait, text)
		s.stall = stall{s.now, text}
	}
	s.offered = s.now
	s.reviveNow()
}

// stall is what was last said about offers that do not come.
type stall struct {
	said time.Time
	text string
}

// stallReason says what usually holds offers back here. Empty: our own tasks
// fill the cluster, which is as it should be.
func (s *state) stallReason() string {
	switch {
	case len(s.sizes()) == 0:
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
		if s.queue.First(a.largest.Sub(a.used), nil) != nil {
			return false
		}
	}
	return true
}

// largestFits is a waiting task that fits some agent when that is empty.
func (s *state) largestFits() *task.Task {
	for _, size := range s.sizes() {
		if t := s.queue.First(size, nil); t != nil {
			return t
		}
	}
	return nil
}

func (s *state) offersDue() time.Time {
	if s.queue.Ready() == 0 {
		return time.Time{}
	}
	next := s.offered.Add(stallWait)
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
