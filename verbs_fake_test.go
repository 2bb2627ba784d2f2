package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"cmdq/web"
)

// fakeQueue is a cmdq that runs, as the verbs see it: it answers what the test
// has put there, and keeps what it was asked.
type fakeQueue struct {
	dir    string // of its state
	hub    *web.Hub
	server *web.Server

	mu         sync.Mutex
	status     web.Status
	tasks      []web.Task
	explained  web.Explanation
	failed     web.Failures
	came       web.Outcome // of any change
	err        error       // of any change
	queries    []web.Query
	selections map[string]web.Selection // by verb, the last one
	files      []string
	folder     string
	looked     chan struct{} // a task, a page of them, or the status was asked for
	mute       bool          // it ends instead of an answer to a change
	slips      []error       // that come first when they are
}

func newFakeQueue(t testing.TB) *fakeQueue {
	t.Helper()
	f := &fakeQueue{dir: t.TempDir(), hub: web.NewHub(), selections: map[string]web.Selection{}, looked: make(chan struct{}, 1000)}
	l, err := web.ListenControl(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	f.server = web.Serve(l, web.NewAPI(web.Config{Version: "v1", Queue: f, Changes: f, Hub: f.hub}), logrus.NewEntry(log))
	t.Cleanup(f.end)
	return f
}

// end is the end of this cmdq.
func (f *fakeQueue) end() {
	f.hub.Close()
	_ = f.server.Close() // a second time it says so
}

func (f *fakeQueue) Status(context.Context) (web.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.looked <- struct{}{} }()
	return f.status, f.slip()
}

// fall breaks the connection off.
func (f *fakeQueue) fall() {
	if f.mute {
		panic(http.ErrAbortHandler)
	}
}

// slip is the next of slips. The lock is held.
func (f *fakeQueue) slip() (err error) {
	if len(f.slips) > 0 {
		err, f.slips = f.slips[0], f.slips[1:]
	}
	return err
}

func (f *fakeQueue) Tasks(_ context.Context, q web.Query) (web.Tasks, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.looked <- struct{}{} }()
	f.queries = append(f.queries, q)
	out := web.Tasks{Total: len(f.tasks)}
	from := min(q.Offset, len(f.tasks))
	if q.After != "" {
		from = 1 + slices.IndexFunc(f.tasks, func(t web.Task) bool { return t.ID == q.After })
		if from == 0 {
			return web.Tasks{}, web.BadRequest("after=%s: there is no such task", q.After)
		}
	}
	for _, t := range f.tasks[from:min(from+q.Limit, len(f.tasks))] {
		out.Tasks = append(out.Tasks, t.Row)
	}
	return out, nil
}

func (f *fakeQueue) Task(_ context.Context, id string) (web.Task, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.looked <- struct{}{} }()
	if err := f.slip(); err != nil {
		return web.Task{}, err
	}
	for _, t := range f.tasks {
		if t.ID == id {
			return t, nil
		}
	}
	return web.Task{}, web.NotFound("there is no task %s; did you mean near?", id)
}

func (f *fakeQueue) Explain(context.Context, string) (web.Explanation, error) {
	return f.explained, nil
}
func (f *fakeQueue) Failures(context.Context) (web.Failures, error) { return f.failed, nil }

func (f *fakeQueue) Submit(_ context.Context, file []byte, folder string) (web.Outcome, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fall()
	f.files, f.folder = append(f.files, string(file)), folder
	return f.came, f.err
}

func (f *fakeQueue) Cancel(_ context.Context, s web.Selection) (web.Outcome, error) {
	return f.change("cancel", s)
}
func (f *fakeQueue) Retry(_ context.Context, s web.Selection) (web.Outcome, error) {
	return f.change("retry", s)
}
func (f *fakeQueue) Hold(_ context.Context, s web.Selection) (web.Outcome, error) {
	return f.change("hold", s)
}
func (f *fakeQueue) Release(_ context.Context, s web.Selection) (web.Outcome, error) {
	return f.change("release", s)
}

func (f *fakeQueue) change(verb string, s web.Selection) (web.Outcome, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fall()
	f.selections[verb] = s
	return f.came, f.err
}

// set changes how a task stands, and tells of it.
func (f *fakeQueue) set(id, state string) {
	f.mu.Lock()
	i := slices.IndexFunc(f.tasks, func(t web.Task) bool { return t.ID == id })
	f.tasks[i].State = state
	row := f.tasks[i].Row
	f.mu.Unlock()
	f.hub.Publish(web.Event{Task: &row})
}

// said is what a call of cmdq wrote, and its exit status.
type said struct {
	out, err string
	status   int
}

// cmdq calls a verb, with --state for this queue behind its name.
func (f *fakeQueue) cmdq(verb string, args ...string) said {
	return callCmdq(append([]string{verb, "--state", f.dir}, args...)...)
}

// callCmdq is a call of cmdq within this process.
func callCmdq(args ...string) said {
	var out, errs bytes.Buffer
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.Execute()
	s := said{out.String(), errs.String(), exitFinished}
	var e *exit
	switch {
	case errors.As(err, &e):
		s.status = e.status
		if e.cause != nil {
			s.err += "cmdq: " + e.Error() + "\n"
		}
	case err != nil:
		s.status, s.err = exitUsage, s.err+"cmdq: "+err.Error()+"\n"
	}
	return s
}

// aTask is a task with what every list has.
func aTask(id, state string) web.Task {
	return web.Task{Row: web.Row{ID: id, State: state, Command: "echo " + id, Submitted: "2026-11-21T10:00:00.000Z"}, KillGrace: "3s", Executor: "command"}
}
