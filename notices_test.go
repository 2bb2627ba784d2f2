package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/notice"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
)

func owedRecord(id string, to task.Notice) scheduler.Record {
	n := &scheduler.Notice{ID: id, Cause: scheduler.NoneLeft, To: to, Framework: "f"}
	n.States[task.Finished] = 1
	return scheduler.Record{Kind: scheduler.Owed, At: time.Unix(1_700_000_000, 0), Notice: n}
}

// TestOwing: what is owed has bounds, and a batch changes nothing of the run on
// disk, since it may have to be stored again.
func TestOwing(t *testing.T) {
	run := store.Run{File: "/x/tasks.yaml"}
	for i := range maxOwed + 5 {
		before := slices.Clone(run.Notices)
		next := owing(run, owedRecord(fmt.Sprint(i), task.Notice{Command: "true"}))
		if other := owing(run, owedRecord("other", task.Notice{Command: "true"})); i < maxOwed && other.Notices[i].ID != "other" {
			t.Fatalf("of two batches after the same run both have %s", other.Notices[i].ID)
		}
		if !reflect.DeepEqual(run.Notices, before) {
			t.Fatal("the run before was changed")
		}
		run = next
		if len(run.Notices) != min(i+1, maxOwed) || run.Notices[min(i, maxOwed-1)].ID != fmt.Sprint(min(i, maxOwed-1)) {
			t.Fatalf("after %d: %d are owed", i+1, len(run.Notices))
		}
	}
	run = store.Run{}
	long := strings.Repeat("x", 64<<10)
	for i := range 100 {
		run = owing(run, owedRecord(fmt.Sprint(i), task.Notice{Command: long}))
	}
	size := 0
	for _, n := range run.Notices {
		size += sizeOf(n)
	}
	if size > maxOwedBytes || size < maxOwedBytes-2*len(long) {
		t.Errorf("%d bytes are owed, at most %d are allowed", size, maxOwedBytes)
	}
}

func TestTried(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	run := store.Run{Notices: []store.Notice{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	before := slices.Clone(run.Notices)
	for _, tt := range []struct {
		d    scheduler.Delivery
		want []store.Notice
	}{
		{scheduler.Delivery{ID: "b", Tries: 2, Next: at}, []store.Notice{{ID: "a"}, {ID: "b", Tries: 2, Next: at}, {ID: "c"}}},
		{scheduler.Delivery{ID: "b", Over: true}, []store.Notice{{ID: "a"}, {ID: "c"}}},
		{scheduler.Delivery{ID: "x", Over: true}, before},
		{scheduler.Delivery{ID: "x", Tries: 1}, before},
	} {
		if got := tried(run, tt.d).Notices; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v: %+v, want %+v", tt.d, got, tt.want)
		}
		if !reflect.DeepEqual(run.Notices, before) {
			t.Fatalf("%+v changed the run before", tt.d)
		}
	}
}

func TestMessages(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	run := store.Run{File: "/x/tasks.yaml", Began: at}
	var states [task.NumStates]int
	states[task.Finished], states[task.Failed], states[task.Idle] = 2, 1, 4
	failed := func(end task.End) *task.Task {
		end.State, end.At, end.Launch = task.Failed, at, 1
		return &task.Task{ID: "a-1", Spec: &task.Spec{ID: "a"}, State: task.Failed, End: &end, History: []task.Attempt{{Number: 1, Host: "h2"}}}
	}
	code := 3
	for _, tt := range []struct {
		name string
		n    scheduler.Notice
		file string
		text string
		of   *notice.Failed
	}{
		{"finish", scheduler.Notice{Cause: scheduler.NoneLeft}, "/x/tasks.yaml", "cmdq: 7 tasks ended: 2 finished, 1 failed, 0 killed (tasks.yaml)", nil},
		{"of a group", scheduler.Notice{Cause: scheduler.NoneLeft, Group: "g"}, "-", "cmdq: group g: 7 tasks ended: 2 finished, 1 failed, 0 killed (standard input)", nil},
		{"failure", scheduler.Notice{Cause: scheduler.FirstFailed, Failed: failed(task.End{Reason: "R", Message: "M", Stderr: "oops", Exit: task.Exit{Known: true, Code: 3}})},
			"/x/tasks.yaml", "cmdq: a-1 failed: exit status 3 (tasks.yaml)", &notice.Failed{ID: "a-1", Reason: "R", Message: "M", ExitCode: &code, Host: "h2", Stderr: "oops"}},
		{"by a signal", scheduler.Notice{Cause: scheduler.FirstFailed, Failed: failed(task.End{Exit: task.Exit{Known: true, Signal: "Killed"}})},
			"/x/tasks.yaml", "cmdq: a-1 failed: signal Killed (tasks.yaml)", &notice.Failed{ID: "a-1", Signal: "Killed", Host: "h2"}},
		{"by the cluster", scheduler.Notice{Cause: scheduler.FirstFailed, Failed: failed(task.End{Reason: "R", Message: "lost"})},
			"/x/tasks.yaml", "cmdq: a-1 failed: lost (tasks.yaml)", &notice.Failed{ID: "a-1", Reason: "R", Message: "lost", Host: "h2"}},
		{"without a word", scheduler.Notice{Cause: scheduler.FirstFailed, Failed: failed(task.End{Reason: "UNPLACEABLE"})},
			"/x/tasks.yaml", "cmdq: a-1 failed: UNPLACEABLE (tasks.yaml)", &notice.Failed{ID: "a-1", Reason: "UNPLACEABLE", Host: "h2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.n.ID, tt.n.Framework, tt.n.States, run.File = "n1", "f", states, tt.file
			m := messageOf(run, scheduler.Record{At: at, Notice: &tt.n})
			want := notice.Message{ID: "n1", Kind: notice.Finish, Text: tt.text, Group: tt.n.Group, File: tt.file, Framework: "f",
				Began: "2023-11-14T22:13:20.000Z", At: "2023-11-14T22:13:20.000Z", Tasks: 7, States: map[string]int{"finished": 2, "failed": 1, "idle": 4}, Task: tt.of}
			if tt.of != nil {
				want.Kind = notice.Failure
			}
			if !reflect.DeepEqual(m, want) {
				t.Errorf("%+v, want %+v", m, want)
			}
		})
	}
}

// A flag that is wrong is not shown, since it may hold a secret, and is found
// before anything is written.
func TestNoticeFlags(t *testing.T) {
	for _, tt := range []struct {
		args, says string
	}{
		{"--on-finish https:///T0/hush", "--on-finish: want an address"},
		{"--on-failure http://h:port/hush", "--on-failure: want an address"},
		{"--on-failure https://" + strings.Repeat("hush", 1000), "--on-failure: want an address"},
		{strings.Repeat("--on-finish http://h/hush ", 11), "--on-finish: found 11, allowed are at most 10"},
	} {
		dir := t.TempDir()
		writeTasks(t, dir, tasksYAML("{id: a, command: 'true'}"))
		out := startIn(t, dir, append([]string{"run"}, strings.Fields(tt.args)...)...).exits(exitUsage)
		if !strings.Contains(out, tt.says) || strings.Contains(out, "hush") {
			t.Errorf("%.60s: it said %q, want %q", tt.args, out, tt.says)
		}
		if _, err := os.Stat(filepath.Join(dir, ".cmdq")); err == nil {
			t.Errorf("%.60s: something was begun", tt.args)
		}
	}
}

func quietLogger() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// TestNoticesHandedOver: nobody is told before the journal has it.
func TestNoticesHandedOver(t *testing.T) {
	kept, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := quietLogger()
	log.SetOutput(&said)
	j := &journal{store: kept, log: log}
	defer func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := kept.Begin(store.Run{Began: time.Unix(1_700_000_000, 0)}); err != nil {
		t.Fatal(err)
	}
	j.run, _ = kept.Run()
	var got []string
	j.owe = func(owed ...notice.Owed) {
		stored, _ := kept.Run()
		for _, o := range owed {
			if !slices.ContainsFunc(stored.Notices, func(n store.Notice) bool { return n.ID == o.ID }) {
				t.Errorf("%s is not stored", o.ID)
			}
			var m notice.Message
			if err := json.Unmarshal(o.Body, &m); err != nil || m.ID != o.ID || o.Notice.URL != "http://h/"+o.ID {
				t.Errorf("%+v: %v", o, err)
			}
			got = append(got, o.ID)
		}
	}
	batch := func(ids ...string) (records []scheduler.Record) {
		for _, id := range ids {
			records = append(records, owedRecord(id, task.Notice{URL: "http://h/" + id}))
		}
		return records
	}
	for _, records := range [][]scheduler.Record{batch("a"), nil, batch("b", "c"),
		append(batch("d"), scheduler.Record{Kind: scheduler.Tried, Delivery: &scheduler.Delivery{ID: "a", Over: true}})} {
		if err := j.Append(records); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(got, want) || len(j.run.Notices) != 3 || said.Len() > 0 {
		t.Errorf("handed over %q, want %q; %d are owed, want 3; said %q", got, want, len(j.run.Notices), &said)
	}
	var many []scheduler.Record
	for i := range maxOwed {
		many = append(many, batch(fmt.Sprint(i))...)
	}
	got = nil
	if err := j.Append(many); err != nil {
		t.Fatal(err)
	}
	if len(got) != maxOwed-3 || !strings.Contains(said.String(), "3 notices left out") {
		t.Errorf("%d were handed over, and it said %q", len(got), &said)
	}
}

// TestNoticeBook: who owns the journal writes it, whoever that is.
func TestNoticeBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var noted []scheduler.Delivery
		running := true
		full := errors.New("disk full")
		b := &noticeBook{late: make(chan lateDelivery), note: func(_ context.Context, d scheduler.Delivery) error {
			if !running {
				return scheduler.ErrOver
			}
			noted = append(noted, d)
			return full
		}}
		if err := b.Keep(t.Context(), notice.Owed{ID: "a", Tries: 1}); !errors.Is(err, full) {
			t.Errorf("while it runs: %v", err)
		}
		if want := []scheduler.Delivery{{ID: "a", Tries: 1}}; !slices.Equal(noted, want) {
			t.Errorf("noted %+v, want %+v", noted, want)
		}
		running = false
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Drop(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody owns it: %v", err)
		}
		go func() {
			l := <-b.late
			if l.Delivery != (scheduler.Delivery{ID: "a", Over: true}) {
				t.Errorf("%+v", l.Delivery)
			}
			l.stored <- full
		}()
		if err := b.Drop(t.Context(), "a"); !errors.Is(err, full) {
			t.Errorf("when it has ended: %v", err)
		}
	})
}

// hook is an address that notices are posted to. What answers chooses is the
// status; 0 is no answer at all, until the test has ended.
type hook struct {
	t    *testing.T
	url  string
	got  chan notice.Message
	left chan struct{} // a try without an answer has ended before the test
	over chan struct{}
}

func startHook(t *testing.T, answers func(n int) int) *hook {
	h := &hook{t: t, got: make(chan notice.Message, 100), left: make(chan struct{}, 100), over: make(chan struct{})}
	n := make(chan int, 1)
	n <- 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m notice.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		i := <-n + 1
		n <- i
		if agent := r.Header.Get("User-Agent"); !strings.HasPrefix(agent, "cmdq/") || strings.Contains(agent, " ") {
			t.Errorf("it is from %q", agent)
		}
		status := answers(i)
		h.got <- m
		if status == 0 {
			select {
			case <-h.over:
			case <-r.Context().Done():
				h.left <- struct{}{}
			}
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(h.over) })
	h.url = server.URL + "/hush"
	return h
}

func (h *hook) next() notice.Message {
	h.t.Helper()
	select {
	case m := <-h.got:
		return m
	case <-time.After(30 * time.Second):
		h.t.Fatal("no notice came")
	}
	return notice.Message{}
}

// owedIn are the ids of the notices that are owed in a directory.
func owedIn(t *testing.T, dir string) (ids []string) {
	t.Helper()
	s, err := store.Look(filepath.Join(dir, ".cmdq"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run, _ := s.Run()
	for _, n := range run.Notices {
		ids = append(ids, n.ID)
	}
	return ids
}

// TestNoticeKilledInDelivery: cmdq is killed while somebody is being told that
// the run has ended. The next start, which launches nothing, tells it again, by
// the same id, and then nobody is owed anything.
func TestNoticeKilledInDelivery(t *testing.T) {
	t.Parallel()
	h := startHook(t, func(n int) int { return []int{0, http.StatusOK}[min(n, 2)-1] })
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML("{id: a, command: 'true'}"))
	args := []string{"run", "--progress", "none", "--on-finish", h.url}
	p := startIn(t, dir, args...)
	first := h.next()
	p.killed()
	if stage := stageOf(t, dir); stage != store.Ended {
		t.Fatalf("stage %d on disk, want %d: ended, but not told", stage, store.Ended)
	}
	out := startIn(t, dir, args...).exits(exitFinished)
	wants(t, out, "had ended before", "1 task: 1 finished")
	if second := h.next(); !reflect.DeepEqual(first, second) || first.ID == "" || first.Tasks != 1 {
		t.Errorf("told %+v, and then %+v", first, second)
	}
	if ids := owedIn(t, dir); len(ids) != 0 {
		t.Errorf("owed: %q", ids)
	}
}

// TestNoticeOfEarlierRun: nobody takes the notices of a run. It does not wait for
// that after a signal, and the next run, which is another one, delivers them.
func TestNoticeOfEarlierRun(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	h := startHook(t, func(int) int {
		if open.Load() {
			return http.StatusOK
		}
		return http.StatusServiceUnavailable
	})
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML("{id: a, command: 'exit 3', retries: 0}"))
	p := startIn(t, dir, "run", "--progress", "none", "--on-failure", h.url)
	first := h.next()
	p.says("notices", 1) // it waits
	p.signal(syscall.SIGTERM)
	out := p.exits(exitFailed)
	wants(t, out, "1 notice not delivered yet", "1 task: 0 finished, 1 failed")
	if strings.Contains(out, "hush") {
		t.Errorf("the address is shown:\n%s", out)
	}
	if ids := owedIn(t, dir); !slices.Equal(ids, []string{first.ID}) {
		t.Errorf("owed: %q, want %s", ids, first.ID)
	}
	open.Store(true)
	writeTasks(t, dir, tasksYAML("{id: b, command: 'true'}"))
	out = startIn(t, dir, "run", "--progress", "none").exits(exitFinished)
	if second := h.next(); second.ID != first.ID || second.Task == nil || second.Task.ID != "a" || second.Task.Host == "" {
		t.Errorf("told %+v, want %+v", second, first)
	}
	if strings.Contains(out, "not delivered") {
		t.Errorf("it was:\n%s", out)
	}
	if ids := owedIn(t, dir); len(ids) != 0 {
		t.Errorf("owed: %q", ids)
	}
}

// TestNoticeHoldsUpNothing: an address that does not answer delays no task, and
// is told of by a cmdq that is started again after a crash.
func TestNoticeHoldsUpNothing(t *testing.T) {
	t.Parallel()
	h := startHook(t, func(n int) int { return []int{0, http.StatusOK}[min(n, 2)-1] })
	dir := t.TempDir()
	tasks := []string{"{id: bad, command: 'exit 3', retries: 0, priority: 1}"}
	for i := range 20 {
		tasks = append(tasks, fmt.Sprintf("{id: t%d, command: 'echo %d >>%s/starts'}", i, i, dir))
	}
	writeTasks(t, dir, tasksYAML(tasks...)+"on_failure: {url: '"+h.url+"'}\n")
	// There is room for one task at a time: all but bad begin when it has ended.
	p := startIn(t, dir, "--progress", "none", "--resources", "cpus:0.1;mem:32;disk:1")
	first := h.next()
	waitLines(t, filepath.Join(dir, "starts"), 5) // long before the 10 s that a try may take
	if len(h.left) > 0 {
		t.Error("they ran only when the first try was over")
	}
	waitLines(t, filepath.Join(dir, "starts"), 20)
	p.killed()
	p = startIn(t, dir, "--progress", "none")
	if second := h.next(); second.ID != first.ID || second.Kind != notice.Failure {
		t.Errorf("told %+v, want %+v", second, first)
	}
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)
}

// TestNoticeOfManyEnds: a batch that the store writes in parts comes after what is
// owed by it.
func TestNoticeOfManyEnds(t *testing.T) {
	kept, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.Begin(store.Run{}); err != nil {
		t.Fatal(err)
	}
	j := &journal{store: kept, log: quietLogger()}
	for _, tt := range []struct{ tasks, owed int }{{store.Together, 0}, {store.Together + 1, 1}} {
		b := j.batch([]scheduler.Record{owedRecord("n", task.Notice{Command: "true"})})
		b.Tasks = make([]store.Task, tt.tasks)
		if err := j.oweFirst(b); err != nil {
			t.Fatal(err)
		}
		if run, _ := kept.Run(); len(run.Notices) != tt.owed {
			t.Errorf("ahead of %d tasks %d notices are stored, want %d", tt.tasks, len(run.Notices), tt.owed)
		}
	}
}
