package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmdq/store"
	"cmdq/task"
	"cmdq/web"
)

// inBackground calls cmdq, and gives what it said once it has ended.
func (f *fakeQueue) inBackground(verb string, args ...string) <-chan said {
	done := make(chan said, 1)
	go func() { done <- f.cmdq(verb, args...) }()
	return done
}

// endOf is what it said, which is soon.
func endOf(t *testing.T, done <-chan said) said {
	t.Helper()
	select {
	case s := <-done:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("it waits on")
		return said{}
	}
}

// await waits until a task, a page of them, or the status was asked for so often.
func (f *fakeQueue) await(t *testing.T, times int) {
	t.Helper()
	for range times {
		select {
		case <-f.looked:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody asks")
		}
	}
}

func TestWaitForSome(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("a", "running"), aTask("b", "idle"), aTask("c", "finished"), aTask("d", "running")}
	done := f.inBackground("wait", "a", "b", "c", "b")
	f.await(t, 4)
	f.set("d", "failed") // is nothing to it
	f.set("b", "running")
	f.set("b", "finished")
	f.set("a", "finished") // what it says of a shows that it waited for this
	if got := endOf(t, done); got.status != 0 || got.out != "c finished\nb finished\na finished\n" || got.err != "" {
		t.Errorf("wait: %+v", got)
	}
	three := 3
	f.tasks[0].ExitCode, f.tasks[3].Message = &three, "went wrong"
	if got := f.cmdq("wait", "a", "d"); got.status != exitFailed || got.out != "a finished, exit status 3\nd failed: went wrong\n" || got.err != "" {
		t.Errorf("of one that failed: %+v", got)
	}
	var list web.Tasks
	if err := json.Unmarshal([]byte(f.cmdq("wait", "a", "--json").out), &list); err != nil || list.Total != 1 || list.Tasks[0].ID != "a" {
		t.Errorf("--json: %v, %+v", err, list)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"a", "far"}, exitFailed, "there is no task far; did you mean near?"},
		{[]string{"--any"}, exitUsage, "--any needs ids"},
		{[]string{"--timeout", "-1s"}, exitUsage, "want 0 or more"},
		{[]string{""}, exitUsage, "is empty"},
	} {
		if got := f.cmdq("wait", tt.args...); got.status != tt.status || !strings.Contains(got.err, tt.want) {
			t.Errorf("wait %q: %+v", tt.args, got)
		}
	}
}

func TestWaitForAny(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("a", "running"), aTask("b", "running")}
	done := f.inBackground("wait", "--any", "a", "b")
	f.await(t, 2)
	f.set("b", "killed")
	if got := endOf(t, done); got.status != exitFailed || got.out != "b killed\n" {
		t.Errorf("wait --any: %+v", got)
	}
	f.tasks[0].State, f.tasks[0].Ended, f.tasks[1].Ended = "finished", "2026-11-21T10:00:00.000Z", "2026-11-21T10:00:01.000Z"
	if got := f.cmdq("wait", "--any", "b", "a"); got.status != 0 || got.out != "a finished\n" {
		t.Errorf("the one that was first: %+v", got)
	}
}

func TestWaitTimeout(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("a", "running"), aTask("b", "finished")}
	f.status = web.Status{Tasks: 2, States: map[string]int{"running": 1, "finished": 1}}
	// Long enough for a slow machine to ask and be answered.
	some, all := f.inBackground("wait", "--timeout", "3s", "a", "b"), f.inBackground("wait", "--timeout", "3s")
	if got := endOf(t, some); got.status != exitTimeout || got.out != "" || got.err != "cmdq: after 3s 1 task had not ended: a (running)\n" {
		t.Errorf("of some: %+v", got)
	}
	if got := endOf(t, all); got.status != exitTimeout || got.out != "" || got.err != "cmdq: after 3s 1 of 2 tasks has not ended\n" {
		t.Errorf("of all: %+v", got)
	}
}

func TestWaitForAll(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("a", "running")}
	f.status = web.Status{Tasks: 2, States: map[string]int{"running": 1, "finished": 1}}
	done := f.inBackground("wait")
	f.await(t, 2) // of the stream, and its own
	f.mu.Lock()
	f.status.States = map[string]int{"finished": 1, "failed": 1}
	f.mu.Unlock()
	f.set("a", "failed") // it has to ask what that makes of all
	if got := endOf(t, done); got.status != exitFailed || got.out != "2 tasks: 1 finished, 1 failed\n" {
		t.Errorf("wait: %+v", got)
	}
	f.status.States = map[string]int{"finished": 2}
	if got := f.cmdq("wait"); got.status != 0 || got.out != "2 tasks: 2 finished\n" {
		t.Errorf("all finished: %+v", got)
	}
}

// TestWaitForMany: that many are looked up page by page, and ends are heard of
// one by one, or by a reset when too much changes at once.
func TestWaitForMany(t *testing.T) {
	f := newFakeQueue(t)
	args := []string{}
	for i := range 1500 {
		id := fmt.Sprint("t", i)
		f.tasks, args = append(f.tasks, aTask(id, "running")), append(args, id)
	}
	done := f.inBackground("wait", args...)
	f.await(t, 2) // a page each
	for _, id := range args {
		f.set(id, "finished")
	}
	if got := endOf(t, done); got.status != 0 || strings.Count(got.out, " finished\n") != 1500 {
		t.Errorf("wait: exit %d, %d lines, %s", got.status, strings.Count(got.out, "\n"), got.err)
	}
}

// TestWaitBeyondTheEnd: when cmdq ends, its journal knows more.
func TestWaitBeyondTheEnd(t *testing.T) {
	before := journalView
	t.Cleanup(func() { journalView = before })
	for _, tt := range []struct {
		state, args string
		status      int
		out, err    string
	}{
		{"finished", "a", 0, "a finished\n", ""},
		{"idle", "a", exitFailed, "", "no cmdq is running with DIR, and 1 task had not ended: a (idle)"},
		{"finished", "", 0, "1 task: 1 finished\n", ""},
		{"idle", "", exitFailed, "", "no cmdq is running with DIR, and 1 of 1 task has not ended"},
	} {
		f := newFakeQueue(t)
		f.tasks = []web.Task{aTask("a", "running")}
		f.status = web.Status{Tasks: 1, States: map[string]int{"running": 1}}
		kept := &fakeQueue{looked: make(chan struct{}, 10), tasks: []web.Task{aTask("a", tt.state)}, status: web.Status{Tasks: 1, States: map[string]int{tt.state: 1}}}
		journalView = func(string) (web.Queue, error) { return kept, nil }
		done := f.inBackground("wait", strings.Fields(tt.args)...)
		f.await(t, 1)
		f.end()
		got := endOf(t, done)
		if tt.err != "" {
			tt.err = "cmdq: " + strings.ReplaceAll(tt.err, "DIR", f.dir) + "\n"
		}
		if got.status != tt.status || got.out != tt.out || got.err != tt.err {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

// TestWaitThroughTrouble: that cmdq is busy, or about to end, is no end of it.
func TestWaitThroughTrouble(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("a", "finished")}
	f.status = web.Status{Tasks: 1, States: map[string]int{"finished": 1}}
	for _, args := range [][]string{nil, {"a"}} {
		f.mu.Lock()
		f.slips = []error{web.Busy("not now"), web.Busy("not now"), &web.Error{Code: web.CodeEnding, Message: "cmdq is ending"}}
		f.mu.Unlock()
		if got := f.cmdq("wait", args...); got.status != 0 || got.err != "" || len(f.slips) > 0 {
			t.Errorf("wait %q: %+v", args, got)
		}
	}
	f.slips = []error{web.NotFound("there is no task a any more")}
	if got := f.cmdq("wait", "a"); got.status != exitFailed {
		t.Errorf("one that is gone: %+v", got)
	}
}

// TestEndsBeforeItAnswers: nobody knows what became of a change then.
func TestEndsBeforeItAnswers(t *testing.T) {
	for _, call := range [][]string{{"cancel", "x"}, {"submit", "--", "x"}} {
		f := newFakeQueue(t)
		f.mute = true
		got := f.cmdq(call[0], call[1:]...)
		if got.status != exitFailed || got.err != "cmdq: the cmdq of "+f.dir+" ended before it answered; what it was asked for may have been done\n" {
			t.Errorf("%q: %+v", call, got)
		}
	}
}

func TestSubmitAndWait(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("x", "running")}
	f.came = web.Outcome{Changed: []string{"x"}, Count: 1}
	done := f.inBackground("submit", "--id", "x", "--wait", "--", "false")
	f.await(t, 1)
	f.set("x", "failed")
	if got := endOf(t, done); got.status != exitFailed || got.out != "x\nx failed\n" {
		t.Errorf("submit --wait: %+v", got)
	}
}

// TestJournalIsRead: without a cmdq that runs, the journal answers, which is said.
func TestJournalIsRead(t *testing.T) {
	before := journalView
	t.Cleanup(func() { journalView = before })
	kept := &fakeQueue{looked: make(chan struct{}, 100), tasks: []web.Task{aTask("a", "idle")}, status: web.Status{Tasks: 1, States: map[string]int{"idle": 1}},
		explained: web.Explanation{ID: "a", Text: "it waits"}}
	journalView = func(state string) (web.Queue, error) {
		if filepath.Base(state) == "none" {
			return nil, fmt.Errorf("open the journal: %w", fs.ErrNotExist)
		}
		if filepath.Base(state) == "damaged" {
			return nil, errors.New("the journal is damaged")
		}
		return kept, nil
	}
	state := keepJournal(t)
	for call, want := range map[string]string{"status": "not running; from its journal", "ls": "idle", "show a": "task        a", "explain a": "it waits", "failures": "no task"} {
		words := strings.Fields(call)
		got := callCmdq(append([]string{words[0], "--state", state}, words[1:]...)...)
		if got.status != 0 || !strings.Contains(got.out, want) || got.err != "cmdq: nothing runs with "+state+"; this is what its journal says\n" {
			t.Errorf("%s: %+v", call, got)
		}
	}
	if got := callCmdq("status", "--state", filepath.Join(state, "none")); got.status != exitUsage {
		t.Errorf("no journal: %+v", got)
	}
	if got := callCmdq("status", "--state", filepath.Join(state, "damaged")); got.status != exitFailed || got.err != "cmdq: the journal is damaged\n" {
		t.Errorf("a damaged one: %+v", got)
	}
}

// keepJournal is a state directory with the journal of one task.
func keepJournal(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	spec := &task.Spec{ID: "a", Command: "true", Resources: task.Resources{CPUs: 100, Mem: 10}}
	err = s.Write(store.Batch{Tasks: []store.Task{{Task: &task.Task{ID: "a", Spec: spec, Submitted: time.Now()}}}})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}
