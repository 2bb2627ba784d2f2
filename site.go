package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"cmdq/mesosapi"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
	"cmdq/web"
	"cmdq/web/page"
)

// view answers questions about the queue that this session runs.
func (s *session) view() *queueView {
	about := web.Status{Version: version(), PID: os.Getpid(), Began: stamp(s.journal.run.Began), File: s.journal.run.File, Master: s.master()}
	q := &queueView{look: s.sched.Look, about: about, page: s.page, executor: task.Executor(s.cfg.agent.executor)}
	q.unused = s.unused.Load
	if s.cfg.agent.listen != "" {
		q.about.Address = s.listener.URL() + "/"
	}
	q.sandbox = sandboxPages(s.mesosPage)
	if s.cfg.embedded {
		q.sandbox = sandboxes(s.cfg.state)
	}
	return q
}

// sandboxes says where launches of the embedded Mesos ran, by absolute paths: who
// asks may be elsewhere.
func sandboxes(state string) func(*task.Task, *task.Attempt) string {
	dir, err := filepath.Abs(workDir(state))
	if err != nil {
		dir = workDir(state) // the current directory is gone
	}
	return func(t *task.Task, a *task.Attempt) string { return sandboxIn(t, a, dir) }
}

// sandboxPages says at which address of the master's page the sandboxes of launches are.
func sandboxPages(page func() string) func(*task.Task, *task.Attempt) string {
	return func(t *task.Task, a *task.Attempt) string { return sandboxPage(page(), t, a) }
}

// sandboxPage is where the page of a Mesos master shows the sandbox of the executor
// of a launch (Mesos: src/webui/app/app.js; cmdq local takes that too). Mesos' command
// executor has the id of its task, and the same sandbox. It is empty as long as
// nobody knows the master, and of a launch that was turned down.
func sandboxPage(page string, t *task.Task, a *task.Attempt) string {
	turnedDown := a.Started.IsZero() && (a.State == "TASK_ERROR" || a.State == "TASK_DROPPED")
	if page == "" || a.Agent == "" || a.Framework == "" || turnedDown {
		return ""
	}
	executor := cmp.Or(a.Executor, task.LaunchID(t.ID, a.Number))
	return page + "#/agents/" + url.PathEscape(a.Agent) + "/frameworks/" + url.PathEscape(a.Framework) +
		"/executors/" + url.PathEscape(executor) + "/browse"
}

// openFrozen answers questions about the run in a state directory that nobody runs
// just now. All of it is read.
func openFrozen(state string) (web.Queue, error) {
	kept, err := store.Look(state)
	if err != nil {
		return nil, err
	}
	q, err := frozenView(kept, state)
	if err := errors.Join(err, kept.Close()); err != nil {
		return nil, err
	}
	return q, nil
}

func frozenView(kept *store.Store, state string) (*queueView, error) {
	run, _ := kept.Run()
	saved, err := savedRun(kept, run)
	if err != nil {
		return nil, err
	}
	cfg := scheduler.DefaultConfig()
	cfg.Master, cfg.Own = run.Master, run.Master == "local"
	v, err := scheduler.Frozen(cfg, saved)
	if err != nil {
		return nil, err
	}
	q := &queueView{look: func(_ context.Context, look func(scheduler.View)) error { look(v); return nil },
		about: web.Status{Version: version(), Began: stamp(run.Began), File: run.File, Master: run.Master}}
	if run.Master == "local" {
		q.sandbox = sandboxes(state)
	} else if masters, err := mesosapi.ParseMasters(run.Master); err == nil {
		q.sandbox = sandboxPages(masters.Page)
	}
	return q, nil
}

// apiConfig is what the API answers from.
func (s *session) apiConfig() web.Config {
	view := s.view()
	unknown := func(ctx context.Context, id string) error { return unknownIn(ctx, view, id) }
	return web.Config{Version: version(), Logs: &logs{files: s.files, task: s.sched.Task, unknown: unknown}, Queue: view, Changes: changes{s},
		Hub: s.hub, Metrics: s.metrics.Handler(), Ready: func() bool { return s.sched.Snapshot().Connected },
		Log: s.log.WithField("part", "web")}
}

// openSite answers at --listen: artifacts to agents, the API and the page to
// people. Without that flag there are only artifacts, on a free port.
func (s *session) openSite() error {
	log := s.log.WithField("part", "web")
	if s.cfg.agent.listen == "" {
		s.artifactServer = web.Serve(s.listener, s.artifacts, log)
		return nil
	}
	token, err := web.Token(s.cfg.state)
	if err != nil {
		return badState(err)
	}
	guard := web.NewGuard(s.listener, token)
	s.artifactServer = web.Serve(s.listener, &web.Site{Guard: guard, API: web.NewAPI(s.apiConfig()), Artifacts: s.artifacts, Page: page.Handler()}, log)
	if guard.Overheard() {
		log.Warn("the page's token crosses the network as plain text: give --tls-cert and --tls-key, or --listen on 127.0.0.1")
	}
	if s.cfg.progress != "none" {
		// Not in the log: the address holds the token that lets its reader change things.
		fmt.Fprintf(s.show, "cmdq: page %s\n", guard.PageURL())
	}
	return nil
}

// watch tells those who watch the queue of a task that changed. It is called by
// the scheduler's goroutine.
func (s *session) watch(v scheduler.View, t *task.Task) {
	if s.hub.Watched() {
		r := row(v, t)
		s.hub.Publish(web.Event{Task: &r})
	}
}

// tellStatus tells them once a second how the queue stands, until ctx ends.
func (s *session) tellStatus(ctx context.Context, view *queueView) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.hub.Watched() {
			continue
		}
		if st, err := view.Status(ctx); err == nil {
			s.hub.Publish(web.Event{Status: &st})
		}
	}
}
