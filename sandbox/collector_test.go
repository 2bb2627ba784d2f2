package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cmdq/task"
)

// results collects what a Collector hands on.
type results struct {
	mu  sync.Mutex
	got map[task.ID]Result
	at  map[task.ID]time.Duration
	t0  time.Time
}

func newResults() *results {
	return &results{got: map[task.ID]Result{}, at: map[task.ID]time.Duration{}, t0: time.Now()}
}

func (r *results) take(_ context.Context, one Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, twice := r.got[one.ID]; twice {
		panic("two results of " + string(one.ID))
	}
	r.got[one.ID], r.at[one.ID] = one, time.Since(r.t0).Round(time.Millisecond)
}

func (r *results) of(id task.ID) (Result, time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.got[id]
	return one, r.at[id], ok
}

func requestOf(id task.ID, agent string) Request {
	return Request{ID: id, Attempt: 1, Launch: Launch{Framework: "f", Agent: agent, Task: string(id) + ".1"}}
}

func TestCollector(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newTree(t, map[string]string{"a.txt": "A", "stdout": "out", "stderr": "one\ntwo\n"})
		r := newResults()
		c := NewCollector(f, r.take)
		defer c.Close()
		all := requestOf("all", "a")
		all.Attempt = 3
		all.Outputs, all.OutputsTo = wanted("*.txt", "nope"), Place{dir, "all"}
		all.Keep, all.KeepTo, all.Tail = true, Place{dir, "kept/attempt-3"}, true
		c.Add(all)
		tail := requestOf("tail", "a")
		tail.Tail = true
		c.Add(tail)
		synctest.Wait()
		got, _, ok := r.of("all")
		if !ok || got.Attempt != 3 || got.Files != 1 || strings.Join(got.Missing, " ") != "nope" || got.Err != nil || got.KeepErr != nil || got.Stderr != "one\ntwo" {
			t.Errorf("%+v", got)
		}
		if got, _, ok := r.of("tail"); !ok || got.Stderr != "one\ntwo" || got.TailErr != nil {
			t.Errorf("%+v", got)
		}
	})
	if got := fmt.Sprint(contents(t, dir)); got != "map[all/a.txt:A kept/attempt-3/stderr:one\ntwo\n kept/attempt-3/stdout:out]" {
		t.Error(got)
	}
}

// TestCollectorTries: five tries, and then the last error; an error that will
// come again is not tried again.
func TestCollectorTries(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails int // calls
		with  error
		after time.Duration
		err   string
	}{
		{"none fails", 0, errAway, 0, ""},
		{"once", 1, errAway, time.Second, ""},
		{"four times", 4, errAway, 15 * time.Second, ""},
		{"always", 99, errAway, 15 * time.Second, "tried 5 times: agent away"},
		{"no sandbox", 99, ErrNotFound, 15 * time.Second, "tried 5 times: agent a has no sandbox of x.1: there is no such file"},
		{"refused", 99, &Refused{Status: 403}, 0, "refused with status 403"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := newTree(t, map[string]string{"a": "A", "stdout": ""})
				lists := 0
				f.fail = func(what, _ string, _ int) error {
					if lists++; lists <= tt.fails {
						return tt.with
					}
					return nil
				}
				r := newResults()
				c := NewCollector(f, r.take)
				defer c.Close()
				q := requestOf("x", "a")
				q.Outputs, q.OutputsTo = wanted("a"), Place{dir, "x"}
				c.Add(q)
				time.Sleep(time.Minute)
				got, at, ok := r.of("x")
				if !ok || at != tt.after || fmt.Sprint(got.Err) != cmp.Or(tt.err, "<nil>") {
					t.Errorf("%+v after %s, want %q after %s", got, at, tt.err, tt.after)
				}
				if got := len(contents(t, dir)) == 1; got != (tt.err == "") {
					t.Errorf("fetched: %v", got)
				}
			})
		})
	}
}

// TestCollectorSweeps: of what could not be fetched nothing stays.
func TestCollectorSweeps(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newTree(t, map[string]string{"a": strings.Repeat("a", 200_000)})
		f.cut = func(string, int64) int64 { return 10 }
		r := newResults()
		c := NewCollector(f, r.take)
		defer c.Close()
		q := requestOf("x", "a")
		q.Outputs, q.OutputsTo = wanted("a"), Place{dir, "x"}
		c.Add(q)
		time.Sleep(time.Minute)
		if got, _, ok := r.of("x"); !ok || got.Err == nil {
			t.Errorf("%+v", got)
		}
	})
	if got := slices.Collect(maps.Keys(contents(t, dir))); !slices.Equal(got, []string{"x/"}) {
		t.Errorf("left: %q", got)
	}
}

// stuck is an agent "away" whose answers do not come, beside one that answers.
type stuck struct {
	*tree
	now, most atomic.Int32 // calls that wait
}

func (s *stuck) wait(ctx context.Context, l Launch) error {
	if l.Agent != "away" {
		return nil
	}
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return errAway
	}
}

func (s *stuck) List(ctx context.Context, l Launch, dir string) ([]Entry, error) {
	if err := s.wait(ctx, l); err != nil {
		return nil, err
	}
	return s.tree.List(ctx, l, dir)
}

func (s *stuck) Read(ctx context.Context, l Launch, name string, offset int64, most int) ([]byte, int64, error) {
	if err := s.wait(ctx, l); err != nil {
		return nil, 0, err
	}
	return s.tree.Read(ctx, l, name, offset, most)
}

// TestCollectorAway: an agent that does not answer holds up only its own, and
// those that wait for a tail only 5 s.
func TestCollectorAway(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &stuck{tree: newTree(t, map[string]string{"a": "A", "stderr": "e"})}
		r := newResults()
		c := NewCollector(f, r.take)
		defer c.Close()
		for i := range 100 {
			for _, agent := range []string{"away", "here"} {
				tail := requestOf(task.ID(fmt.Sprint("tail-", agent, i)), agent)
				tail.Tail = true
				c.Add(tail)
				fetch := requestOf(task.ID(fmt.Sprint("fetch-", agent, i)), agent)
				fetch.Outputs, fetch.OutputsTo = wanted("a"), Place{dir, string(fetch.ID)}
				c.Add(fetch)
			}
		}
		time.Sleep(6 * time.Second)
		for i := range 100 {
			for id, want := range map[string]time.Duration{"tail-here": 0, "fetch-here": 0, "tail-away": 5 * time.Second} {
				got, at, ok := r.of(task.ID(fmt.Sprint(id, i)))
				if !ok || at != want || (got.TailErr == nil) != (id != "tail-away") || got.Err != nil {
					t.Fatalf("%s%d: %v %+v at %s", id, i, ok, got, at)
				}
			}
			if _, _, ok := r.of(task.ID(fmt.Sprint("fetch-away", i))); ok {
				t.Fatal("fetched from an agent that is away")
			}
		}
		if most := f.most.Load(); most > 2*agentWorkers {
			t.Errorf("%d calls at once to one agent", most)
		}
	})
}

// TestCollectorClose: after Close nothing comes, and nothing runs.
func TestCollectorClose(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &stuck{tree: newTree(t, map[string]string{"a": "A", "stderr": "e"})}
		blocked := make(chan struct{}, 1)
		c := NewCollector(f, func(ctx context.Context, r Result) {
			blocked <- struct{}{}
			<-ctx.Done() // a scheduler that is busy
		})
		for i, agent := range []string{"here", "away", "away", "away", "away", "away"} {
			q := requestOf(task.ID(fmt.Sprint(i)), agent)
			q.Outputs, q.OutputsTo = wanted("a"), Place{dir, "x"}
			c.Add(q)
		}
		<-blocked
		time.Sleep(31 * time.Second) // into the pause between two tries
		for range 2 {
			c.Close()
		}
		c.Add(requestOf("late", "here"))
		time.Sleep(time.Minute)
		if n := f.now.Load(); n != 0 {
			t.Errorf("%d calls after Close", n)
		}
	})
}

// TestCollectorGoesOn: what one Collector had of a file the next one does not
// fetch again.
func TestCollectorGoesOn(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 100_000)
	f := newTree(t, map[string]string{"big": text})
	f.cut = func(string, int64) int64 { return 400_000 }
	q := requestOf("x", "a")
	q.Outputs, q.OutputsTo = wanted("big"), Place{dir, "x"}
	synctest.Test(t, func(t *testing.T) {
		c := NewCollector(f, func(context.Context, Result) { t.Error("a result") })
		c.Add(q)
		synctest.Wait()
		c.Close()
	})
	f.cut = nil
	synctest.Test(t, func(t *testing.T) {
		r := newResults()
		c := NewCollector(f, r.take)
		defer c.Close()
		c.Add(q)
		synctest.Wait()
		if got, _, ok := r.of("x"); !ok || got.Err != nil || got.Bytes != int64(len(text)) {
			t.Errorf("%+v", got)
		}
	})
	if fmt.Sprint(f.opens) != "[0 400000]" {
		t.Errorf("opened at %d", f.opens)
	}
	if got := contents(t, dir); got[filepath.Join("x", "big")] != text || len(got) != 1 {
		t.Errorf("%d files", len(got))
	}
}

// BenchmarkCollector fetches an output of one small file of each of many tasks.
func BenchmarkCollector(b *testing.B) {
	f := newTree(b, map[string]string{"a.txt": "A", "stderr": "e"})
	dir := b.TempDir()
	underWay := make(chan bool, 64)
	c := NewCollector(f, func(_ context.Context, r Result) {
		if r.Err != nil {
			b.Error(r.Err)
		}
		<-underWay
	})
	defer c.Close()
	for i := 0; b.Loop(); i++ {
		q := requestOf(task.ID(fmt.Sprint("task-", i)), "a")
		q.Outputs, q.OutputsTo = wanted("*.txt"), Place{dir, string(q.ID)}
		underWay <- true
		c.Add(q)
	}
}

// launches are sandboxes by the task id of their launch.
type launches map[string]*tree

func (s launches) List(ctx context.Context, l Launch, dir string) ([]Entry, error) {
	return s[l.Task].List(ctx, l, dir)
}
func (s launches) Read(ctx context.Context, l Launch, name string, offset int64, most int) ([]byte, int64, error) {
	return s[l.Task].Read(ctx, l, name, offset, most)
}
func (s launches) Open(ctx context.Context, l Launch, name string, offset int64) (io.ReadCloser, error) {
	return s[l.Task].Open(ctx, l, name, offset)
}

// TestCollectorNewest: what a later launch left is not written over by an earlier
// one whose outputs were still being fetched when its task was cancelled; and of
// that nobody hears any more.
func TestCollectorNewest(t *testing.T) {
	for _, at := range []string{"list 1", "read 1", "list 2", "away"} { // where the earlier one is when the later one comes
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				reached, release := false, make(chan struct{})
				old, young := newTree(t, map[string]string{"o": "OLD", "stdout": "OLD"}), newTree(t, map[string]string{"o": "NEW", "stdout": "NEW"})
				calls := map[string]int{}
				old.fail = func(what, _ string, _ int) error {
					if calls[what]++; fmt.Sprint(what, " ", calls[what]) == at {
						reached = true
						<-release
					}
					if at == "away" && calls[what] == 1 {
						reached = true
						return errAway
					}
					return nil
				}
				r := newResults()
				c := NewCollector(launches{"x.1": old, "x.2": young}, r.take)
				defer c.Close()
				add := func(n int) {
					q := Request{ID: "x", Attempt: n, Launch: Launch{Framework: "f", Agent: "a", Task: fmt.Sprint("x.", n)}}
					q.Outputs, q.OutputsTo = wanted("o"), Place{dir, "x"}
					q.Keep, q.KeepTo = true, Place{dir, "kept/x"}
					c.Add(q)
				}
				add(1)
				synctest.Wait()
				if !reached {
					t.Fatal("it is not there")
				}
				add(2)
				synctest.Wait()
				close(release)
				time.Sleep(time.Hour) // of the bubble: all tries are over
				got, _, ok := r.of("x")
				if !ok || got.Attempt != 2 || got.Err != nil || got.KeepErr != nil {
					t.Errorf("%+v", got)
				}
			})
			if got := fmt.Sprint(contents(t, dir)); got != "map[kept/x/stdout:NEW x/o:NEW]" {
				t.Error(got)
			}
		})
	}
}

// TestCollectorOnePlace: outputs and streams may go to one place.
func TestCollectorOnePlace(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newResults()
		c := NewCollector(newTree(t, map[string]string{"o": "O", "stdout": "out"}), r.take)
		defer c.Close()
		q := requestOf("x", "a")
		q.Outputs, q.OutputsTo = wanted("o"), Place{dir, "x"}
		q.Keep, q.KeepTo = true, Place{dir, "x"}
		c.Add(q)
		synctest.Wait()
		if got, _, ok := r.of("x"); !ok || got.Err != nil || got.KeepErr != nil || got.Files != 1 {
			t.Errorf("%+v", got)
		}
	})
	if got := fmt.Sprint(contents(t, dir)); got != "map[x/o:O x/stdout:out]" {
		t.Error(got)
	}
}
