package scheduler

import (
	"cmp"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"cmdq/task"
)

// onOffers: resourceOffers. Every offer is answered in this very step, so none
// is ever held.
func (s *state) onOffers(offers []mesos.Offer) {
	s.offered, s.link.offered, s.revive.flying = s.now, true, false
	s.tally.Received += len(offers)
	var refused, refusedLong []mesos.OfferID
	for _, group := range s.withExecutorsFirst(byAgent(offers)) {
		if len(group[0].AgentID.Value) > maxWireID {
			refusedLong = append(refusedLong, offerIDs(group)...)
			continue
		}
		a := s.meet(&group[0])
		p := s.pool(group)
		a.saw(p.free)
		a.offered, a.free, a.seen, a.mostPorts = p.free, p.free, s.now, max(a.mostPorts, p.portsLeft())
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

// firstOn is the first task that can be launched on an agent with this much free,
// and so many ports.
func (s *state) firstOn(a *agent, free task.Resources, ports int) *task.Task {
	return s.queue.First(free, func(head *task.Task) bool { return s.takes(a, free, ports, head) })
}

// withExecutorsFirst prefers agents that have an executor of ours: there it
// costs nothing more. The order is kept otherwise.
func (s *state) withExecutorsFirst(groups [][]mesos.Offer) [][]mesos.Offer {
	slices.SortStableFunc(groups, func(g, h []mesos.Offer) int {
		return cmp.Compare(s.executorsOn(h[0].AgentID.Value), s.executorsOn(g[0].AgentID.Value))
	})
	return groups
}

// executorsOn is 1 if the agent has an executor of ours, else 0.
func (s *state) executorsOn(id string) int {
	if a := s.agents[id]; a != nil && len(a.executors) > 0 {
		return 1
	}
	return 0
}

func (s *state) pool(offers []mesos.Offer) *pool {
	p := &pool{}
	for i := range offers {
		for _, r := range offers[i].Resources {
			p.add(r, s.cfg.Role)
			p.addPorts(r, s.cfg.Role)
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
	s.tally.Declined += len(ids)
	return calls.Decline(ids...).With(calls.RefuseSeconds(refuse), calls.Framework(s.framework.ID))
}

// acceptFrom launches on this agent what fits, first fit in queue order. False:
// nothing does.
func (s *state) acceptFrom(a *agent, p *pool, ids []mesos.OfferID) bool {
	var launches []mesos.TaskInfo
	for size := 0; size < maxAccept; {
		t := s.firstOn(a, p.free, p.portsLeft())
		if t == nil {
			s.makeRoom(a, p.free, p.portsLeft())
			break
		}
		info := s.launch(t, a, p)
		size += info.Size()
		launches = append(launches, info)
	}
	a.free = p.free
	if len(launches) == 0 {
		return false
	}
	s.tally.Used += len(ids)
	refuse := s.cfg.RefuseFor
	if s.queue.Ready() == 0 {
		refuse = longRefusal
	}
	call := calls.Accept(calls.OfferOperations{calls.OpLaunch(launches...)}.WithOffers(ids...)).
		With(calls.RefuseSeconds(refuse), calls.Framework(s.framework.ID))
	call.Accept.OfferIDs = ids // mesos-go shuffles them
	s.call(call)
	return true
}
