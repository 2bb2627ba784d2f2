package scheduler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cmdq/task"
)

// Standing is how the queue as a whole stands.
type Standing struct {
	Snapshot
	Framework  string
	Master     string
	Held       int // idle tasks that are held
	Waiting    int // idle tasks that wait for others
	Suppressed bool
	Offered    time.Time // when offers last came; zero: never
	Rate       float64   // tasks that ended, a second, in the last minute
	Left       time.Duration
	LeftKnown  bool
	Agents     []AgentStanding
	Holdup     string // what holds up tasks that wait; empty: nothing, or our own tasks fill the cluster
}

// AgentStanding is an agent as it was last seen.
type AgentStanding struct {
	ID, Host      string
	Seen          time.Time // when it last made an offer
	Offered       task.Resources
	Used, Largest task.Resources
	Tasks         int
	Lost          bool
	RestingUntil  time.Time // zero: it is not left alone
	ExecutorUnfit bool
	Executors     int
}

// Standing is how the queue as a whole stands.
func (v View) Standing() Standing {
	s := v.s
	st := Standing{Snapshot: *s.snapshot(), Framework: s.framework.ID, Master: s.cfg.Master,
		Suppressed: s.link.suppressed && s.link.phase == up, Rate: s.pace.rate(s.now)}
	if s.link.offered {
		st.Offered = s.lastOffer
	}
	for t := range s.queue.Parked() {
		if t.Held {
			st.Held++
		} else {
			st.Waiting++
		}
	}
	tasks := map[string]int{}
	for t := range s.queue.Active() {
		tasks[t.Current().Agent]++
	}
	for _, a := range s.agents {
		x := AgentStanding{ID: a.id, Host: a.host, Seen: a.seen, Offered: a.offered, Used: a.used, Largest: a.largest,
			Tasks: tasks[a.id], Lost: a.lost, ExecutorUnfit: a.unfit, Executors: len(a.executors)}
		if s.resting(a) {
			x.RestingUntil = a.restUntil
		}
		st.Agents = append(st.Agents, x)
	}
	slices.SortFunc(st.Agents, func(a, b AgentStanding) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID)) })
	st.Left, st.LeftKnown = s.pace.left(s)
	st.Holdup = s.holdup()
	return st
}

// holdup says what holds the queue up, if anything does.
func (s *state) holdup() string {
	switch {
	case s.frozen || s.queue.Len() == s.ended():
		return ""
	case s.link.phase != up && s.link.last != nil:
		return "no master: " + brief(s.link.last)
	case s.link.phase != up:
		return "no connection to the master"
	case s.queue.Ready() > 0 && s.offered.Add(stallWait/2).Before(s.now):
		return s.stallReason()
	}
	return s.ruledOut()
}

// ruledOut says how many tasks are not known to get on, and how many ready ones
// cannot be launched now, whatever is offered.
func (s *state) ruledOut() string {
	homeless, capped := 0, 0
	for shape := range s.queue.Shapes() {
		if s.place.homeless[s.homelessKey(shape.Head)] != nil {
			homeless += shape.Ready
		} else if s.cappedBy(shape.Head) != nil {
			capped += shape.Ready
		}
	}
	unsure := 0
	for t := range s.queue.Active() {
		if !t.Current().MayStillRun.IsZero() {
			unsure++
		}
	}
	var parts []string
	if unsure > 0 {
		parts = append(parts, countTasks(unsure)+" that may still run where the cluster does not know (cmdq explain ID)")
	}
	if homeless > 0 {
		parts = append(parts, countTasks(homeless)+" that no agent can run (cmdq explain ID)")
	}
	if capped > 0 {
		parts = append(parts, countTasks(capped)+" capped by their group or the run")
	}
	return strings.Join(parts, "; ")
}
