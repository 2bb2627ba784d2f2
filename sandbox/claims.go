package sandbox

import (
	"context"
	"sync"
)

// claims says whose turn it is to write to a place. Who comes later to a place
// has it: a task that was cancelled while its outputs came, and was run again, has
// those of its last launch in the end.
type claims struct {
	mu     sync.Mutex
	left   sync.Cond
	newest map[Place]*job // who came last, until it is done
	taken  map[Place]bool // somebody writes there now
}

func newClaims() *claims {
	c := &claims{newest: map[Place]*job{}, taken: map[Place]bool{}}
	c.left.L = &c.mu
	return c
}

// places are where a request writes to.
func (r *Request) places() []Place {
	var list []Place
	if len(r.Outputs) > 0 {
		list = append(list, r.OutputsTo)
	}
	if r.Keep {
		list = append(list, r.KeepTo)
	}
	return list
}

// claim gives a job its places, and ends those that had them.
func (c *claims) claim(j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range j.places() {
		if old := c.newest[p]; old != nil && old != j { // both purposes may have one place
			old.cancel()
		}
		c.newest[p] = j
	}
}

// enter waits until nobody else writes where a job does. It is false, and the job
// has not entered, if that was ended meanwhile.
func (c *claims) enter(j *job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for j.ctx.Err() == nil && c.isTaken(j) {
		c.left.Wait() // not for long: who writes there was ended
	}
	if j.ctx.Err() != nil {
		return false
	}
	for _, p := range j.places() {
		c.taken[p] = true
	}
	return true
}

func (c *claims) isTaken(j *job) bool {
	for _, p := range j.places() {
		if c.taken[p] {
			return true
		}
	}
	return false
}

// leave lets others in. Over says that the job is done.
func (c *claims) leave(j *job, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range j.places() {
		delete(c.taken, p)
		if over && c.newest[p] == j {
			delete(c.newest, p)
		}
	}
	c.left.Broadcast()
}

// withCancel gives a job a context of its own.
func (j *job) withCancel(ctx context.Context) *job {
	j.ctx, j.cancel = context.WithCancel(ctx)
	return j
}
