package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
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
	ends, err := endsOf(kept, out.Changed)
	if err != nil {
		return web.Outcome{}, err
	}
	batch := (&journal{store: kept, run: run}).batch(records)
	run.Lines = boundLines(append(run.Lines, ends...))
	batch.Run = &run
	if err := kept.Write(batch); err != nil {
		return web.Outcome{}, err
	}
	return answer, nil
}

// endsOf are the lines of the joblog for tasks that have ended and are to run
// again: a joblog may still lack them, and the next start adds what it lacks.
func endsOf(kept *store.Store, ids []task.ID) ([]string, error) {
	again := map[task.ID]bool{}
	for _, id := range ids {
		again[id] = true
	}
	var lines []string
	for t, err := range kept.Tasks() {
		if err != nil {
			return nil, err
		}
		if again[t.Task.ID] && t.Task.State.Terminal() {
			line, err := lineOf(t.Task).encode()
			if err != nil {
				return nil, err
			}
			lines = append(lines, string(line))
		}
	}
	return lines, nil
}
