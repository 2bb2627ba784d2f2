package scheduler

import (
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// placement watches for tasks that fit no agent, however empty. They wait, and
// block nobody.
type placement struct {
	checked  time.Time
	homeless map[task.Resources]*homeless
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
	sizes := s.sizes()
	if len(sizes) == 0 {
		return
	}
	still := map[task.Resources]*homeless{}
	var heads []*task.Task
	for shape := range s.queue.Shapes() {
		if fitsAny(shape.Need, sizes) {
			continue
		}
		h := p.homeless[shape.Need]
		if h == nil {
			h = &homeless{since: s.now}
		}
		still[shape.Need] = h
		heads = append(heads, shape.Head)
	}
	p.homeless = still
	for _, head := range heads {
		s.onHomeless(head, still[head.Spec.Resources])
	}
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
	a := s.largestAgent()
	if h.said.IsZero() || !h.said.Add(reminder).After(s.now) {
		h.said = s.now
		s.taskNote(logrus.WarnLevel, head, nil, "needs %s and fits no agent: the largest seen, %s, has %s; it waits, the others go on",
			head.Spec.Resources, a.host, a.largest)
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
		s.end(t, nil, task.Failed, "UNPLACEABLE", "needs "+t.Spec.Resources.String()+", but the largest agent seen, "+
			a.host+", has "+a.largest.String())
	}
}

// largestAgent is the one with the most cpus, then memory, of those there are.
func (s *state) largestAgent() *agent {
	var best *agent
	for _, a := range s.agents {
		if a.lost || !a.known {
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
