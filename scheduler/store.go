package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cmdq/task"
)

// errGoing is why the wait for a disk was given up.
var errGoing = errors.New("asked to go while nothing can be stored; what runs goes on")

// store makes the records of a batch safe. While that fails nothing happens: no
// launch and no acknowledgement leaves, and no event is taken, so that the
// master and the agents keep what they have to tell us. What runs goes on.
func (s *Scheduler) store(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	for i := range records {
		if t := records[i].Task; t != nil && t.State == task.Idle {
			records[i].Wake, _ = s.state.queue.WakeAt(t.ID)
		}
	}
	err := s.append(records)
	for wait := storeFirst; err != nil; wait = min(2*wait, storeMax) {
		s.log.Errorf("nothing can be stored: %v; nothing is launched or acknowledged until it can, what runs goes on", err)
		if going := s.pause(ctx, wait); going != nil {
			return fmt.Errorf("store: %w; %w", err, going)
		}
		if err = s.append(records); err == nil {
			s.log.Info("stored; going on")
		}
	}
	return nil
}

func (s *Scheduler) append(records []Record) error {
	began := time.Now()
	err := s.journal.Append(records)
	if s.Meter != nil {
		s.Meter.Stored(time.Since(began), err)
	}
	return err
}

// pause lets time pass, unless somebody wants us to go. Other requests are kept.
func (s *Scheduler) pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case ask := <-s.asks:
			ask(s.state)
		case ev := <-s.requests:
			switch ev.(type) {
			case Interrupt, Detach:
				return errGoing
			}
			s.held = append(s.held, ev)
		}
	}
}
