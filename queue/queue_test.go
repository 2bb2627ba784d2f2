package queue

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func need(cpus, mem int64) task.Resources { return task.Resources{CPUs: cpus, Mem: mem} }

// fill makes a queue of tasks a, b, c, … with these needs, in this order.
func fill(t *testing.T, needs ...task.Resources) *Queue {
	t.Helper()
	q := New()
	for i, n := range needs {
		add(t, q, task.ID(rune('a'+i)), uint64(i), &task.Spec{Resources: n})
	}
	return q
}

func add(t *testing.T, q *Queue, id task.ID, seq uint64, spec *task.Spec) {
	t.Helper()
	if _, err := q.Add(task.Task{ID: id, Spec: spec, Seq: seq, Index: -1}); err != nil {
		t.Fatal(err)
	}
}

// launchAll fills an offer and says with what.
func launchAll(t *testing.T, q *Queue, free task.Resources) string {
	t.Helper()
	var ids []string
	for {
		first := q.First(free, nil)
		if first == nil {
			return strings.Join(ids, " ")
		}
		ids = append(ids, string(first.ID))
		free = free.Sub(first.Spec.Resources)
		q.Launch(first.ID)
		if err := q.Check(); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(tasks func(func(*task.Task) bool)) string {
	var all []string
	for t := range tasks {
		all = append(all, string(t.ID))
	}
	return strings.Join(all, " ")
}

func TestFirstFit(t *testing.T) {
	tests := []struct {
		name  string
		needs []task.Resources
		free  task.Resources
		want  string
	}{
		{"nothing waits", nil, need(1000, 1000), ""},
		{"in the order of the file", []task.Resources{need(100, 100), need(100, 100), need(200, 50)}, need(1000, 1000), "a b c"},
		{"what does not fit blocks nobody", []task.Resources{need(2000, 100), need(500, 100), need(600, 100), need(500, 100)}, need(1000, 1000), "b d"},
		{"a cpu is filled exactly", []task.Resources{need(100, 1), need(200, 1), need(700, 1), need(1, 1)}, need(1000, 1000), "a b c"},
		{"every part counts", []task.Resources{need(100, 900), need(100, 200), need(100, 100)}, need(1000, 1000), "a c"},
		{"disk and gpus too", []task.Resources{{CPUs: 1, GPUs: 1}, {CPUs: 1, Disk: 10}, {CPUs: 1}}, need(1000, 1000), "c"},
		{"a need of nothing fits nothing left", []task.Resources{need(1, 0), need(0, 1), need(0, 0)}, task.Resources{}, "c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := launchAll(t, fill(t, tt.needs...), tt.free); got != tt.want {
				t.Errorf("launched %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPriorityGoesBeforeFileOrder(t *testing.T) {
	q := New()
	for i, priority := range []int{0, 5, -1, 5, 0, math.MinInt64, math.MaxInt64, 1 << 15, 1<<15 - 1, -1 << 15, 1 - 1<<15} {
		add(t, q, task.ID(rune('a'+i)), uint64(i), &task.Spec{Priority: priority, Resources: need(100, 10*int64(i%2))})
	}
	if got, want := launchAll(t, q, need(2000, 1000)), "g h i b d a e c k j f"; got != want {
		t.Errorf("launched %q, want %q", got, want)
	}
}

// TestAdmit: it is asked with the head of each shape that fits, in order, until
// it says yes.
func TestAdmit(t *testing.T) {
	q := fill(t, need(100, 1), need(100, 1), need(900, 1), need(200, 1), need(300, 1), need(200, 1))
	tests := []struct{ yes, asked, want string }{
		{"abcdef", "a", "a"},
		{"d", "a d", "d"},
		{"bef", "a d e", "e"},
		{"c", "a d e", ""},
	}
	for _, tt := range tests {
		var asked []string
		got := q.First(need(500, 500), func(head *task.Task) bool {
			asked = append(asked, string(head.ID))
			return strings.Contains(tt.yes, string(head.ID))
		})
		id := ""
		if got != nil {
			id = string(got.ID)
		}
		if id != tt.want || strings.Join(asked, " ") != tt.asked {
			t.Errorf("yes to %q: found %q, asked %q; want %q, %q", tt.yes, id, asked, tt.want, tt.asked)
		}
	}
}

// TestRetry: a task that comes back stands where it stood.
func TestRetry(t *testing.T) {
	one := need(100, 100)
	q := fill(t, one, one, one, one)
	if got := launchAll(t, q, need(300, 1000)); got != "a b c" {
		t.Fatalf("launched %q", got)
	}
	q.Up("b")
	q.Retry("b", time.Time{})
	q.Retry("a", noon.Add(2*time.Second))
	q.Retry("c", noon.Add(time.Second))
	if q.Ready() != 2 || q.Delayed() != 2 || q.Count(task.Idle) != 4 {
		t.Errorf("ready %d, delayed %d, idle %d; want 2, 2, 4", q.Ready(), q.Delayed(), q.Count(task.Idle))
	}
	if at, ok := q.NextWake(); !ok || !at.Equal(noon.Add(time.Second)) {
		t.Errorf("next wake %v %v, want that of c", at, ok)
	}
	for _, tt := range []struct {
		after time.Duration
		woken int
		first task.ID
	}{{0, 0, "b"}, {time.Second, 1, "b"}, {time.Hour, 1, "a"}} {
		if n := q.Wake(noon.Add(tt.after)); n != tt.woken {
			t.Errorf("after %v: woke %d, want %d", tt.after, n, tt.woken)
		}
		if got := q.First(one, nil); got.ID != tt.first {
			t.Errorf("after %v: first is %s, want %s", tt.after, got.ID, tt.first)
		}
	}
	if got := launchAll(t, q, need(1000, 1000)); got != "a b c d" {
		t.Errorf("launched %q, want all in the order of the file", got)
	}
}

func TestDelay(t *testing.T) {
	q := fill(t, need(1, 1), need(1, 1))
	q.Delay("a", noon)
	q.Delay("b", noon)
	q.Delay("a", noon.Add(time.Minute)) // instead of noon
	if n := q.Wake(noon); n != 1 || q.First(need(1, 1), nil).ID != "b" {
		t.Errorf("at noon %d woke, want b alone", n)
	}
	q.Delay("a", time.Time{})
	if got := q.First(need(1, 1), nil); got.ID != "a" || q.Delayed() != 0 {
		t.Errorf("first is %s, want a, that waits no longer", got.ID)
	}
}

func TestEndAndRemove(t *testing.T) {
	q := fill(t, need(1, 1), need(1, 1), need(1, 1), need(1, 1))
	q.Launch("a")
	q.Delay("b", noon)
	for id, s := range map[task.ID]task.State{"a": task.Finished, "b": task.Killed, "c": task.Failed} {
		q.End(id, s)
		if got := q.Get(id); got.State != s || q.Count(s) != 1 {
			t.Errorf("%s is %s, %d such; want it %s, 1", id, got.State, q.Count(s), s)
		}
	}
	if got := launchAll(t, q, need(10, 10)); got != "d" {
		t.Errorf("launched %q, want only what had not ended", got)
	}
	if got := q.Remove("a"); got == nil || got.ID != "a" || q.Get("a") != nil || q.Len() != 3 {
		t.Errorf("removed %v, %d left", got, q.Len())
	}
	if got := q.Remove("a"); got != nil {
		t.Errorf("removed %v twice", got)
	}
	add(t, q, "a", 0, &task.Spec{Resources: need(1, 1)})
	if got := launchAll(t, q, need(10, 10)); got != "a" {
		t.Errorf("launched %q, want the new a", got)
	}
	if err := q.Check(); err != nil {
		t.Error(err)
	}
}

// TestFetch: a task is fetched for from wherever its command may have been, and
// then ends or is tried again, in its old place.
func TestFetch(t *testing.T) {
	q := fill(t, need(1, 1), need(1, 1), need(1, 1), need(1, 1), need(1, 1))
	q.Delay("b", noon)
	q.Launch("c")
	q.Launch("d")
	q.Up("d")
	for _, id := range []task.ID{"a", "b", "c", "d"} {
		q.Fetch(id)
		if err := q.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(q.Fetching()); got != "a b c d" || ids(q.Active()) != "" || q.Count(task.Fetching) != 4 || q.Delayed() != 0 || q.Wake(noon) != 0 {
		t.Errorf("fetching %q, active %q", got, ids(q.Active()))
	}
	q.Retry("a", time.Time{})
	q.Retry("b", noon)
	q.End("c", task.Failed)
	if got := launchAll(t, q, need(10, 10)); got != "a e" || q.Wake(noon) != 1 {
		t.Errorf("launched %q, want what is ready again first", got)
	}
	q.End("d", task.Finished)
	if got := q.Remove("d"); got == nil || ids(q.Fetching()) != "" {
		t.Errorf("fetching %q after all have gone on", ids(q.Fetching()))
	}
	if err := q.Check(); err != nil {
		t.Error(err)
	}
}

// TestRestore: a task of any state comes into its place, and goes on from there.
func TestRestore(t *testing.T) {
	q := New()
	for s := range task.State(task.NumStates) {
		if _, err := q.Restore(task.Task{ID: task.ID(s.String()), Spec: &task.Spec{}, Seq: uint64(s), State: s}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Restore(task.Task{ID: "later", Spec: &task.Spec{}, Seq: 100}, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Restore(task.Task{ID: "later", Spec: &task.Spec{}, State: task.Failed}, noon); !errors.Is(err, ErrDuplicate) {
		t.Errorf("restored twice: %v", err)
	}
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	for s := range task.State(task.NumStates) {
		if got := q.Get(task.ID(s.String())).State; got != s {
			t.Errorf("%s was restored as %s", s, got)
		}
	}
	if at, ok := q.WakeAt("later"); q.Ready() != 1 || !ok || !at.Equal(noon) || ids(q.Active()) != "starting running" || ids(q.Fetching()) != "fetching" {
		t.Errorf("%d ready, a wake at %v, active %q, fetching %q", q.Ready(), at, ids(q.Active()), ids(q.Fetching()))
	}
	q.Retry("fetching", time.Time{})
	q.Park("later")
	if at, _ := q.WakeAt("later"); !at.Equal(noon) || q.ParkedCount() != 1 {
		t.Errorf("parked: a wake at %v", at)
	}
	if got := launchAll(t, q, need(0, 0)); got != "idle fetching" {
		t.Errorf("launched %q", got)
	}
}

// TestShapeIsWhereItFits: tasks of one need are asked for one by one if who runs
// them differs, and together if only their commands do.
func TestShapeIsWhereItFits(t *testing.T) {
	q := New()
	for i, s := range []*task.Spec{{}, {Command: "another"}, {User: "ann"}, {Executor: task.ByCmdq}, {Executor: task.ByCmdq, User: "ann"}, {Executor: task.ByCmdq},
		{Rules: &task.Rules{After: []task.ID{"a"}}}, {Rules: &task.Rules{Group: "g"}}, {Rules: &task.Rules{Group: "g"}}, {Rules: &task.Rules{Ports: 1}}} {
		add(t, q, task.ID(rune('a'+i)), uint64(i), s)
	}
	if _, err := q.Add(task.Task{ID: "k", Spec: &task.Spec{Executor: task.ByCmdq}, Index: -1, Seq: 10, Alone: true}); err != nil {
		t.Fatal(err)
	}
	asked := ""
	q.First(need(0, 0), func(t *task.Task) bool { asked += string(t.ID); return false })
	if asked != "acdehjk" {
		t.Errorf("asked with %q, want the head of each shape", asked)
	}
	if got := ids(q.SameShape(q.Get("d"))) + ", " + ids(q.SameShape(q.Get("i"))) + ", " + ids(q.SameShape(q.Get("a"))); got != "d f, h i, a b g" {
		t.Errorf("of the shapes of d, i and a: %q", got)
	}
}

func TestAddTwice(t *testing.T) {
	q := fill(t, need(1, 1))
	given := task.Task{ID: "b", Spec: &task.Spec{}, Index: -1, Seq: 7}
	kept, err := q.Add(given)
	if err != nil || kept != q.Get("b") || kept == &given || kept.Seq != 7 {
		t.Errorf("add b: %+v %v, want the queue's own copy", kept, err)
	}
	if _, err := q.Add(given); !errors.Is(err, ErrDuplicate) || !strings.Contains(err.Error(), "b") {
		t.Errorf("add b again: %v, want ErrDuplicate with the id", err)
	}
	if q.Len() != 2 || q.Ready() != 2 {
		t.Errorf("%d tasks, %d ready; want 2, 2", q.Len(), q.Ready())
	}
}

// TestIllegalSteps: a step that the life of a task does not have is a bug of
// the owner, and changes nothing before it panics.
func TestIllegalSteps(t *testing.T) {
	tests := []struct {
		name string
		step func(*Queue)
	}{
		{"launch an unknown task", func(q *Queue) { q.Launch("nobody") }},
		{"launch a starting task", func(q *Queue) { q.Launch("starting") }},
		{"launch a delayed task", func(q *Queue) { q.Launch("delayed") }},
		{"launch a parked task", func(q *Queue) { q.Park("idle"); q.Launch("idle") }},
		{"park a running task", func(q *Queue) { q.Park("running") }},
		{"park an ended task", func(q *Queue) { q.Park("ended") }},
		{"unpark a fetching task", func(q *Queue) { q.Unpark("fetching", noon) }},
		{"launch an ended task", func(q *Queue) { q.Launch("ended") }},
		{"up of an idle task", func(q *Queue) { q.Up("idle") }},
		{"up of a running task", func(q *Queue) { q.Up("running") }},
		{"retry an idle task", func(q *Queue) { q.Retry("idle", time.Time{}) }},
		{"retry an ended task", func(q *Queue) { q.Retry("ended", noon) }},
		{"delay a running task", func(q *Queue) { q.Delay("running", noon) }},
		{"delay an ended task", func(q *Queue) { q.Delay("ended", noon) }},
		{"end an ended task", func(q *Queue) { q.End("ended", task.Killed) }},
		{"end with no end", func(q *Queue) { q.End("starting", task.Running) }},
		{"remove a running task", func(q *Queue) { q.Remove("running") }},
		{"remove a fetching task", func(q *Queue) { q.Remove("fetching") }},
		{"launch a fetching task", func(q *Queue) { q.Launch("fetching") }},
		{"delay a fetching task", func(q *Queue) { q.Delay("fetching", noon) }},
		{"fetch twice", func(q *Queue) { q.Fetch("fetching") }},
		{"fetch an ended task", func(q *Queue) { q.Fetch("ended") }},
		{"add a running task", func(q *Queue) { _, _ = q.Add(task.Task{ID: "x", Spec: &task.Spec{}, State: task.Running}) }},
		{"add a task without spec", func(q *Queue) { _, _ = q.Add(task.Task{ID: "x"}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := New()
			for i, id := range []task.ID{"idle", "delayed", "starting", "running", "fetching", "ended"} {
				add(t, q, id, uint64(i), &task.Spec{})
			}
			q.Delay("delayed", noon)
			q.Launch("starting")
			q.Launch("running")
			q.Up("running")
			q.Fetch("fetching")
			q.End("ended", task.Failed)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				if err := q.Check(); err != nil || q.Len() != 6 || q.Ready()+q.ParkedCount() != 1 {
					t.Errorf("the queue changed: %v", err)
				}
			}()
			tt.step(q)
		})
	}
}
