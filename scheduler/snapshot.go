package scheduler

import (
	"time"

	"cmdq/task"
)

// Snapshot is how far the queue is, at one moment. It is a value of its own:
// anyone may read it at any time.
type Snapshot struct {
	At        time.Time
	Tasks     int
	States    [task.NumStates]int
	Before    int // of those that ended: had before this start
	Delayed   int // of the idle ones, those that wait for their next attempt
	Connected bool
	Known     bool // a master has, or had, us as a framework
	Agents    int

	// Left is the time until all tasks have ended that may, as it was estimated
	// some seconds ago; LeftKnown: it could be.
	Left      time.Duration
	LeftKnown bool
}

// Ended is how many tasks have ended.
func (s Snapshot) Ended() int {
	return s.States[task.Finished] + s.States[task.Failed] + s.States[task.Killed]
}

// Bad is how many ended otherwise than finished.
func (s Snapshot) Bad() int { return s.States[task.Failed] + s.States[task.Killed] }

func (s *state) snapshot() *Snapshot {
	snap := &Snapshot{At: s.now, Tasks: s.queue.Len(), Before: s.before, Delayed: s.queue.Delayed(),
		Connected: s.link.phase == up, Known: s.link.ever, Agents: len(s.agents)}
	for i := range snap.States {
		snap.States[i] = s.queue.Count(task.State(i))
	}
	s.estimate()
	snap.Left, snap.LeftKnown = s.estimated.left, s.estimated.known
	return snap
}

// estimate is the last one of the time that is left. It costs a look at every
// task, so it is made the more seldom the more there are.
type estimate struct {
	at    time.Time
	left  time.Duration
	known bool
}

func (s *state) estimate() {
	e := &s.estimated
	every := time.Second + time.Duration(s.queue.Len()/20_000)*time.Second
	if e.at.Add(every).After(s.now) {
		return
	}
	e.at = s.now
	e.left, e.known = s.pace.left(s)
}
