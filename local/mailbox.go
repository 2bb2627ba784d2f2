package local

import (
	"sync"
	"time"
)

// mailbox is the only way to an actor: the master, or one agent. An actor is
// one goroutine that owns its state and runs what is posted, in order; all
// state is read and changed there.
//
// A post never waits, so that actors that post to each other cannot block each
// other. What may wait in a mailbox is bounded all the same: an HTTP request
// posts once and waits for its answer, and what the actors tell each other is
// a few messages a task.
type mailbox struct {
	mu     sync.Mutex
	queue  []func()
	urgent []func() // goes before the queue, also while that is held
	held   bool     // the queue waits
	closed bool

	wake chan struct{} // holds one token while the queue may not be empty
	done chan struct{} // closed when the actor has ended
}

func newMailbox() *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// post hands f to the actor. It is false, and f never runs, once the mailbox
// is closed.
func (b *mailbox) post(f func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.queue = append(b.queue, f)
	b.mu.Unlock()
	b.ring()
	return true
}

func (b *mailbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// interrupt is as post, but f runs before all that was posted, also while the
// mailbox is held.
func (b *mailbox) interrupt(f func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.urgent = append(b.urgent, f)
	b.mu.Unlock()
	b.ring()
	return true
}

// hold makes everything wait that is posted, until it is called with false.
// It takes effect at once when the actor itself calls it by interrupt.
func (b *mailbox) hold(held bool) {
	b.mu.Lock()
	b.held = held
	b.mu.Unlock()
	b.ring()
}

// call runs f in the actor and waits until it has run; false if the actor has
// ended and f may not have run.
func (b *mailbox) call(f func()) bool { return b.await(b.post, f) }

// override is as call, by interrupt.
func (b *mailbox) override(f func()) bool { return b.await(b.interrupt, f) }

func (b *mailbox) await(post func(func()) bool, f func()) bool {
	ran := make(chan struct{})
	if !post(func() { f(); close(ran) }) {
		return false
	}
	select {
	case <-ran:
		return true
	case <-b.done:
		return false
	}
}

// close makes the actor end after what it has begun; the rest is dropped.
func (b *mailbox) close() {
	b.mu.Lock()
	b.closed = true
	b.queue, b.urgent = nil, nil
	b.mu.Unlock()
	b.ring()
}

// take empties the queue into spare, or what goes before it.
func (b *mailbox) take(spare []func()) (batch []func(), closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.urgent) > 0:
		batch, b.urgent = b.urgent, nil
		b.ring() // for the queue
		return batch, b.closed
	case b.held:
		return spare[:0], b.closed
	}
	batch, b.queue = b.queue, spare[:0]
	return batch, b.closed
}

// run is an actor's loop. Before each post it tells the time through turn;
// after all posts that had come it calls settle, for what is better done once
// for many; tick, if not nil, brings a regular event.
func (b *mailbox) run(turn func(now time.Time), settle func(), tick <-chan time.Time, onTick func()) {
	defer close(b.done)
	var spare []func()
	for {
		select {
		case <-b.wake:
			batch, closed := b.take(spare)
			if closed {
				return
			}
			for i, f := range batch {
				turn(time.Now())
				f()
				batch[i] = nil
			}
			spare = batch
		case now := <-tick:
			turn(now)
			onTick()
		}
		settle()
	}
}
