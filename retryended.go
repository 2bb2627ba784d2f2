package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/web"
)

// retryEnded queues tasks again of a run that nobody runs just now, in its
// journal. One that had ended goes on with the next start, under a new framework
// id, since its framework was torn down.
func retryEnded(state string, s web.Selection) (web.Outcome, error) {
	kept, err := store.Open(state)
	if err != nil {
		return web.Outcome{}, err
	}
	run, found := kept.Run()
	if !found {
		return web.Outcome{}, errors.Join(fmt.Errorf("there is no run in %s", state), kept.Close())
	}
	out, err := retryIn(kept, run, selection(s))
	return out, errors.Join(err, kept.Close())
}

func retryIn(kept *store.Store, run store.Run, s scheduler.Selection) (web.Outcome, error) {
	saved, err := savedRun(kept, run)
	if err != nil {
		return web.Outcome{}, err
	}
	cfg := scheduler.DefaultConfig()
	cfg.Master, cfg.Own = run.Master, run.Master == "local"
	out, records, err := scheduler.Offline(cfg, saved, scheduler.RetryTasks{Selection: s})
	answer, err := outcome(out, err)
	if err != nil || len(out.Changed) == 0 {
		return answer, err
	}
	if run.Stage != store.Unfinished {
		run.Stage, run.Framework = store.Unfinished, store.Framework{ID: uuid.NewString(), Seen: time.Now()}
	}
	batch := (&journal{store: kept, run: run}).batch(records)
	batch.Run = &run
	if err := kept.Write(batch); err != nil {
		return web.Outcome{}, err
	}
	return answer, nil
}
