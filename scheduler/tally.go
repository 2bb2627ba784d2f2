package scheduler

import (
	"time"

	"cmdq/task"
)

// Meter hears how the loop does. Only Run's goroutine calls it, once a batch and
// not once an event; it must not block.
type Meter interface {
	// Stepped comes after the effects of a batch were stored and sent.
	Stepped(Tally)
	// Stored comes after each try to store a batch.
	Stored(took time.Duration, err error)
}

// Tally counts what one batch of events came to. Maps and slices of it are the
// Meter's.
type Tally struct {
	Lag time.Duration // from the arrival of the first event until all of the batch was stepped

	Launches                  int
	Charged, Infra, Uncharged int // tasks that are idle again: for a failure of theirs, of the cluster, of nobody
	Received, Used, Declined  int // offers
	Suppressed, Revived       int // calls
	Reconnected               int // times that we were subscribed again

	Waits   []time.Duration   // from queued to up, of first launches
	Updates map[[2]string]int // how many of this state and reason, as mesos-go names them; no reason: ""
}

// updated counts a status update.
func (t *Tally) updated(state, reason string) {
	if t.Updates == nil {
		t.Updates = map[[2]string]int{}
	}
	t.Updates[[2]string{state, reason}]++
}

// countUp notes how long a task waited until its first launch was up.
func (s *state) countUp(t *task.Task, a *task.Attempt) {
	if a.Number == t.Base+1 {
		s.tally.Waits = append(s.tally.Waits, s.now.Sub(t.Submitted))
	}
}
