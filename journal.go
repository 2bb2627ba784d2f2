package main

import (
	"encoding/json"
	"slices"

	"github.com/sirupsen/logrus"

	"cmdq/notice"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
)

// journal is what the scheduler records into: the store on disk and, after it,
// the joblog. The scheduler's goroutine owns it while that runs.
type journal struct {
	store  *store.Store
	run    store.Run // as it is on disk
	own    bool      // the cluster ends with this process: nobody owes it a TEARDOWN
	joblog *joblog
	owe    func(...notice.Owed) // takes notices once they are stored; nil: nobody does
	log    *logrus.Logger
}

// Append stores a batch, and returns once it is on disk. A joblog that cannot be
// written is said, and is no reason to stop: the next start completes it.
func (j *journal) Append(records []scheduler.Record) error {
	batch := j.batch(records)
	if err := j.oweFirst(batch); err != nil {
		return err
	}
	if err := j.store.Write(batch); err != nil {
		return err
	}
	if batch.Run != nil {
		j.run = *batch.Run
	}
	j.handOver(records)
	if j.joblog == nil {
		return nil
	}
	if err := j.joblog.add(records); err != nil {
		j.log.Error(err)
	}
	return nil
}

// oweFirst stores what came to be owed ahead of a batch that is too large to be
// stored at once: between its parts a crash could leave the ends, and nobody to be
// told of them. As it is, somebody may be told of them twice.
func (j *journal) oweFirst(b store.Batch) error {
	if b.Run == nil || len(b.Tasks) <= store.Together || len(b.Run.Notices) <= len(j.run.Notices) {
		return nil
	}
	run := j.run
	run.Notices = b.Run.Notices
	return j.store.Write(store.Batch{Run: &run})
}

// handOver gives away what came to be owed.
func (j *journal) handOver(records []scheduler.Record) {
	owed := map[string]bool{}
	for _, r := range records {
		if r.Kind == scheduler.Owed {
			owed[r.Notice.ID] = true
		}
	}
	if len(owed) == 0 {
		return
	}
	fresh := slices.DeleteFunc(slices.Clone(j.run.Notices), func(n store.Notice) bool { return !owed[n.ID] })
	if j.owe != nil {
		j.owe(owedOf(fresh)...)
	}
	if refused := len(owed) - len(fresh); refused > 0 {
		j.log.Errorf("%s left out: as many as can be kept wait for their delivery", count(refused, "notice"))
	}
}

// batch says in the store's words what the scheduler recorded. It changes
// nothing, since a batch that could not be stored comes again.
func (j *journal) batch(records []scheduler.Record) store.Batch {
	var b store.Batch
	run, changed := j.run, false
	run.Lines = j.hidden(records)
	changed = len(run.Lines) > 0
	for _, r := range records {
		switch {
		case r.Task != nil:
			b.Tasks = append(b.Tasks, store.Task{Task: r.Task, Wake: r.Wake})
		case r.Launch != nil:
			b.Unwanted = append(b.Unwanted, store.Launch{ID: r.Launch.ID, Agent: r.Launch.Agent, Gone: r.Kind == scheduler.Gone})
		default:
			run, changed = j.advance(run, r), true
		}
	}
	if changed {
		b.Run = &run
	}
	return b
}

// hidden are the lines to keep with this batch: those that a full disk still has
// to take among them. There is a bound, since a record has one.
func (j *journal) hidden(records []scheduler.Record) []string {
	if j.joblog == nil {
		return nil
	}
	var lines []string
	if j.joblog.behind() {
		lines = slices.Clone(j.run.Lines)
	}
	return boundLines(append(lines, hiddenEnds(records)...))
}

// maxHidden bounds the lines that are kept, in bytes.
const maxHidden = 4 << 20

// boundLines are the first of some lines, as many as may be kept.
func boundLines(lines []string) []string {
	size := 0
	for i, line := range lines {
		if size += len(line); size > maxHidden {
			return lines[:i]
		}
	}
	return lines
}

// hiddenEnds are the lines of the joblog for tasks that ended and were queued
// again in one batch: their last state, which is what is stored, tells nothing
// of that end. The lines are kept until they were written.
func hiddenEnds(records []scheduler.Record) []string {
	var lines []string
	var later map[task.ID]*task.Task // what the task is at the end of the batch
	for _, r := range slices.Backward(records) {
		if r.Task == nil {
			continue
		}
		if r.Kind == scheduler.Queued {
			if later == nil {
				later = map[task.ID]*task.Task{}
			}
			if later[r.Task.ID] == nil {
				later[r.Task.ID] = r.Task
			}
		}
		if now := later[r.Task.ID]; r.Kind == scheduler.Ended && now != nil && now != r.Task {
			if line, err := lineOf(r.Task).encode(); err == nil {
				lines = append(lines, string(line))
			}
		}
	}
	slices.Reverse(lines)
	return lines
}

// advance is the run after a record that is about it.
func (j *journal) advance(run store.Run, r scheduler.Record) store.Run {
	switch r.Kind {
	case scheduler.Identified:
		run.Framework = store.Framework(*r.Framework)
	case scheduler.Dropped:
		run.Framework = store.Framework{}
		if !j.own {
			run.Owed = append(slices.Clone(run.Owed), store.Owed{ID: r.Framework.ID, Master: run.Master, Since: r.At})
		}
	case scheduler.TornDown:
		if run.Framework.ID == r.Framework.ID {
			run.Framework = store.Framework{}
		}
		run.Owed = slices.DeleteFunc(slices.Clone(run.Owed), func(o store.Owed) bool { return o.ID == r.Framework.ID })
	case scheduler.AllEnded:
		run.Stage = store.Ended
	case scheduler.Governed:
		text, err := json.Marshal(r.Policy)
		if err != nil {
			panic("journal: policy: " + err.Error()) // texts and numbers
		}
		run.Policy = text
	case scheduler.Applied:
		run.Applied = r.File
	case scheduler.Owed:
		run = owing(run, r)
	case scheduler.Tried:
		run = tried(run, *r.Delivery)
	}
	return run
}

// write changes what is kept of the run beside its tasks, before or after the
// scheduler has run.
func (j *journal) write(run store.Run) error {
	if err := j.store.Write(store.Batch{Run: &run}); err != nil {
		return err
	}
	j.run = run
	return nil
}

// paid notes that the TEARDOWN of a framework is owed no more.
func (j *journal) paid(id string) error {
	run := j.run
	run.Owed = slices.DeleteFunc(slices.Clone(run.Owed), func(o store.Owed) bool { return o.ID == id })
	return j.write(run)
}

// Close gives the state directory back.
func (j *journal) Close() error {
	err := j.store.Close()
	if j.joblog != nil {
		if e := j.joblog.close(); err == nil {
			err = e
		}
	}
	return err
}
