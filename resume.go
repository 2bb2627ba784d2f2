package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"cmdq/lock"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
)

// A start finds in the state directory what was before it: nothing or a run that
// was concluded, and it begins a new one; a run that goes on; or a run whose end
// was not told, and it tells that.

// openJournal takes the state directory.
func (s *session) openJournal() error {
	kept, err := store.Open(s.cfg.state)
	if err != nil {
		return badState(err)
	}
	s.journal = &journal{store: kept, own: s.cfg.embedded, log: s.log}
	s.journal.run, _ = kept.Run()
	return nil
}

// badState turns what is wrong with the state directory into an exit status.
func badState(err error) error {
	var held *lock.HeldError
	if errors.As(err, &held) {
		return usage("%w: end it, or name another directory with --state", held)
	}
	return &exit{exitUsage, err}
}

// master is --master as it is kept with a run: however many agents it has, our
// own cluster is the same one.
func (s *session) master() string {
	if s.cfg.embedded {
		return "local"
	}
	return s.cfg.masters.String()
}

// absolute is the tasks file as it is kept with a run.
func (s *session) absolute() (string, error) {
	if s.file.path == "-" {
		return "-", nil
	}
	path, err := filepath.Abs(s.file.path)
	if err != nil {
		return "", &exit{exitUsage, fmt.Errorf("find the tasks file: %w", err)}
	}
	return path, nil
}

// unfinished tells whether a run is in the journal that has to go on.
func (s *session) unfinished() bool {
	return !s.journal.run.Began.IsZero() && s.journal.run.Stage == store.Unfinished
}

// resume decides whether the run in the journal goes on, and checks that it is
// the one that was asked for.
func (s *session) resume() (bool, error) {
	if !s.unfinished() || s.cfg.fresh {
		return false, nil
	}
	other := s.another("an unfinished run", "to go on")
	if other == nil {
		return true, nil
	}
	started, err := s.started()
	if err != nil || !started {
		return false, err
	}
	return false, other
}

// another says so if the run in the journal is not the one that was asked for.
func (s *session) another(kind, why string) error {
	file, err := s.absolute()
	if err != nil {
		return err
	}
	run := s.journal.run
	var what, is, was string
	switch {
	case run.Master != s.master():
		what, is, was = "master", s.master(), run.Master
	case run.File != file:
		what, is, was = "tasks file", file, run.File
	default:
		return nil
	}
	return usage("%s holds %s with the %s %s, and now it is %s: give the same one %s, "+
		"--fresh to drop that run, or another directory with --state", s.cfg.state, kind, what, was, is, why)
}

// started tells whether the run in the journal ever launched anything, or holds
// what somebody has told it since. One that does not is not worth a question: its
// file says it all again.
func (s *session) started() (bool, error) {
	if s.journal.run.Framework.Subscribed || len(s.journal.run.Owed) > 0 {
		return true, nil
	}
	for t, err := range s.journal.store.Tasks() {
		if err != nil {
			return false, badState(err)
		}
		if t.Task.Launches > 0 || t.Task.State.Terminal() || t.Task.Given || t.Task.Held {
			return true, nil
		}
	}
	return false, nil
}

// beginRun puts a new run into the journal. The framework id is there before it
// is first used, and so is what an earlier run still owes its master, or somebody it
// was to tell of its end.
func (s *session) beginRun() error {
	file, err := s.absolute()
	if err != nil {
		return err
	}
	before := s.journal.run
	owed := slices.Clone(before.Owed)
	if before.Framework.Subscribed && before.Master != "local" {
		owed = append(owed, store.Owed{ID: before.Framework.ID, Master: before.Master, Since: s.began})
	}
	for i := range owed {
		owed[i].Earlier = true
	}
	run := store.Run{Began: s.began, Master: s.master(), File: file, Framework: store.Framework{ID: uuid.NewString()}, Owed: owed,
		Notices: before.Notices, Secret: newArtifactSecret()}
	if err := s.journal.store.Begin(run); err != nil {
		return badState(err)
	}
	s.journal.run = run
	return nil
}

// saved is the run in the journal in the scheduler's words.
func (s *session) saved(torn torn) (scheduler.Saved, error) {
	saved, err := savedRun(s.journal.store, s.journal.run)
	if err != nil {
		return scheduler.Saved{}, badState(err)
	}
	saved.TornDown, saved.TornIDs = torn.at, torn.ids
	return saved, nil
}

func savedRun(kept *store.Store, run store.Run) (scheduler.Saved, error) {
	unwanted, err := kept.Unwanted()
	if err != nil {
		return scheduler.Saved{}, err
	}
	saved := scheduler.Saved{Framework: scheduler.Framework(run.Framework), File: run.Applied, Now: time.Now()}
	if len(run.Policy) > 0 {
		if err := json.Unmarshal(run.Policy, &saved.Policy); err != nil {
			return scheduler.Saved{}, fmt.Errorf("the policy of the run: %w", err)
		}
	}
	for id, agent := range unwanted {
		saved.Unwanted = append(saved.Unwanted, scheduler.Launch{ID: id, Agent: agent})
	}
	saved.Each = func(take func(task.Task, time.Time) error) error {
		for t, err := range kept.Tasks() {
			if err != nil {
				return err
			}
			if err := take(*t.Task, t.Wake); err != nil {
				return err
			}
		}
		return nil
	}
	return saved, nil
}

// openJoblog opens the joblog before anything of an earlier run is given up.
func (s *session) openJoblog() error {
	if s.cfg.joblog == "" {
		return nil
	}
	j, err := openJoblog(s.cfg.joblog)
	if err != nil {
		return &exit{exitUsage, err}
	}
	s.journal.joblog = j
	return nil
}

// startJoblog begins the joblog, or goes on with it as the run does. A run of
// which nothing was queued yet has written nothing there.
func (s *session) startJoblog() error {
	j := s.journal.joblog
	if j == nil {
		return nil
	}
	var err error
	if s.sched.Snapshot().Tasks == 0 {
		err = j.begin()
	} else {
		err = j.goOn(s.journal.run.Lines, s.sched.Tasks())
	}
	if err != nil && j.behind() {
		s.log.Error(err) // what is missing waits, as on any full disk
		return nil
	}
	if err != nil {
		return &exit{exitUsage, err}
	}
	return nil
}
