package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cmdq/scheduler"
	"cmdq/store"
)

// torn are the frameworks that a master took the TEARDOWN of at this start,
// which is not on disk yet, and when that was.
type torn struct {
	ids []string
	at  time.Time
}

// oweNothing sends the TEARDOWNs that no master took yet. Where commands of a run
// that goes on may still be running under the old id, nothing can be launched
// before that, so it is tried for as long as a master would be waited for; else
// once, briefly. What such a run had to send is noted by the scheduler, together
// with what waits for it.
func (s *session) oweNothing(ctx context.Context, goesOn bool) (torn, error) {
	var sent torn
	for _, owed := range s.journal.run.Owed {
		needed := goesOn && !owed.Earlier
		if needed {
			s.log.Infof("framework %s has to be torn down at %s first", owed.ID, owed.Master)
		}
		switch err := s.tearDown(ctx, owed, needed); {
		case err == nil:
			sent.ids, sent.at = append(sent.ids, owed.ID), time.Now()
			s.log.Infof("tore down framework %s, which an earlier start had left behind", owed.ID)
			if needed {
				continue
			}
		case needed:
			return sent, &exit{exitCluster, err}
		case time.Since(owed.Since) > s.cfg.failover:
			s.log.Warnf("%v; this was the last try, its master should have dropped it", err)
		default:
			s.log.Warnf("%v; it ends by itself, at the latest %s after its master lost it", err, s.cfg.failover)
			continue
		}
		if err := s.journal.paid(owed.ID); err != nil {
			return sent, badState(err)
		}
	}
	return sent, nil
}

// briefly is how long a master is tried that nothing waits for.
const briefly = 5 * time.Second

func (s *session) tearDown(ctx context.Context, owed store.Owed, needed bool) error {
	wait := s.cfg.connect
	if !needed {
		wait = briefly
	}
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	conn, err := s.connect(owed.Master, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = scheduler.TearDown(ctx, s.schedulerConfig(), owed.ID, conn, conn.Incoming())
	if why := conn.Why(); why != nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("tear down framework %s: %w", owed.ID, why)
	}
	return err
}
