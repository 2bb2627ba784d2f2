package scheduler

import (
	"maps"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// agent is what we know of one agent.
type agent struct {
	id, host string
	used     task.Resources // by our launches there, and by the executors below
	largest  task.Resources // the most it was ever seen to have
	known    bool           // an offer told its size
	met      time.Time      // when it did
	free     task.Resources // the most that it ever offered
	offered  task.Resources // what its last offer had
	seen     time.Time      // when that came

	left      map[string]room // by role: what we left of its last offer
	mostPorts int             // the most ports it was ever seen to have
	lost      bool            // said to be gone; launches of ours may still be on record
	doubted   bool            // launches of ours there may still run: to be asked about when it is seen again

	attributes map[string][]string // as the last offer told them

	executors map[executorKey]*executor // of ours, those that new launches can go to
	former    map[string]*executor      // by id: those that can live but that nothing new is sent to
	unfit     bool                      // it cannot run our executor

	notStarted string // the id of the executor of ours whose failure to start was last told

	// What speaks against it: launches of different tasks that ended, each in
	// an incident of its own, before they ran.
	suspects  []task.ID
	incident  time.Time // when the last of them ended
	restUntil time.Time // declined until then
}

// meet finds the agent of an offer, or gets to know it.
func (s *state) meet(o *mesos.Offer) *agent {
	a := s.agent(o.AgentID.Value)
	back := a.lost
	a.host, a.lost = clean(o.Hostname), false
	if back {
		s.shutIdle(a) // those that came back with it
	}
	a.attributes = attributesOf(o.Attributes)
	s.checkArch(a, o.Attributes)
	if a.doubted {
		a.doubted = false
		s.askAboutAgent(a)
	}
	return a
}

func (s *state) agent(id string) *agent {
	a, ok := s.agents[id]
	if !ok {
		a = &agent{id: id, host: id, left: map[string]room{}}
		s.agents[id] = a
	}
	return a
}

// saw learns the agent's size from an offer. Only at first sight do launches of
// ours there count too: later, an offer may hold what a launch has given back
// before we heard of its end.
func (a *agent) saw(free task.Resources, now time.Time) {
	a.free = a.free.Max(free)
	if !a.known {
		a.largest, a.known, a.met = free.Add(a.used), true, now
		return
	}
	a.largest = a.largest.Max(free)
}

// longBefore is more than clocks differ, and than an offer is on its way.
const longBefore = time.Minute

// gaveBack takes back what was counted at first sight for a launch that had ended
// long before, as it is told now: the offer held it already. So it is when we come
// back after a while.
func (a *agent) gaveBack(t *task.Task, at *task.Attempt) {
	if a.known && at.Launched.Before(a.met) && at.Ended.Add(longBefore).Before(a.met) {
		a.largest = a.largest.Sub(t.Spec.Resources).Max(a.free)
	}
}

// onAgentLost: slaveLost. The updates of its tasks come on their own.
func (s *state) onAgentLost(ev AgentLost) {
	a, ok := s.agents[ev.Agent]
	if !ok {
		return
	}
	s.note(logrus.WarnLevel, logrus.Fields{"agent": a.host}, "agent lost")
	a.lost = true
	for _, x := range a.executors {
		s.retire(a, x)
	}
	s.forget(a)
}

// forget drops a lost agent that holds nothing of ours.
func (s *state) forget(a *agent) {
	if a.lost && a.used == (task.Resources{}) && len(a.former) == 0 {
		delete(s.agents, a.id)
	}
}

// forgetIdle drops, on a new stream, what may have gone while nobody could tell
// us: executors without a task, which are told to go, and agents that hold nothing
// of ours. Those that are there are offered again.
func (s *state) forgetIdle() {
	for _, id := range slices.Sorted(maps.Keys(s.agents)) {
		a := s.agents[id]
		s.shutIdle(a)
		if a.used == (task.Resources{}) && !a.restUntil.After(s.now) {
			delete(s.agents, a.id)
		}
	}
}

// onExecutorLost: executorLost. The updates of its tasks come on their own.
func (s *state) onExecutorLost(ev ExecutorLost) {
	level, host := logrus.WarnLevel, ev.Agent
	if a := s.agents[ev.Agent]; a != nil {
		host = a.host
		x := a.executor(ev.Executor)
		if strings.HasPrefix(ev.Executor, executorIDs) {
			s.checkExecutable(a, ev.Status) // also if updates told of its end first
		}
		if x != nil {
			if code := ev.Status >> 8 & 0xff; !x.started && code != notExecutable && code != notFound && ev.Status >= 0 {
				s.note(logrus.WarnLevel, logrus.Fields{"agent": host}, "cmdq's executor ended there before it ran a task (wait status %d)%s; its standard error is in its sandbox",
					ev.Status, s.cfg.Executor.from())
			}
			s.dropExecutor(a, x)
		}
		delete(a.former, ev.Executor)
		s.forget(a)
		if (x == nil || x.active == 0) && strings.HasPrefix(ev.Executor, executorIDs) {
			level = logrus.DebugLevel // it had nothing to do
		}
	}
	s.note(level, logrus.Fields{"agent": host}, "executor %s ended with wait status %d", clean(ev.Executor), ev.Status)
}

// ranOn: a command is up there, so the agent can start commands.
func (s *state) ranOn(a *agent) { a.suspects = nil }

// failedOn counts a launch that ended before it ran. Launches decided before
// the last such end was seen belong to the same incident.
func (s *state) failedOn(a *agent, t *task.Task, launched time.Time) {
	if !launched.After(a.incident) || slices.Contains(a.suspects, t.ID) {
		return
	}
	a.suspects, a.incident = append(a.suspects, t.ID), s.now
	if len(a.suspects) < badAgentCount {
		return
	}
	a.suspects = nil
	if s.others(a) {
		a.restUntil = s.now.Add(badAgentRest)
		s.note(logrus.WarnLevel, logrus.Fields{"agent": a.host},
			"%d launches of different tasks ended there before they ran: agent declined for %s", badAgentCount, badAgentRest)
	}
}

// resting tells whether the agent's offers are declined, which they are only
// while there is another agent to go to.
func (s *state) resting(a *agent) bool {
	return a.restUntil.After(s.now) && s.others(a)
}

func (s *state) others(than *agent) bool {
	for _, a := range s.agents {
		if a != than && !a.lost && a.known && !a.restUntil.After(s.now) {
			return true
		}
	}
	return false
}

func (s *state) anyResting() bool {
	for _, a := range s.agents {
		if s.resting(a) {
			return true
		}
	}
	return false
}

// sizes are the different sizes of the agents there are, or only of those that
// can run our executor.
func (s *state) sizes(forExecutor bool) []task.Resources {
	var out []task.Resources
	seen := map[task.Resources]bool{}
	for _, a := range s.agents {
		if a.known && !a.lost && !(forExecutor && a.unfit) && !seen[a.largest] {
			seen[a.largest] = true
			out = append(out, a.largest)
		}
	}
	return out
}
