// Package scheduler is cmdq's Mesos framework: it launches the tasks of the
// queue on what the master offers and follows each of them to its end.
//
// One goroutine, Run, owns all state; everything else talks to it through
// channels. A step decides and does no I/O: it takes the time and an event and
// returns Effects, which Run first stores and then sends, so that nobody ever
// hears of a decision that is not on record. What a crash leaves half done is
// repaired by reconciliation. The package opens no connection and no file.
package scheduler

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/mesosapi"
	"cmdq/task"
)

// Master is the way to the cluster. Calls leave in order, but for
// acknowledgements, which overtake each other and everything else.
type Master interface {
	Subscribe(*sched.Call) (epoch int)
	Send(*sched.Call)
	Acknowledge(*sched.Call)
	Flush(context.Context) error // until all calls were answered
}

// Journal keeps records. Append returns once they are safe; after an error it is
// called again with the same ones.
type Journal interface {
	Append([]Record) error
}

// Scheduler runs one queue on one cluster.
type Scheduler struct {
	state    *state
	master   Master
	incoming <-chan mesosapi.Incoming
	journal  Journal
	log      *logrus.Entry

	// Collector fetches what launches left; nil: nothing is fetched. It is set
	// before Run.
	Collector Collector

	// Meter hears how the loop does; nil: nobody does. It is set before Run.
	Meter Meter

	// Watcher is told of every task that changed, once what it is is stored, in
	// Run's goroutine; it must keep nothing and be quick. Nil: nobody is. It is
	// set before Run.
	Watcher func(View, *task.Task)

	requests chan Event
	asks     chan func(*state)
	done     chan struct{} // closed when Run has ended
	held     []Event       // requests that came while nothing could be stored
	latest   atomic.Pointer[Snapshot]
	epoch    int
}

// New makes a scheduler. Nothing happens before Run.
func New(cfg Config, master Master, incoming <-chan mesosapi.Incoming, journal Journal, log *logrus.Entry) *Scheduler {
	s := &Scheduler{state: newState(cfg), master: master, incoming: incoming, journal: journal, log: log,
		requests: make(chan Event, 16), asks: make(chan func(*state)),
		done: make(chan struct{})}
	s.latest.Store(&Snapshot{})
	return s
}

// Post hands an event of our own side (Load, Cancel, Interrupt, Detach) to Run. It
// waits while Run is busy, and gives up with ctx.
func (s *Scheduler) Post(ctx context.Context, ev Event) error {
	select {
	case s.requests <- ev:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("post %T: %w", ev, ctx.Err())
	}
}

// Snapshot is how far the queue is.
func (s *Scheduler) Snapshot() Snapshot { return *s.latest.Load() }

// Tasks yields every task. Only for use when Run is not running.
func (s *Scheduler) Tasks() iter.Seq[*task.Task] { return s.state.queue.All() }

// FrameworkID is the id in use, or the last one that was. Only for use when Run
// is not running.
func (s *Scheduler) FrameworkID() string {
	if s.state.framework.ID == "" {
		return s.state.former
	}
	return s.state.framework.ID
}

// maxBatch bounds how many events are stepped before their effects are stored
// together.
const maxBatch = 512

// Run works until the run is over or ctx ends. An error is a journal that could
// not store when we were asked to go, or the end of ctx; how a run ended
// otherwise is in Over.
func (s *Scheduler) Run(ctx context.Context) (Over, error) {
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var eff Effects
		var arrived time.Time
		select {
		case <-ctx.Done():
			return Over{}, ctx.Err()
		case in := <-s.incoming:
			arrived = in.At
			s.take(in, &eff)
		case ev := <-s.requests:
			arrived = time.Now()
			eff.add(s.state.step(arrived, ev))
		case ask := <-s.asks:
			if now := time.Now(); now.After(s.state.now) {
				s.state.now = now // or "… ago" would be by the last event
			}
			ask(s.state)
			continue
		case <-timer.C:
			arrived = time.Now()
			eff.add(s.state.step(arrived, Tick{}))
		}
		s.drain(&eff)
		s.state.tally.Lag = time.Since(arrived)
		over, err := s.commit(ctx, eff)
		if err != nil {
			return Over{}, err
		}
		if s.Meter != nil {
			s.Meter.Stepped(s.state.tally)
		}
		s.state.tally = Tally{}
		if over != nil {
			return *over, nil
		}
		timer.Reset(time.Until(s.state.nextDue()))
	}
}

// drain steps what has come in meanwhile, so that one Append stores it all.
func (s *Scheduler) drain(eff *Effects) {
	for _, ev := range s.held {
		eff.add(s.state.step(time.Now(), ev))
	}
	s.held = nil
	for i := 0; i < maxBatch && eff.Over == nil; i++ {
		select {
		case in := <-s.incoming:
			s.take(in, eff)
		case ev := <-s.requests:
			eff.add(s.state.step(time.Now(), ev))
		default:
			return
		}
	}
}

func (s *Scheduler) take(in mesosapi.Incoming, eff *Effects) {
	if in.Epoch != s.epoch {
		return // of a stream that was given up
	}
	if ev := fromWire(in); ev != nil {
		eff.add(s.state.step(time.Now(), ev))
	}
}

// commit stores, then sends. It tells whether the run is over.
func (s *Scheduler) commit(ctx context.Context, eff Effects) (*Over, error) {
	if err := s.store(ctx, eff.Records); err != nil {
		return nil, err
	}
	s.latest.Store(s.state.snapshot())
	for _, answer := range eff.Answers {
		answer()
	}
	if s.Watcher != nil {
		for _, r := range eff.Records {
			if r.Task != nil {
				s.Watcher(View{s.state}, r.Task)
			}
		}
	}
	defer s.say(eff.Notes) // a slow terminal holds back no call
	for _, call := range eff.Calls {
		switch call.Type {
		case sched.Call_SUBSCRIBE:
			s.epoch = s.master.Subscribe(call)
		case sched.Call_ACKNOWLEDGE:
			s.master.Acknowledge(call)
		case sched.Call_TEARDOWN:
			return s.commit(ctx, s.teardown(ctx, call))
		default:
			s.master.Send(call)
		}
	}
	if s.Collector != nil && eff.Over == nil {
		for _, c := range eff.Collections {
			s.Collector.Collect(c)
		}
	}
	return eff.Over, nil
}

func (s *Scheduler) say(notes []Note) {
	for _, note := range notes {
		s.log.WithFields(note.Fields).Log(note.Level, note.Text)
	}
}

// teardown is the last call of a run. The acknowledgements before it are waited
// for, so that the master knows how the tasks ended, and so is its answer, for
// which there is time even if one of those never comes.
func (s *Scheduler) teardown(ctx context.Context, call *sched.Call) Effects {
	if err := s.flush(ctx); err != nil {
		s.log.WithError(err).Debug("calls before the teardown")
	}
	s.master.Send(call)
	return s.state.step(time.Now(), Answered{call, s.flush(ctx)})
}

func (s *Scheduler) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	return s.master.Flush(ctx)
}
