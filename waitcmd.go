package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cmdq/task"
	"cmdq/web"
)

// exitTimeout is the exit status of a wait that took too long, as of timeout(1).
const exitTimeout = 124

func waitCommand() *cobra.Command {
	w := &waiter{verb: newVerb()}
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [ID…]",
		Short: "wait until tasks have ended",
		Long: `Wait until these tasks, or all of the queue, have ended, and say how. A task that
ended and is queued again meanwhile counts by how it ended first. When the cmdq
that runs ends, its journal is asked how far it came. Exit status: 0 if all of
them finished, with --any if the first one did; 1 if one did not, or there is no
such task, or cmdq has ended before them; 2 on bad usage, or if --state holds no
journal; 124 after --timeout.`,
		Args: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case timeout < 0:
				return usage("--timeout %s: want 0 or more", timeout)
			case w.any && len(args) == 0:
				return usage("--any needs ids of tasks, of which the first that ends is meant")
			case slices.Contains(args, ""):
				return usage("%s: one of the ids is empty", cmd.CommandPath())
			}
			w.ids, w.timeout = args, timeout
			return w.run(cmd)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&w.any, "any", false, "until the first of them has ended")
	f.DurationVar(&timeout, "timeout", 0, "for at most this `time`, as in 90s; 0: as long as it takes")
	w.register(cmd)
	w.completeMany(cmd, "idle", "starting", "running", "fetching")
	return cmd
}

// waiter waits for tasks to end. What it knows is of one goroutine.
type waiter struct {
	*verb
	ids     []string // none: all tasks
	any     bool
	timeout time.Duration

	open   map[string]web.Row // of ids, what has not ended; nil: not known yet
	ended  []web.Row          // the others, as they ended
	gone   map[string]bool    // their ids
	status web.Status         // where all tasks are waited for
	stale  bool               // it may be over, and has to be asked
	asked  time.Time
	took   time.Duration // until that was answered
}

// Bounds of how often is asked, beside what comes by itself.
const (
	oftenEnough = 200 * time.Millisecond
	share       = 20  // of the time may be spent on it, one part in so many
	manyTasks   = 100 // are asked for page by page
	askAnyway   = 10 * time.Second
)

// run waits and tells.
func (w *waiter) run(cmd *cobra.Command) error {
	ctx := context.Background()
	if w.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		ctx = limited
	}
	err := w.wait(ctx)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &exit{exitTimeout, fmt.Errorf("after %s %s", w.timeout, w.missing())}
	case err != nil:
		return w.told(err)
	}
	if err := w.tell(cmd); err != nil {
		return err
	}
	return w.verdict()
}

// wait asks the cmdq that runs until it is over, and if that ends before, its
// journal.
func (w *waiter) wait(ctx context.Context) error {
	for patience := slowStart; ; patience = slowEnd {
		client, kept, err := w.find(ctx, true, patience)
		if err != nil {
			return err
		}
		if client == nil {
			if err := w.look(ctx, kept); err != nil || w.over() {
				return err
			}
			return fmt.Errorf("no cmdq is running with %s, and %s", plain(w.state), w.missing())
		}
		if err := w.follow(ctx, client); !ending(err) && !busy(err) {
			return err
		}
		select { // it may be there all the same
		case <-time.After(oftenEnough):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// follow waits as long as cmdq runs; then the error is web.ErrNotRunning.
func (w *waiter) follow(ctx context.Context, client *web.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := client.Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	news := make(chan web.Event)
	go func() {
		defer close(news)
		for {
			e, err := events.Next()
			if err != nil {
				return // the end of cmdq, or ours
			}
			select {
			case news <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(oftenEnough)
	defer tick.Stop()
	w.stale, w.asked, w.took = true, time.Time{}, 0
	for {
		if w.due() {
			if err := w.look(ctx, client); err != nil && !busy(err) {
				return err
			}
		}
		if w.over() {
			return nil
		}
		select {
		case e, ok := <-news:
			if !ok && ctx.Err() == nil {
				return web.ErrNotRunning
			}
			w.hear(e)
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// due tells whether it is time to ask again.
func (w *waiter) due() bool {
	since, pause := time.Since(w.asked), min(max(oftenEnough, share*w.took), askAnyway)
	return since >= pause && (w.stale || since >= askAnyway)
}

// hear takes in what changed.
func (w *waiter) hear(e web.Event) {
	switch {
	case e.Reset:
		w.stale = true
	case e.Task != nil && len(w.ids) == 0:
		w.stale = w.stale || hasEnded(e.Task)
	case e.Task != nil && w.open != nil:
		if _, ours := w.open[e.Task.ID]; ours {
			w.note(*e.Task)
		}
	case e.Status != nil && len(w.ids) == 0:
		w.status = *e.Status
	}
}

func hasEnded(t *web.Row) bool { return slices.Contains(ends, t.State) }

// note keeps how a task stands. One that has ended is not looked at again.
func (w *waiter) note(t web.Row) {
	if w.gone[t.ID] {
		return
	}
	if !hasEnded(&t) {
		w.open[t.ID] = t
		return
	}
	delete(w.open, t.ID)
	w.gone[t.ID] = true
	w.ended = append(w.ended, t)
}

// look asks how all that is waited for stands.
func (w *waiter) look(ctx context.Context, q web.Queue) error {
	var err error
	began := time.Now()
	switch {
	case len(w.ids) == 0:
		w.status, err = q.Status(ctx)
	case w.open == nil:
		err = w.each(ctx, q, w.ids)
	default:
		err = w.each(ctx, q, slices.Sorted(maps.Keys(w.open)))
	}
	w.stale, w.asked, w.took = err != nil, time.Now(), time.Since(began)
	return err
}

// each asks for some tasks. The first that is not there is the error.
func (w *waiter) each(ctx context.Context, q web.Queue, ids []string) error {
	rows := map[string]web.Row{}
	if len(ids) > manyTasks {
		all, err := listed(ctx, q, web.Query{}, 0)
		if err != nil {
			return err
		}
		for _, t := range all.Tasks {
			rows[t.ID] = t
		}
	}
	var found []web.Row
	for _, id := range ids {
		row, ok := rows[id]
		if !ok {
			t, err := q.Task(ctx, id)
			if err != nil {
				return err
			}
			row = t.Row
		}
		found = append(found, row)
	}
	if w.open == nil {
		w.open, w.gone = map[string]web.Row{}, map[string]bool{}
	}
	for _, row := range found {
		w.note(row)
	}
	return nil
}

// over tells whether there is nothing more to wait for.
func (w *waiter) over() bool {
	switch {
	case len(w.ids) == 0:
		return w.known() && endedOf(&w.status) == w.status.Tasks
	case w.open == nil:
		return false
	case w.any:
		return len(w.ended) > 0
	}
	return len(w.open) == 0
}

// known tells whether the status is.
func (w *waiter) known() bool { return w.status.States != nil }

// busy tells whether cmdq has no time to answer just now.
func busy(err error) bool {
	var word *web.Error
	return errors.As(err, &word) && word.Code == web.CodeBusy
}

// missing says what has not ended.
func (w *waiter) missing() string {
	switch {
	case len(w.ids) == 0 && !w.known(), len(w.ids) > 0 && w.open == nil:
		return "nothing is known of the tasks"
	case len(w.ids) == 0:
		open := w.status.Tasks - endedOf(&w.status)
		return fmt.Sprintf("%d of %s %s not ended", open, count(w.status.Tasks, "task"), oneOr(open, "has", "have"))
	}
	var names []string
	for id, t := range w.open {
		names = append(names, fmt.Sprintf("%s (%s)", plain(id), standing(&t)))
	}
	slices.Sort(names)
	if len(names) > maxTold {
		names = append(names[:maxTold], "and others")
	}
	return count(len(w.open), "task") + " had not ended: " + strings.Join(names, ", ")
}

// tell says how they ended.
func (w *waiter) tell(cmd *cobra.Command) error {
	if len(w.ids) == 0 {
		return w.print(cmd, w.status, func(p *paper) {
			p.printf("%s: %s\n", count(w.status.Tasks, "task"), inStates(&w.status))
		})
	}
	w.first()
	return w.print(cmd, web.Tasks{Tasks: w.ended, Total: len(w.ended)}, func(p *paper) {
		for i := range w.ended {
			t := &w.ended[i]
			how := exitWords(t.ExitCode, t.Signal)
			if how != "" && t.Reason != "" {
				how += " (" + plain(t.Reason) + ")"
			}
			if how == "" && t.Message != "" {
				how = ": " + plain(t.Message)
			}
			p.printf("%s %s%s\n", plain(t.ID), plain(t.State), how)
		}
	})
}

// first leaves of those that ended the one that was first, where that is wanted.
func (w *waiter) first() {
	if w.any {
		slices.SortStableFunc(w.ended, func(a, b web.Row) int { return strings.Compare(a.Ended, b.Ended) })
		w.ended = w.ended[:1]
	}
}

// verdict is the exit status.
func (w *waiter) verdict() error {
	bad := w.status.States[task.Failed.String()] + w.status.States[task.Killed.String()]
	for i := range w.ended {
		if w.ended[i].State != task.Finished.String() {
			bad++
		}
	}
	if bad > 0 {
		return &exit{exitFailed, nil}
	}
	return nil
}
