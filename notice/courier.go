// Package notice delivers notices of ends: to a command on this machine, or as a
// POST to an address. Each is tried until it went well, for about a day; so it
// comes at least once, and who gets one twice knows by its id.
//
// One goroutine of a Courier owns what is owed; every try has a goroutine of its
// own. Keeping it across restarts is the caller's (Book). The package decides
// nothing about tasks, follows no redirect to another host, and never logs an
// address but for its host, or what a notice says.
package notice

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// Book is where what is owed is kept. Its methods are called by the goroutines of
// tries, several at a time, and may wait; they return once it is safe.
type Book interface {
	// Keep stores what is owed: before every try, and after one that went wrong.
	Keep(context.Context, Owed) error
	// Drop forgets what was delivered, or tried for long enough.
	Drop(ctx context.Context, id string) error
}

// Config is what a Courier is told.
type Config struct {
	Book    Book
	Deliver func(context.Context, Owed) error // such as Deliverer.Deliver
	Log     *logrus.Entry
}

// Bounds of a Courier.
const (
	maxTrying = 4               // at a time
	dropTime  = 5 * time.Second // for a Drop, though the Courier ends
)

// Courier delivers what it is given. Start makes one.
type Courier struct {
	cfg  Config
	ctx  context.Context // of all tries
	stop context.CancelFunc
	give chan []Owed
	ask  chan chan status
	done chan struct{} // closed when the loop and all tries have ended
	last status        // of the loop when it ended
}

// status is how much is owed, until changed is closed.
type status struct {
	left    int
	changed <-chan struct{}
}

// Start begins with what is owed from before.
func Start(cfg Config, owed []Owed) *Courier {
	c := &Courier{cfg: cfg, give: make(chan []Owed), ask: make(chan chan status), done: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	l := newLoop(c)
	l.add(owed)
	go l.run()
	return c
}

// Owe takes notices that the Book has already. It waits for no try; after Close
// they are left to the next start.
func (c *Courier) Owe(owed ...Owed) {
	select {
	case c.give <- owed:
	case <-c.done:
	}
}

// Settle waits until nothing is owed, or ctx or the Courier ends, and returns how
// many notices still are.
func (c *Courier) Settle(ctx context.Context) int {
	for {
		now := c.status()
		if now.left == 0 {
			return 0
		}
		select {
		case <-now.changed:
		case <-ctx.Done():
			return now.left
		case <-c.done:
			return c.last.left
		}
	}
}

func (c *Courier) status() status {
	answer := make(chan status, 1)
	select {
	case c.ask <- answer:
		return <-answer
	case <-c.done:
		return c.last
	}
}

// Close cuts off the tries that are under way, and returns when they have ended.
// What is owed then is for the next start.
func (c *Courier) Close() {
	c.stop()
	<-c.done
}
