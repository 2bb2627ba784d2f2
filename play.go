package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
)

// play lets the scheduler run to its end.
func (s *session) play(first scheduler.Event) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	// The file is watched before anything is launched: a watch may fail.
	if err := s.sched.Post(ctx, first); err != nil {
		return err
	}
	if !s.once && s.file.path != "-" {
		if err := watchFiles(ctx, s.file.paths, func() { s.reload(ctx) }, func(err error) { s.log.Error(err) }); err != nil {
			return &exit{exitUsage, err}
		}
	}
	s.startNotices(s.sched.Note)
	view := s.view() // now: from here on the journal is the scheduler's
	type result struct {
		over scheduler.Over
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		over, err := s.sched.Run(ctx)
		ended <- result{over, err}
	}()
	shown := s.showProgress(ctx)
	go s.tellStatus(ctx, view)
	status := 0 // of the signal that ends us
	for {
		select {
		case sig := <-s.signals:
			status = statusOf(sig)
			go s.ask(ctx, sig)
		case r := <-ended:
			cancel()
			<-shown
			s.show.finish(s.sched.Snapshot())
			s.ended = time.Now()
			wait := time.Duration(0)
			if s.once && r.err == nil && r.over.Why == scheduler.Drained {
				wait = noticeWait
			}
			s.settleNotices(wait)
			if r.err != nil {
				return &exit{max(status, exitFailed), r.err}
			}
			return s.conclude(r.over, status)
		}
	}
}

// showProgress shows how far the queue is until ctx ends; then the channel is
// closed.
func (s *session) showProgress(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.show.show(s.sched.Snapshot())
			}
		}
	}()
	return done
}

// ask hands a signal to the scheduler: SIGINT ends what runs, the others leave
// it alone.
func (s *session) ask(ctx context.Context, sig os.Signal) {
	var ev scheduler.Event = scheduler.Detach{}
	if sig == syscall.SIGINT {
		ev = scheduler.Interrupt{}
	}
	if err := s.sched.Post(ctx, ev); err != nil {
		s.log.Debug(err) // the run was over first
	}
}

// reload reads the tasks file again. A file that does not load changes nothing.
func (s *session) reload(ctx context.Context) {
	file, err := s.file.read()
	var tasks []task.Task
	if err == nil && file != nil {
		tasks = file.Tasks(time.Now())
		if err = s.usable(ctx, file, tasks); err != nil {
			s.file.refuse(err)
		}
	}
	if ctx.Err() != nil {
		return // nobody looks any more
	}
	s.unused.Store(cmp.Or(firstLine(err), firstLine(s.file.bad)))
	if err != nil {
		s.log.Errorf("%s is not used, the queue goes on as it was: %v", s.file.path, err)
	} else if file != nil {
		if err := s.sched.Post(ctx, scheduler.Load{Tasks: tasks, Policy: file.Policy, File: s.file.describe()}); err != nil {
			s.log.Debug(err) // we are ending
		}
	}
}

// usable finds what keeps a file from being used that is right by itself.
func (s *session) usable(ctx context.Context, file *task.File, tasks []task.Task) error {
	if err := s.provide(s.needsOf(specsOf(file))); err != nil {
		return err
	}
	var id task.ID
	given := false
	var circle *scheduler.WaitsForItself
	if err := s.sched.Look(ctx, func(v scheduler.View) { id, given = v.Given(tasks); circle = v.Circle(tasks) }); err != nil {
		return err // we are ending
	}
	if circle != nil {
		return circle
	}
	if given {
		return fmt.Errorf("task %s is there already, it was submitted", id)
	}
	return nil
}

// firstLine is that of an error; nil if there is none.
func firstLine(err error) *string {
	if err == nil {
		return nil
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &first
}

// conclude turns the way the run ended into words and an exit status.
func (s *session) conclude(over scheduler.Over, status int) error {
	switch over.Why {
	case scheduler.NoMaster:
		return &exit{exitCluster, s.noMaster(over)}
	case scheduler.Refused:
		return &exit{exitCluster, fmt.Errorf("the master at %s refuses us: %s", s.master(), over.Message)}
	case scheduler.Detached:
		s.detached = true
		return &exit{status, errors.New(s.leftBehind())}
	case scheduler.Interrupted:
		return s.interrupted(over, status)
	}
	if _, err := s.oweNothing(context.Background(), false); err != nil {
		return err
	}
	return s.tellSummary()
}

// noMaster says why, also if no try has ended yet.
func (s *session) noMaster(over scheduler.Over) error {
	if why := s.conn.Why(); why != nil && over.Cause == nil {
		return fmt.Errorf("%s: %w", over.Message, why)
	}
	return errors.New(over.Message)
}

// leftBehind says what becomes of what runs when we leave.
func (s *session) leftBehind() string {
	snap := s.sched.Snapshot()
	open := count(snap.Tasks-snap.Ended(), "task")
	if snap.Tasks == snap.Ended() {
		return "ended; so had all tasks, and the next start goes on with this run"
	}
	if s.cfg.embedded {
		return fmt.Sprintf("ended with %s to go; commands that ran are stopped, and the next start runs them again", open)
	}
	return fmt.Sprintf("detached with %s to go; what runs goes on, and the next start takes it over", open)
}

// interrupted ends a start after SIGINT. The run goes on with the next one,
// unless all of it had ended.
func (s *session) interrupted(over scheduler.Over, status int) error {
	if s.once {
		if err := s.summary(); err != nil {
			s.log.Warn(err)
		}
	}
	if !over.Torn {
		s.log.Warnf("no master took our TEARDOWN (%s): the next start sends it first; without one, framework %s ends by itself, %s after the master lost us",
			over.Message, s.sched.FrameworkID(), s.cfg.failover)
	}
	snap := s.sched.Snapshot()
	if left := snap.Tasks - snap.Ended(); left > 0 {
		return &exit{status, fmt.Errorf("interrupted with %s to go; the next start goes on with that", count(left, "task"))}
	}
	if s.once {
		return &exit{status: status}
	}
	if err := s.done(); err != nil {
		return &exit{status, err}
	}
	return &exit{status, errors.New("interrupted; all tasks had ended, so the next start begins a new run of the tasks file")}
}

// tellEnd tells of a run that had ended when its process died: what is missing
// of its end is done now, and nothing is launched.
func (s *session) tellEnd() error {
	if sig, err := s.beforeSignal(func(ctx context.Context) error {
		_, err := s.oweNothing(ctx, false)
		return err
	}); sig != nil || err != nil {
		return signalled(sig, err)
	}
	s.sched = scheduler.New(s.schedulerConfig(), nil, nil, nil, s.log.WithField("part", "scheduler"))
	if err := s.restore(torn{}); err != nil {
		return err
	}
	if err := s.openJoblog(); err != nil {
		return err
	}
	if err := s.startJoblog(); err != nil {
		return err
	}
	fmt.Fprintf(s.show, "cmdq: this run, begun %s, had ended before; this is how\n", s.journal.run.Began.Local().Format(time.DateTime))
	s.startNotices(nil)
	s.ended = time.Now()
	s.settleNotices(noticeWait)
	return s.tellSummary()
}

// tellSummary prints the summary and notes that it was printed. From then on a
// start begins a new run.
func (s *session) tellSummary() error {
	if err := s.summary(); err != nil {
		return &exit{exitFailed, fmt.Errorf("%w: the next start prints it again", err)}
	}
	if err := s.done(); err != nil {
		return &exit{exitFailed, err}
	}
	if snap := s.sched.Snapshot(); snap.Ended() != snap.Tasks || snap.Bad() > 0 {
		return &exit{status: exitFailed}
	}
	return nil
}

// done notes that the next start begins a new run, and with it a new joblog: this
// one has to be complete.
func (s *session) done() error {
	if log := s.journal.joblog; log != nil {
		if err := log.complete(s.journal.run.Lines, s.sched.Tasks()); err != nil {
			return fmt.Errorf("%w: some ends are missing in it, and the next start adds them", err)
		}
	}
	run := s.journal.run
	run.Stage = store.Done
	if err := s.journal.write(run); err != nil {
		return fmt.Errorf("note that the run is done: %w", err)
	}
	return nil
}

// page is where the Mesos page is, in words if that is not known.
func (s *session) page() string {
	if page := s.mesosPage(); page != "" {
		return page
	}
	return "the leader that " + s.cfg.masters.String() + " names"
}

// mesosPage is the address of the Mesos page: that of the leader, as far as it is
// known; empty if it is not.
func (s *session) mesosPage() string {
	if s.conn != nil {
		return s.conn.Page()
	}
	return s.cfg.masters.Page()
}

func (s *session) summary() error {
	dir := ""
	if s.cfg.embedded {
		dir = s.workDir()
	}
	s.drain(lastWords) // on a terminal the log and the bar are in front of it
	return summary(os.Stdout, s.sched, dir, s.page(), s.cfg.agent.outputs, s.cfg.agent.keep, s.ended.Sub(s.journal.run.Began))
}
