package local

import "time"

// A framework that does not say how long to stay away with what it refuses
// means defaultRefuse; the longest it can say is maxRefuse (Mesos:
// HierarchicalAllocator::recoverResources).
const (
	defaultRefuse = 5 * time.Second
	maxRefuse     = 365 * 24 * time.Hour
)

// filters are what a framework has refused, by agent.
type filters map[string][]filter

// filter keeps an agent's offers from a framework, in one role, until some
// time, as long as they hold nothing beyond what was refused.
type filter struct {
	role    string
	refused Resources
	until   time.Time
}

// refusal is how long to stay away by what a framework said; 0 is not at all.
func refusal(refuseSeconds *float64) time.Duration {
	switch {
	case refuseSeconds == nil || !(*refuseSeconds >= 0):
		return defaultRefuse
	case *refuseSeconds > maxRefuse.Seconds():
		return maxRefuse
	}
	return secondsDuration(*refuseSeconds)
}

// add keeps what was refused away for some time, but at least until the next
// allocation. Filters that the new one covers, or whose time has passed, go.
func (f filters) add(agent, role string, refused Resources, now time.Time, refuse, interval time.Duration) {
	if refuse <= 0 || len(refused) == 0 {
		return
	}
	until := now.Add(max(refuse, interval))
	kept := f[agent][:0]
	for _, x := range f[agent] {
		covered := x.role == role && !x.until.After(until) && refused.contains(x.refused)
		if !covered && now.Before(x.until) {
			kept = append(kept, x)
		}
	}
	f[agent] = append(kept, filter{role, refused, until})
}

// block tells whether some filter holds these resources back.
func (f filters) block(agent, role string, offered Resources, now time.Time) bool {
	for _, x := range f[agent] {
		if x.role == role && now.Before(x.until) && x.refused.contains(offered) {
			return true
		}
	}
	return false
}

// clear drops all filters.
func (f filters) clear() { clear(f) }

// clearRole drops the filters of a role.
func (f filters) clearRole(role string) {
	f.keep(func(x filter) bool { return x.role != role })
}

// expire drops the filters whose time has passed.
func (f filters) expire(now time.Time) {
	f.keep(func(x filter) bool { return now.Before(x.until) })
}

func (f filters) keep(wanted func(filter) bool) {
	for agent, list := range f {
		var kept []filter
		for _, x := range list {
			if wanted(x) {
				kept = append(kept, x)
			}
		}
		if len(kept) == 0 {
			delete(f, agent)
		} else {
			f[agent] = kept
		}
	}
}
