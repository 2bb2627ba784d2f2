package local

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// wanted is an allocation that is due: many requests, one run.
type wanted struct {
	all    bool
	agents []*agentRecord
}

func (w *wanted) add(a *agentRecord) {
	if !w.all && !slices.Contains(w.agents, a) {
		w.agents = append(w.agents, a)
	}
}

// comesBack notes that something of an agent is free again. Mesos offers it at
// the next tick; an eager master at once.
func (m *master) comesBack(a *agentRecord) {
	if m.eager {
		m.wanted.add(a)
	}
}

// allocateWanted runs the allocation that was asked for, if one was.
func (m *master) allocateWanted() {
	w := m.wanted
	m.wanted = wanted{}
	switch {
	case w.all:
		m.allocate(m.agents)
	case len(w.agents) > 0:
		m.allocate(w.agents)
	}
}

// allocateAll is the regular run.
func (m *master) allocateAll() {
	for _, f := range m.frameworks {
		f.filters.expire(m.now)
	}
	m.forgetRoles()
	m.wanted = wanted{all: true}
}

// allocate offers what is free on these agents, in random order: each agent
// goes whole to the first framework that may have it, by dominant share, roles
// first. What is offered counts at once (Mesos:
// HierarchicalAllocatorProcess::__generateOffers).
func (m *master) allocate(agents []*agentRecord) {
	total := m.total()
	offers := map[*framework][]*offer{}
	for _, i := range m.random.Perm(len(agents)) {
		a := agents[i]
		if !a.connected {
			continue
		}
		free := a.free()
		if len(free) == 0 {
			continue
		}
		for _, c := range m.candidates(total) {
			if !m.mayHave(c.framework, a, c.role, free) || c.framework.filters.block(a.id, c.role, free, m.now) {
				continue
			}
			o := m.newOffer(c.framework, a, c.role, free)
			offers[c.framework] = append(offers[c.framework], o)
			break
		}
	}
	for f, list := range offers {
		m.sendOffers(f, list)
	}
}

// candidate is a framework in one of its roles.
type candidate struct {
	framework *framework
	role      string
	share     float64
	offers    int
}

// candidates lists who wants offers, the poorest first.
func (m *master) candidates(total Resources) []candidate {
	var list []candidate
	byRole := map[string]Resources{}
	for _, f := range m.frameworks {
		for role, s := range f.roles {
			byRole[role] = byRole[role].plus(s.allocated)
			if f.stream != nil && !s.suppressed {
				list = append(list, candidate{framework: f, role: role, share: dominant(s.allocated, total), offers: s.allocations})
			}
		}
	}
	if len(list) < 2 {
		return list
	}
	roles := newRoleTree(byRole, m.roleCounts, total)
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(
			roles.compare(a.role, b.role),
			cmp.Compare(a.share, b.share), cmp.Compare(a.offers, b.offers), cmp.Compare(a.framework.id, b.framework.id))
	})
	return list
}

// dominant is the largest part of any scalar resource that is allocated.
func dominant(allocated, total Resources) float64 {
	var most float64
	for _, t := range total {
		if t.scalar > 0 {
			most = max(most, float64(allocated.scalar(t.name))/float64(t.scalar))
		}
	}
	return most
}

// mayHave tells whether a framework can get an agent's resources at all: an
// agent with gpus is only for those that know them, and an offer has to hold
// the least that the framework, or else the master, asks for.
func (m *master) mayHave(f *framework, a *agentRecord, role string, free Resources) bool {
	if a.total.scalar("gpus") > 0 && !f.caps.gpus {
		return false
	}
	least, own := f.least[role]
	if !own {
		least = m.least
	}
	return least.allows(free)
}

// newOffer records an offer; sendOffers tells of it.
func (m *master) newOffer(f *framework, a *agentRecord, role string, r Resources) *offer {
	o := &offer{id: m.id + "-O" + strconv.Itoa(m.offerCount), framework: f, agent: a, role: role, resources: r}
	m.offerCount++
	m.offers[o.id] = o
	f.offers[o.id] = o
	a.offered = a.offered.plus(r)
	f.charge(role, r)
	f.share(role).allocations++
	m.countAllocation(role)
	return o
}

// maxOffers bounds the offers of one event: mesos-go's reader takes no more
// than 4 MiB.
const maxOffers = 2000

func (m *master) sendOffers(f *framework, list []*offer) {
	for part := range slices.Chunk(list, maxOffers) {
		e := &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{}}
		for _, o := range part {
			e.Offers.Offers = append(e.Offers.Offers, o.wire())
		}
		m.send(f, e)
	}
}

// wire is the offer as its framework sees it. Only a framework with MULTI_ROLE
// is told the role.
func (o *offer) wire() mesos.Offer {
	ip, path := o.agent.addr.Addr().String(), "/slave(1)"
	form := wireForm{refined: o.framework.caps.refined}
	out := mesos.Offer{
		ID: mesos.OfferID{Value: o.id}, FrameworkID: mesos.FrameworkID{Value: o.framework.id},
		AgentID: mesos.AgentID{Value: o.agent.id}, Hostname: ip,
		URL: &mesos.URL{Scheme: "http", Path: &path, Address: mesos.Address{Hostname: &ip, IP: &ip, Port: int32(o.agent.addr.Port())}},
	}
	if o.framework.caps.multiRole {
		form.role = o.role
		out.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &o.role}
	}
	for _, x := range o.agent.executorsOf(o.framework) {
		out.ExecutorIDs = append(out.ExecutorIDs, x.info.ExecutorID)
	}
	out.Resources = o.resources.wire(form)
	return out
}
