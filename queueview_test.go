package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
	"cmdq/web"
)

// hundredThousand is a queue of so many tasks: a tenth failed, in ten ways, a
// hundred run, a third are idle, the others have finished.
func hundredThousand(tb testing.TB) *queueView {
	tb.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	saved := scheduler.Saved{Framework: scheduler.Framework{ID: "f"}, Now: now, Each: func(take func(task.Task, time.Time) error) error {
		for i := range 100_000 {
			id := task.ID(fmt.Sprintf("task-%d", i))
			t := task.Task{ID: id, Index: -1, Seq: uint64(i), Submitted: now,
				Spec: &task.Spec{ID: id, Command: "echo some command that is not short " + string(id), Resources: task.Resources{CPUs: 100, Mem: 10}}}
			launch := task.Attempt{Number: 1, Agent: "a1", Host: "h1", Framework: "f", Launched: now, Started: now, State: "TASK_RUNNING", Seen: true}
			switch {
			case i%10 == 0:
				launch.Ended, launch.State = now, "TASK_FAILED"
				t.State, t.Launches, t.Attempts, t.History = task.Failed, 1, 1, []task.Attempt{launch}
				t.End = &task.End{State: task.Failed, At: now, Launch: 1, Exit: task.Exit{Known: true, Code: 1 + i/10%10}, Stderr: fmt.Sprintf("line\ncannot open /data/%d", i)}
			case i%1000 == 1:
				t.State, t.Launches, t.Attempts, t.History = task.Running, 1, 1, []task.Attempt{launch}
			case i%3 != 0:
				launch.Ended, launch.State = now, "TASK_FINISHED"
				t.State, t.Launches, t.Attempts, t.History = task.Finished, 1, 1, []task.Attempt{launch}
				t.End = &task.End{State: task.Finished, At: now, Launch: 1, Exit: task.Exit{Known: true}}
			}
			if err := take(t, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	}}
	v, err := scheduler.Frozen(scheduler.DefaultConfig(), saved)
	if err != nil {
		tb.Fatal(err)
	}
	return &queueView{look: func(_ context.Context, look func(scheduler.View)) error { look(v); return nil }}
}

// BenchmarkQuestions is how long a question holds up the loop of a queue of
// 100,000 tasks.
func BenchmarkQuestions(b *testing.B) {
	q := hundredThousand(b)
	for name, ask := range map[string]func(context.Context) error{
		"ls": func(ctx context.Context) error {
			_, err := q.Tasks(ctx, web.Query{})
			return err
		},
		"ls --failed": func(ctx context.Context) error {
			_, err := q.Tasks(ctx, web.Query{States: []string{"failed", "killed"}, Sort: "-ended"})
			return err
		},
		"status": func(ctx context.Context) error {
			_, err := q.Status(ctx)
			return err
		},
		"failures": func(ctx context.Context) error {
			_, err := q.Failures(ctx)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if err := ask(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestQuestions: filters, sorting and pages of a long queue.
func TestQuestions(t *testing.T) {
	q := hundredThousand(t)
	for _, tt := range []struct {
		query web.Query
		total int
		first string
		rows  int
	}{
		{web.Query{}, 100_000, "task-0", 100},
		{web.Query{Limit: 1000}, 100_000, "task-0", 1000},
		{web.Query{States: []string{"failed"}}, 10_000, "task-0", 100},
		{web.Query{States: []string{"failed"}, Offset: 9_990}, 10_000, "task-99900", 10},
		{web.Query{Offset: 200_000}, 100_000, "", 0},
		{web.Query{After: "task-99989"}, 100_000, "task-99990", 10},
		{web.Query{After: "task-99989", Offset: 4}, 100_000, "task-99994", 6},
		{web.Query{After: "task-99999"}, 100_000, "", 0},
		{web.Query{After: "task-5", Match: "task-9999?", Sort: "-id"}, 10, "", 0},
		{web.Query{After: "task-99995", Match: "task-9999?", Sort: "-id"}, 10, "task-99994", 5},
		{web.Query{Match: "task-9999?"}, 10, "task-99990", 10},
		{web.Query{Match: "task-9999?", Sort: "-id"}, 10, "task-99999", 10},
		{web.Query{Agent: "h1", States: []string{"running"}}, 100, "task-1", 100},
		{web.Query{Labels: map[string]string{"a": "b"}}, 0, "", 0},
		{web.Query{States: []string{"held"}}, 0, "", 0},
	} {
		got, err := q.Tasks(t.Context(), tt.query)
		if err != nil || got.Total != tt.total || len(got.Tasks) != tt.rows || tt.rows > 0 && got.Tasks[0].ID != tt.first {
			t.Errorf("%+v: %d of %d, first %+v, %v", tt.query, len(got.Tasks), got.Total, got.Tasks[:min(1, len(got.Tasks))], err)
		}
	}
	for _, bad := range []web.Query{{Sort: "size"}, {States: []string{"done"}}, {Match: "["}, {Limit: 1001}, {Offset: -1}, {After: "nobody"}} {
		if _, err := q.Tasks(t.Context(), bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
	groups, err := q.Failures(t.Context())
	if err != nil || len(groups.Groups) != 10 || groups.Tasks != 10_000 || groups.Groups[0].Line != "cannot open *" || groups.Groups[0].Count != 1000 {
		t.Errorf("%+v, %v", groups, err)
	}
	if _, err := q.Task(t.Context(), "task-12345678"); err == nil {
		t.Error("a task that is not there")
	}
}

// TestQueryNames: what can be asked for by name is what there is.
func TestQueryNames(t *testing.T) {
	states := []string{scheduler.WaitsHeld, scheduler.WaitsTasks, scheduler.WaitsBackoff}
	for s := range task.NumStates {
		states = append(states, task.State(s).String())
	}
	slices.Sort(states)
	if known := slices.Sorted(slices.Values(web.StateNames)); !slices.Equal(states, known) {
		t.Errorf("states are %q, the API knows %q", states, known)
	}
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	a := &task.Task{ID: "a", Spec: &task.Spec{}, Seq: 1, State: task.Finished, Submitted: late, End: &task.End{At: late}, Attempts: 2, History: []task.Attempt{{Started: late}}}
	b := &task.Task{ID: "b", Spec: &task.Spec{}, Seq: 2, State: task.Idle, Submitted: early, Attempts: 1}
	for _, name := range web.SortNames {
		if n := sorting(name)(a, b); n == 0 || n != -sorting("-"+name)(a, b) {
			t.Errorf("%s: %d", name, n)
		}
	}
}

// TestDetailHidesSecrets: whoever may read the API sees no password of an address,
// and no value of the environment.
func TestDetailHidesSecrets(t *testing.T) {
	saved := scheduler.Saved{Now: time.Now(), Each: func(take func(task.Task, time.Time) error) error {
		return take(task.Task{ID: "a", Index: -1, Spec: &task.Spec{ID: "a", Command: "x", Resources: task.Resources{CPUs: 1, Mem: 1},
			Env: map[string]string{"TOKEN": "hidden"}, URIs: []task.URI{{Value: "https://ann:hidden@h/x?sig=hidden"}}}}, time.Time{})
	}}
	v, err := scheduler.Frozen(scheduler.DefaultConfig(), saved)
	if err != nil {
		t.Fatal(err)
	}
	q := &queueView{look: func(_ context.Context, look func(scheduler.View)) error { look(v); return nil }}
	got, err := q.Task(t.Context(), "a")
	if err != nil || !slices.Equal(got.URIs, []string{"https://…@h/x?…"}) || strings.Contains(fmt.Sprintf("%+v", got), "hidden") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDetailSaysWhoRunsIt: the next launch, that is.
func TestDetailSaysWhoRunsIt(t *testing.T) {
	q := hundredThousand(t)
	q.executor = task.ByCmdq
	for _, tt := range []struct {
		by, want task.Executor
		alone    bool
	}{{"", task.ByCmdq, false}, {task.ByCommand, task.ByCommand, false}, {task.ByCmdq, task.ByCommand, true}} {
		err := q.look(t.Context(), func(v scheduler.View) {
			if got := q.detail(v, &task.Task{ID: "a", Index: -1, Spec: &task.Spec{Command: "x", Executor: tt.by}, Alone: tt.alone}); got.Executor != string(tt.want) {
				t.Errorf("%+v: %q", tt, got.Executor)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestListed: a list is whole, and in order, however it is read page by page; also
// when the task that a page ended with is gone.
func TestListed(t *testing.T) {
	q := hundredThousand(t)
	for _, tt := range []struct {
		query web.Query
		limit int
		want  int
	}{
		{web.Query{States: []string{"failed"}}, 0, 10_000},
		{web.Query{States: []string{"failed"}, Sort: "-id"}, 0, 10_000},
		{web.Query{States: []string{"failed"}, Sort: "ended"}, 0, 10_000},
		{web.Query{States: []string{"failed"}, Sort: "order"}, 2_500, 2_500},
		{web.Query{States: []string{"held"}}, 0, 0},
	} {
		all, err := listed(t.Context(), q, tt.query, tt.limit)
		if err != nil || len(all.Tasks) != tt.want || all.Tasks == nil {
			t.Fatalf("%+v: %d tasks, %v", tt.query, len(all.Tasks), err)
		}
		before := ""
		for _, row := range all.Tasks {
			if tt.query.Sort == "-id" && before != "" && row.ID >= before {
				t.Fatalf("%+v: %s behind %s", tt.query, row.ID, before)
			}
			before = row.ID
		}
	}
	f := newFakeQueue(t)
	for i := range 2500 {
		f.tasks = append(f.tasks, web.Task{Row: web.Row{ID: fmt.Sprint("t", i)}})
	}
	all, err := listed(t.Context(), vanishing{f}, web.Query{}, 0)
	if err != nil || len(all.Tasks) != 2500 {
		t.Errorf("%d tasks, %v", len(all.Tasks), err)
	}
}

// vanishing is a queue in which the task is gone behind which a page is to begin.
type vanishing struct{ *fakeQueue }

func (v vanishing) Tasks(ctx context.Context, q web.Query) (web.Tasks, error) {
	if q.After != "" {
		q.After = "nobody"
	}
	return v.fakeQueue.Tasks(ctx, q)
}
