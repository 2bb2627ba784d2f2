package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
)

// TearDown ends a framework of an earlier run whose TEARDOWN no master took. A
// master takes it from a subscriber only, so this subscribes as that framework
// first; it wants no offers. Tries go on until ctx ends. A master that says the
// framework has been removed already has nothing to take, and that is well.
//
// It reads from incoming, so it is not for use while a Scheduler runs on the
// same connection.
func TearDown(ctx context.Context, cfg Config, framework string, master Master, incoming <-chan mesosapi.Incoming) error {
	var last error
	for failures := 1; ; failures++ {
		err := tearDownOnce(ctx, cfg, framework, master, incoming)
		var refused *mesosapi.Refused
		if err == nil {
			return nil
		}
		if errors.As(err, &refused) {
			return fmt.Errorf("tear down framework %s: %w", framework, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		timer := time.NewTimer(cfg.backoff(connectFirst, connectMax, failures))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("tear down framework %s: %w", framework, last)
		case <-timer.C:
		}
	}
}

func tearDownOnce(ctx context.Context, cfg Config, framework string, master Master, incoming <-chan mesosapi.Incoming) error {
	epoch := master.Subscribe(cfg.subscription(framework, []string{cfg.Role}, true))
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case in := <-incoming:
			switch {
			case in.Epoch != epoch:
			case in.Down != nil:
				return in.Down
			case in.Event == nil:
			case in.Event.Type == sched.Event_ERROR:
				text := in.Event.GetError().GetMessage()
				if strings.Contains(text, wordsRemoved) {
					return nil
				}
				return &mesosapi.Refused{Message: clean(text)}
			case in.Event.Type == sched.Event_SUBSCRIBED:
				master.Send(teardown(framework))
				flush, cancel := context.WithTimeout(ctx, stopWait)
				defer cancel()
				return master.Flush(flush)
			}
		}
	}
}
