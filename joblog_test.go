package main

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
)

var testEnd = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)

// ended is a task that ended a number of seconds after testEnd.
func ended(id task.ID, seq uint64, state task.State, after int) *task.Task {
	return &task.Task{ID: id, Seq: seq, State: state, Spec: &task.Spec{ID: id},
		End: &task.End{At: testEnd.Add(time.Duration(after) * time.Second)}}
}

func all(tasks ...*task.Task) iter.Seq[*task.Task] { return slices.Values(tasks) }

// TestJoblogIsCompleted: each end stands there once, whatever a crash left.
func TestJoblogIsCompleted(t *testing.T) {
	a, b, c := ended("a", 0, task.Finished, 0), ended("b", 1, task.Failed, 1), ended("c", 2, task.Killed, 2)
	line := func(e *task.Task) string {
		text, err := lineOf(e).encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	again := ended("a", 0, task.Finished, 9) // queued again by a reload, and ended again
	open := &task.Task{ID: "d", Spec: &task.Spec{ID: "d"}}
	for _, tt := range []struct {
		name, before, want string
		tasks              []*task.Task
		lines              []string
	}{
		{name: "no file yet", want: line(a) + line(b), tasks: []*task.Task{b, open, a}},
		{name: "complete", before: line(b) + line(a), want: line(b) + line(a), tasks: []*task.Task{a, b, open}},
		{name: "one is missing", before: line(a), want: line(a) + line(b) + line(c), tasks: []*task.Task{a, c, b}},
		{name: "torn", before: line(a) + line(b)[:20], want: line(a) + line(b), tasks: []*task.Task{a, b}},
		{name: "torn in the first line", before: line(a)[:1], want: line(a), tasks: []*task.Task{a}},
		{name: "ended twice", before: line(a), want: line(a) + line(again), tasks: []*task.Task{again}},
		{name: "queued again at once", before: line(b), want: line(b) + line(a), tasks: []*task.Task{b, open}, lines: []string{line(a)}},
		{name: "queued again at once, and written", before: line(a), want: line(a), tasks: []*task.Task{open}, lines: []string{line(a)}},
		{name: "not ours", before: "hello\n", want: "hello\n" + line(a), tasks: []*task.Task{a}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "joblog")
			if tt.before != "" {
				if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			j, err := openJoblog(path)
			if err == nil {
				err = j.goOn(tt.lines, all(tt.tasks...))
			}
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			for range 2 { // what comes later is behind it
				if got, err := os.ReadFile(path); err != nil || string(got) != want {
					t.Fatalf("got %v\n%swant\n%s", err, got, want)
				}
				if err := j.add([]scheduler.Record{{Kind: scheduler.Ended, Task: c}, {Kind: scheduler.Changed, Task: b}}); err != nil {
					t.Fatal(err)
				}
				want += line(c)
			}
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestJoblogThatCannotBeCut: what is no file is only written to.
func TestJoblogThatCannotBeCut(t *testing.T) {
	for _, start := range []func(*joblog) error{
		func(j *joblog) error { return j.begin() },
		func(j *joblog) error { return j.goOn(nil, all()) },
	} {
		j, err := openJoblog(os.DevNull)
		if err == nil {
			err = start(j)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := j.append([]*task.Task{ended("a", 0, task.Finished, 0)}); err != nil {
			t.Error(err)
		}
		if err := j.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestHiddenEnds: an end that the task does not show at the end of the batch.
func TestHiddenEnds(t *testing.T) {
	a, b := ended("a", 0, task.Finished, 0), ended("b", 1, task.Failed, 1)
	again := &task.Task{ID: "a", Spec: &task.Spec{ID: "a"}}
	rec := func(k scheduler.Kind, t *task.Task) scheduler.Record { return scheduler.Record{Kind: k, Task: t} }
	lines := hiddenEnds([]scheduler.Record{rec(scheduler.Ended, a), rec(scheduler.Ended, b), rec(scheduler.Queued, again), {Kind: scheduler.AllEnded}})
	if len(lines) != 1 || !strings.Contains(lines[0], `"id":"a"`) {
		t.Errorf("got %q", lines)
	}
	if lines := hiddenEnds([]scheduler.Record{rec(scheduler.Queued, again), rec(scheduler.Ended, again), rec(scheduler.Ended, b)}); len(lines) != 0 {
		t.Errorf("got %q of ends that show", lines)
	}
}

// TestJoblogOfMany: more ends at once than may wait are written all the same, and
// those that a full disk left no place for are there at the end.
func TestJoblogOfMany(t *testing.T) {
	var tasks []*task.Task
	for i := range 100 {
		tasks = append(tasks, ended(task.ID(fmt.Sprintf("t%d", i)), uint64(i), task.Finished, i))
	}
	path := filepath.Join(t.TempDir(), "joblog")
	count := func() int {
		return len(readJoblog(t, path))
	}
	j, err := openJoblog(path)
	if err != nil {
		t.Fatal(err)
	}
	j.most = 1000
	if err := j.goOn(nil, all(tasks[:50]...)); err != nil || count() != 50 {
		t.Fatalf("%d lines of 50 (%v)", count(), err)
	}
	disk := j.file
	if j.file, err = os.Open(path); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	for _, e := range tasks[50:] {
		if err := j.append([]*task.Task{e}); err == nil {
			t.Fatal("written to a file that was opened to be read")
		}
	}
	if len(j.pending) > 2*j.most {
		t.Errorf("%d bytes wait", len(j.pending))
	}
	if err := j.complete(nil, all(tasks...)); err == nil {
		t.Error("complete, and nothing can be written")
	}
	j.file.Close()
	j.file = disk
	if err := j.complete(nil, all(tasks...)); err != nil || count() != 100 {
		t.Errorf("%d lines of 100 (%v)", count(), err)
	}
	if err := j.close(); err != nil {
		t.Error(err)
	}
}
