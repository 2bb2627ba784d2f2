package notice

import (
	"slices"
	"time"
)

// entry is a notice that is owed, in the loop of a Courier.
type entry struct {
	id string // of it; the rest is the try's while there is one, but for trying
	Owed
	trying bool
	over   bool // delivered, or tried for long enough: it only has to leave the Book
	gone   bool // it has
}

// loop owns what a Courier owes.
type loop struct {
	c       *Courier
	entries []*entry // in the order they came
	known   map[string]bool
	trying  int
	tried   chan *entry
	changed chan struct{} // closed when less is owed
}

func newLoop(c *Courier) *loop {
	return &loop{c: c, known: map[string]bool{}, tried: make(chan *entry), changed: make(chan struct{})}
}

func (l *loop) run() {
	defer close(l.c.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	ending := l.c.ctx.Done()
	for ending != nil || l.trying > 0 {
		if l.c.ctx.Err() == nil {
			timer.Reset(l.begin(time.Now()))
		}
		select {
		case owed := <-l.c.give:
			l.add(owed)
		case e := <-l.tried:
			l.ended(e)
		case answer := <-l.c.ask:
			answer <- l.status()
		case <-timer.C:
		case <-ending:
			ending = nil // from here on only what is under way ends
		}
	}
	l.c.last = l.status()
}

func (l *loop) status() status { return status{left: len(l.entries), changed: l.changed} }

// add takes what is owed, but for what it has already.
func (l *loop) add(owed []Owed) {
	for _, o := range owed {
		if !l.known[o.ID] {
			l.known[o.ID] = true
			l.entries = append(l.entries, &entry{id: o.ID, Owed: o.taken(time.Now())})
		}
	}
}

// begin begins the tries that are due, and returns when to look again.
func (l *loop) begin(now time.Time) time.Duration {
	next := mostWait
	for _, e := range l.entries {
		if e.trying {
			continue
		}
		if due := e.Next.Sub(now); due > 0 {
			next = min(next, due)
			continue
		}
		if l.trying == maxTrying {
			break // the end of a try comes back here
		}
		e.trying = true
		l.trying++
		go func() {
			l.c.try(e)
			l.tried <- e
		}()
	}
	return next
}

func (l *loop) ended(e *entry) {
	e.trying = false
	l.trying--
	if e.gone {
		delete(l.known, e.id)
		l.entries = slices.DeleteFunc(l.entries, func(o *entry) bool { return o == e })
		close(l.changed)
		l.changed = make(chan struct{})
	}
}
