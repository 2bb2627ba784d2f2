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
	s.offered, s.lastOffer, s.link.offered, s.revive.flying = s.now, s.now, true, false
	s.tally.Received += len(offers)
	var refused, refusedLong []mesos.OfferID
	for _, group := range s.withExecutorsFirst(byAgent(offers)) {
		if len(group[0].AgentID.Value) > maxWireID {
			refusedLong = append(refusedLong, offerIDs(group)...)
			continue
		}
		a := s.meet(&group[0])
		p := s.pool(group)
		a.saw(p.free, s.now)
		a.offered, a.seen, a.mostPorts = p.free, s.now, max(a.mostPorts, p.portsLeft())
		a.left[p.role] = p.room()
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

// byAgent puts the offers of one agent and role together, in the order they came.
func byAgent(offers []mesos.Offer) [][]mesos.Offer {
	var groups [][]mesos.Offer
	type key struct{ agent, role string } // one ACCEPT is about one role
	place := make(map[key]int, len(offers))
	for _, o := range offers {
		k := key{o.AgentID.Value, o.AllocationInfo.GetRole()}
		i, ok := place[k]
		if !ok {
			i = len(groups)
			place[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], o)
	}
	return groups
}

// room is what an agent has for a task.
type room struct {
	free  task.Resources
	ports int
	role  string // the task's; empty: of any
}

// firstOn is the first task that can be launched on an agent with this room.
func (s *state) firstOn(a *agent, r room) *task.Task {
	return s.queue.First(r.free, func(head *task.Task) bool { return s.takes(a, r, head) })
}

// emptied is the room of an agent if nothing but what we run were there.
func (a *agent) emptied() room { return room{free: a.largest.Sub(a.used), ports: a.mostPorts} }

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
	p := &pool{role: s.roleOf(&offers[0])}
	for i := range offers {
		for _, r := range offers[i].Resources {
			p.add(r, p.role)
			p.addPorts(r, p.role)
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
		t := s.firstOn(a, p.room())
		if t == nil {
			s.makeRoom(a, p.room())
			break
		}
		info := s.launch(t, a, p)
		size += info.Size()
		launches = append(launches, info)
	}
	a.left[p.role] = p.room()
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
