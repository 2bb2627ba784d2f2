package scheduler

import (
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// placement watches for tasks that fit no agent, however empty. They wait, and
// block nobody.
type placement struct {
	checked  time.Time
	homeless map[homelessKey]*homeless
}

// homelessKey is a size of task, with its executor if cmdq's is to run it.
type homelessKey struct {
	need  task.Resources
	byOwn bool
	rules string
}

// homeless is one size of task that fits no agent seen so far.
type homeless struct {
	since time.Time
	said  time.Time
}

func (p *placement) due(s *state) time.Time {
	if s.queue.Ready() == 0 || len(s.agents) == 0 || !s.link.offered {
		return time.Time{}
	}
	return p.checked.Add(placeCheck)
}

func (s *state) tickPlacement() {
	p := &s.place
	if s.link.phase != up || !s.link.offered || p.checked.Add(placeCheck).After(s.now) {
		return
	}
	p.checked = s.now
	sizes, fit := s.sizes(false), s.sizes(true)
	if len(sizes) == 0 {
		return
	}
	still := map[homelessKey]*homeless{}
	var heads []*task.Task
	for shape := range s.queue.Shapes() {
		k := s.homelessKey(shape.Head)
		if (fitsAny(k.need, fit) || !k.byOwn && fitsAny(k.need, sizes)) && s.fitsSome(shape.Head) {
			continue
		}
		h := p.homeless[k]
		if h == nil {
			h = &homeless{since: s.now}
		}
		still[k] = h
		heads = append(heads, shape.Head)
	}
	p.homeless = still
	for _, head := range heads {
		s.onHomeless(head, still[s.homelessKey(head)])
	}
}

func (s *state) homelessKey(t *task.Task) homelessKey {
	return homelessKey{s.need(t), s.byOwn(t), t.Spec.Rules.Key()}
}

// fitsSome tells whether some agent, were it empty, could run a task by its rules
// too. Without any, that is known of the sizes.
func (s *state) fitsSome(t *task.Task) bool {
	if rules := t.Spec.Asks(); len(rules.Constraints) == 0 && rules.Ports == 0 {
		return true
	}
	for _, a := range s.agents {
		if a.known && !a.lost && a.meets(t) && s.portsFit(a, t) && s.need(t).Fits(a.largest) && !(s.byOwn(t) && a.unfit) {
			return true
		}
	}
	return false
}

func fitsAny(need task.Resources, sizes []task.Resources) bool {
	for _, size := range sizes {
		if need.Fits(size) {
			return true
		}
	}
	return false
}

func (s *state) onHomeless(head *task.Task, h *homeless) {
	if h.said.IsZero() || !h.said.Add(reminder).After(s.now) {
		h.said = s.now
		s.taskNote(logrus.WarnLevel, head, nil, "needs %s and fits no agent: %s; it waits, the others go on",
			s.needText(head), s.largestText(head))
	}
	if s.cfg.UnplaceableTimeout <= 0 {
		return
	}
	var over []*task.Task
	for t := range s.queue.SameShape(head) {
		since := h.since
		if t.Submitted.After(since) {
			since = t.Submitted
		}
		if !since.Add(s.cfg.UnplaceableTimeout).After(s.now) {
			over = append(over, t)
		}
	}
	for _, t := range over {
		s.end(t, nil, task.Failed, "UNPLACEABLE", "needs "+s.needText(t)+", but "+s.largestText(t))
	}
}

// needText is what a task needs, with its executor.
func (s *state) needText(t *task.Task) string {
	text := t.Spec.Resources.String()
	if n := portsOf(t); n > 0 {
		text += fmt.Sprintf(", %d ports", n)
	}
	if s.byOwn(t) {
		text += " and its executor " + s.cfg.Executor.Cost.String()
	}
	return text
}

// largestText says what the largest agent has that could run t.
func (s *state) largestText(t *task.Task) string {
	if s.need(t) != (task.Resources{}) && !s.meetsSome(t) {
		return "no agent seen meets its constraints: " + constraintsText(t)
	}
	if a := s.largestAgent(s.byOwn(t)); a != nil {
		text := "the largest agent seen, " + a.host + ", has " + a.largest.String()
		if portsOf(t) > 0 {
			text += fmt.Sprintf(", %d ports", a.mostPorts)
		}
		return text
	}
	return "no agent seen can run cmdq's executor"
}

// meetsSome tells whether some agent meets the constraints of a task.
func (s *state) meetsSome(t *task.Task) bool {
	for _, a := range s.agents {
		if a.known && !a.lost && a.meets(t) {
			return true
		}
	}
	return false
}

func constraintsText(t *task.Task) string {
	text := ""
	for i, c := range t.Spec.Asks().Constraints {
		if i > 0 {
			text += ", "
		}
		text += c.String()
	}
	return text
}

// largestAgent is the one with the most cpus, then memory, of those there are, or
// only of those that can run our executor.
func (s *state) largestAgent(forExecutor bool) *agent {
	var best *agent
	for _, a := range s.agents {
		if a.lost || !a.known || forExecutor && a.unfit {
			continue
		}
		if best == nil || a.largest.CPUs > best.largest.CPUs ||
			a.largest.CPUs == best.largest.CPUs && (a.largest.Mem > best.largest.Mem ||
				a.largest.Mem == best.largest.Mem && a.id < best.id) {
			best = a
		}
	}
	return best
}
