package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmdq/task"
)

// Explanation says why a task is where it is.
type Explanation struct {
	ID       task.ID
	State    task.State
	Code     string // see the constants
	Text     string // a sentence
	Evidence []string
}

// The codes of an Explanation.
const (
	WhyHeld         = "held"
	WhyWaiting      = "waiting" // for other tasks
	WhyDelayed      = "delayed" // until its next attempt
	WhyCapped       = "capped"  // by its group
	WhyDisconnected = "disconnected"
	WhyNoAgents     = "no-offers" // none has come
	WhyConstraint   = "constraint"
	WhyTooLarge     = "too-large"
	WhyResting      = "resting" // the agents that it fits are left alone
	WhyFull         = "full"    // it fits an agent, and not what is free there
	WhyReady        = "ready"
	WhySuppressed   = "suppressed" // a fault of ours
	WhyActive       = "active"
	WhyUnsure       = "may-still-run"
	WhyFetching     = "fetching"
	WhyEnded        = "ended"
)

// Explain says why a task is where it is, as it is now; false: there is no such
// task, and near may have been meant.
func (s *Scheduler) Explain(ctx context.Context, id task.ID) (x Explanation, near []task.ID, ok bool, err error) {
	err = s.ask(ctx, func(st *state) {
		if t := st.queue.Get(id); t != nil {
			x, ok = st.explain(t), true
		} else {
			near = st.near(id)
		}
	})
	return x, near, ok, err
}

func (s *state) explain(t *task.Task) Explanation {
	x := Explanation{ID: t.ID, State: t.State}
	switch {
	case t.State == task.Idle:
		s.explainIdle(t, &x)
	case t.State.Active():
		s.explainActive(t, &x)
	case t.State == task.Fetching && s.frozen:
		x.Code, x.Text = WhyFetching, fmt.Sprintf("its command has ended; the next start fetches what it left on %s", fetchedFrom(t))
	case t.State == task.Fetching:
		x.Code, x.Text = WhyFetching, fmt.Sprintf("its command has ended; what it left on %s is being fetched", fetchedFrom(t))
	default:
		x.Code, x.Text = WhyEnded, fmt.Sprintf("it has ended: %s%s", t.State, because(t.End.Reason, t.End.Message))
	}
	return x
}

// fetchedFrom is the host of the launch that finished, which may be an earlier one.
func fetchedFrom(t *task.Task) string {
	if a := t.Attempt(t.End.Launch); a != nil {
		return a.Host
	}
	return t.Current().Host
}

func (s *state) explainActive(t *task.Task, x *Explanation) {
	a := t.Current()
	x.Code = WhyActive
	switch {
	case !a.MayStillRun.IsZero():
		x.Code = WhyUnsure
		x.Text = fmt.Sprintf("it may still run on %s: the cluster has not known since %s; a second launch is made, if it may have one, at %s",
			a.Host, clock(a.MayStillRun), clock(a.MayStillRun.Add(s.cfg.UnreachableTimeout)))
	case !a.Settle.IsZero():
		x.Text = fmt.Sprintf("it has ended (%s); its exit status is waited for until %s", a.State, clock(a.Settle))
	case t.State == task.Starting:
		x.Text = fmt.Sprintf("it was launched on %s at %s and is not known to run yet", a.Host, clock(a.Launched))
	default:
		x.Text = fmt.Sprintf("it runs on %s since %s", a.Host, clock(a.Started))
	}
	switch {
	case s.frozen && !a.Settle.IsZero():
		x.Text = fmt.Sprintf("it has ended (%s), as the next start takes it", a.State)
	case s.frozen && s.cfg.Own && t.Stop.Kills():
		x.Text = fmt.Sprintf("it was on %s when cmdq ended, and ended with it; the next start ends it killed", a.Host)
	case s.frozen && s.cfg.Own:
		x.Text = fmt.Sprintf("it was on %s when cmdq ended, and ended with it; the next start runs it again", a.Host)
	case s.frozen:
		x.Text = "when cmdq ended: " + x.Text
	}
	if t.Stop != task.NotStopped {
		x.Evidence = append(x.Evidence, "it is being killed")
	}
}

func clock(t time.Time) string { return t.Local().Format(time.DateTime) }

// explainIdle finds the first thing that keeps a task from being launched.
func (s *state) explainIdle(t *task.Task, x *Explanation) {
	wake, delayed := s.queue.WakeAt(t.ID)
	group := s.cappedBy(t)
	switch {
	case t.Held:
		x.Code, x.Text = WhyHeld, "it is held (cmdq release "+string(t.ID)+" lets it go)"
	case s.deps.waiting[t.ID] > 0:
		x.Code, x.Text = WhyWaiting, "it waits for other tasks to finish: "+s.waitsText(t)
	case delayed && wake.After(s.now):
		x.Code, x.Text = WhyDelayed, "its next attempt is at "+clock(wake)
		if a := t.Current(); a != nil {
			x.Evidence = append(x.Evidence, fmt.Sprintf("attempt %d on %s: %s%s", a.Number, a.Host, a.State, because(a.Reason, a.Message)))
		}
	case s.frozen:
		x.Code, x.Text = WhyDisconnected, "no cmdq is running"
	case s.link.phase != up:
		x.Code, x.Text = WhyDisconnected, "there is no connection to the master at "+s.cfg.Master
		if s.link.last != nil {
			x.Evidence = append(x.Evidence, brief(s.link.last))
		}
	case group != nil && s.place.homeless[s.homelessKey(t)] == nil: // else it would wait without the cap, too
		x.Code = WhyCapped
		x.Text = fmt.Sprintf("%s runs %d, as many as it may", groupWords(*group), s.group(*group).running)
	case s.link.suppressed:
		x.Code, x.Text = WhySuppressed, "offers are suppressed though it waits, which is a fault of cmdq"
	default:
		s.explainPlace(t, x)
	}
}

// waitsText names what a task waits for, the first few.
func (s *state) waitsText(t *task.Task) string {
	const most = 5
	var names []string
	for _, name := range afterOf(t) {
		if n := s.deps.names[name]; n != nil && n.open > 0 {
			text := string(name)
			if n.open > 1 {
				text += fmt.Sprintf(" (%d of its tasks)", n.open)
			}
			names = append(names, text)
		}
	}
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

// explainPlace looks at the agents, as their last offers told of them.
func (s *state) explainPlace(t *task.Task, x *Explanation) {
	var known, meets, fits, awake []*agent
	role, others := s.role(t), false
	for _, a := range s.agents {
		if !a.known || a.lost {
			continue
		}
		if _, offered := a.left[role]; !offered {
			others = true
			continue
		}
		known = append(known, a)
		if !a.meets(t) {
			continue
		}
		meets = append(meets, a)
		if s.byOwn(t) && a.unfit || !s.need(t).Fits(a.largest) || !s.portsFit(a, t) {
			continue
		}
		fits = append(fits, a)
		if !s.resting(a) {
			awake = append(awake, a)
		}
	}
	switch {
	case len(known) == 0 && others:
		x.Code, x.Text = WhyNoAgents, fmt.Sprintf("no offer to role %s has come since %s, only to others", role, clock(s.link.since))
		x.Evidence = []string{"no agent may have anything for role " + role + "; other frameworks or a quota may hold all there is"}
	case len(known) == 0:
		x.Code, x.Text = WhyNoAgents, fmt.Sprintf("no offer has come since %s", clock(laterOf(s.link.since, s.lastOffer)))
		x.Evidence = []string{"no agent may be registered, or none has anything for role " + role +
			"; other frameworks or a quota may hold all there is"}
	case len(meets) == 0:
		x.Code, x.Text = WhyConstraint, agentsText(len(known), "does not meet", "meets")+" its constraints"
		x.Evidence = s.unmetText(t, known)
	case len(fits) == 0:
		x.Code, x.Text = WhyTooLarge, "it needs "+s.needText(t)+", and "+agentsText(len(meets), "is too small", "is large enough")+", however empty"
		x.Evidence = s.shortText(t, meets, whole)
	case len(awake) == 0:
		x.Code, x.Text = WhyResting, "the agents that it fits are left alone for now, since launches ended there before they ran"
		names := s.agentNames()
		for _, a := range s.nearest(t, fits, whole) {
			x.Evidence = append(x.Evidence, names[a.id]+": until "+clock(a.restUntil))
		}
	default:
		free := func(a *agent) room { return a.left[role] }
		if slices.ContainsFunc(awake, func(a *agent) bool { return s.lacks(t, a, free(a)) == nil }) {
			x.Code, x.Text = WhyReady, "it is ready, and goes with the next offer that it fits; others may be in front of it"
			return
		}
		x.Code, x.Text = WhyFull, fmt.Sprintf("it needs %s, and no agent has that free", s.needText(t))
		x.Evidence = s.shortText(t, awake, free)
		if s.active() == 0 {
			x.Evidence = append(x.Evidence, "none of our tasks runs: other frameworks or a quota hold the rest")
		}
	}
	if s.link.offered {
		x.Evidence = append(x.Evidence, "the last offer came "+since(s.now, s.lastOffer)+" ago")
	}
}

// agentsText is about the only agent, or none of several.
func agentsText(n int, one, none string) string {
	if n == 1 {
		return "the only agent " + one
	}
	return fmt.Sprintf("none of %d agents %s", n, none)
}

func since(now, at time.Time) string { return now.Sub(at).Round(time.Second).String() }

// unmetText says of three agents what they lack.
func (s *state) unmetText(t *task.Task, agents []*agent) []string {
	var out []string
	names := s.agentNames()
	for _, a := range s.nearest(t, agents, whole) {
		c := a.unmet(t)
		values := a.attributes[c.Attribute]
		if c.Attribute == "hostname" {
			values = []string{a.host}
		}
		has := "has no " + c.Attribute
		if len(values) > 0 {
			has = fmt.Sprintf("%s is %s", c.Attribute, strings.Join(values[:min(3, len(values))], ", "))
		}
		out = append(out, fmt.Sprintf("%s: %s, wanted is %s", names[a.id], has, c))
	}
	return out
}

// whole is all that an agent was ever seen to have.
func whole(a *agent) room { return room{free: a.largest, ports: a.mostPorts} }

// shortText says of the three agents that are nearest what they are short of.
func (s *state) shortText(t *task.Task, agents []*agent, has func(*agent) room) []string {
	var out []string
	names := s.agentNames()
	for _, a := range s.nearest(t, agents, has) {
		if s.byOwn(t) && a.unfit {
			out = append(out, names[a.id]+": cannot run cmdq's executor")
			continue
		}
		var words []string
		for _, l := range s.lacks(t, a, has(a)) {
			words = append(words, fmt.Sprintf("%g of %g %s", float64(l.need-l.has)/1000, float64(l.need)/1000, l.name))
		}
		out = append(out, names[a.id]+": "+strings.Join(words, ", ")+" short")
	}
	return out
}

// lack is something that a task needs more of than there is, in thousandths.
type lack struct {
	name      string
	need, has int64
}

// lacks is what a task is short of on an agent where there is this much.
func (s *state) lacks(t *task.Task, a *agent, r room) (out []lack) {
	need := t.Spec.Resources
	if s.byOwn(t) && s.executorOn(a, s.executorKey(t)) == nil {
		need = s.need(t)
	}
	for _, l := range []lack{
		{"cpus", need.CPUs, r.free.CPUs}, {"MB", need.Mem * 1000, r.free.Mem * 1000},
		{"MB of disk", need.Disk * 1000, r.free.Disk * 1000}, {"gpus", need.GPUs * 1000, r.free.GPUs * 1000},
		{"ports", int64(portsOf(t)) * 1000, int64(r.ports) * 1000},
	} {
		if l.need > l.has {
			out = append(out, l)
		}
	}
	return out
}

// nearest are the three agents that are least short of what a task needs.
func (s *state) nearest(t *task.Task, agents []*agent, has func(*agent) room) []*agent {
	short := make(map[*agent]float64, len(agents))
	for _, a := range agents {
		for _, l := range s.lacks(t, a, has(a)) {
			short[a] += float64(l.need-l.has) / float64(l.need)
		}
	}
	agents = slices.Clone(agents)
	slices.SortFunc(agents, func(a, b *agent) int {
		return cmp.Or(cmp.Compare(short[a], short[b]), strings.Compare(a.host, b.host), strings.Compare(a.id, b.id))
	})
	return agents[:min(3, len(agents))]
}

func (s *state) agentNames() map[string]string {
	hosts := make(map[string]string, len(s.agents))
	for id, a := range s.agents {
		hosts[id] = a.host
	}
	return tellApart(hosts)
}

// AgentNames has, by the id of each of these agents, what tells it from the others.
func AgentNames(agents []AgentStanding) map[string]string {
	hosts := make(map[string]string, len(agents))
	for _, a := range agents {
		hosts[a.ID] = a.Host
	}
	return tellApart(hosts)
}

// tellApart makes names of agents out of their hosts, by id: the host, and where
// several agents have that, the end of the id, which Mesos numbers: UUID-S0. If that
// is not enough either, it is all of the id.
func tellApart(hosts map[string]string) map[string]string {
	type name struct{ host, end string }
	there := map[name]int{}
	for id, host := range hosts {
		there[name{host: host}]++
		there[name{host, endOf(id)}]++
	}
	names := make(map[string]string, len(hosts))
	for id, host := range hosts {
		switch end := endOf(id); {
		case there[name{host: host}] == 1:
			names[id] = host
		case there[name{host, end}] == 1:
			names[id] = host + " (" + end + ")"
		default:
			names[id] = host + " (" + id + ")"
		}
	}
	return names
}

// endOf is what stands behind the last dash of an agent's id.
func endOf(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }
