package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

// noticed is a queue whose run and whose group g have somebody to tell.
func noticed(t *testing.T) *env {
	e := newEnv(t)
	e.quiet = true
	e.s.cfg.Run.Finish = []task.Notice{{Command: "flag"}}
	return e
}

// noticePolicy is what the tasks file says.
func noticePolicy() task.Policy {
	to := func(name string) []task.Notice { return []task.Notice{{Command: name}} }
	return task.Policy{OnFinish: to("ended"), OnFailure: to("failed"), Groups: map[string]task.Group{
		"g": {MaxFailures: task.Unlimited, Finish: to("g ended"), Failure: to("g failed")},
		"h": {MaxFailures: 0, Finish: to("h ended")}}}
}

// loadNoticed queues tasks: those that begin with g or h are of that group.
func (e *env) loadNoticed(ids ...string) {
	load := e.load(strings.Join(ids, " retries=0; ") + " retries=0")
	load.Policy = noticePolicy()
	for i := range load.Tasks {
		if name := string(load.Tasks[i].ID[0]); name == "g" || name == "h" {
			load.Tasks[i].Spec.Rules = &task.Rules{Group: name}
		}
	}
	e.step(load)
}

// told are those who came to be told since the last time.
func (e *env) told() []string {
	var names []string
	for _, n := range e.journal.notices {
		names = append(names, n.To.Command)
	}
	e.journal.notices = nil
	slices.Sort(names)
	return names
}

func (e *env) wantTold(when string, want ...string) {
	e.t.Helper()
	if got := e.told(); !slices.Equal(got, want) {
		e.t.Errorf("%s: told %q, want %q", when, got, want)
	}
}

// runAll launches what waits.
func (e *env) runAll(offer string) { e.play("offer " + offer + " agent=a1 cpus=8 mem=8000") }

// TestNotices: who is told, and when. In plain cmdq a queue may end many times.
func TestNotices(t *testing.T) {
	e := noticed(t)
	e.loadNoticed("a", "b", "g1", "g2", "h1", "h2")
	e.play("subscribed")
	e.runAll("o1")
	e.wantTold("all run")
	e.play("update g1 FINISHED")
	e.wantTold("g2 runs")
	e.play("update g2 FAILED")
	e.wantTold("g has ended, and that is the first failure", "failed", "g ended", "g failed")
	e.play("update a FAILED")
	e.wantTold("the second failure")
	e.play("update b FINISHED")
	e.play("update h1 FINISHED")
	e.wantTold("h2 runs")
	e.play("update h2 FINISHED")
	e.wantTold("all have ended", "ended", "flag", "h ended")

	e.step(Asked{Change: RetryTasks{Selection{Failed: true}}, Answer: func(Outcome) {}})
	e.wantTold("queued again")
	e.advance(time.Minute)
	e.runAll("o2")
	e.play("update a.2 FINISHED")
	e.play("update g2.2 FINISHED")
	e.wantTold("all have ended again", "ended", "flag", "g ended")

	e.step(Asked{Change: Submit{e.load("new retries=0").Tasks}, Answer: func(Outcome) {}})
	e.play("cancel new")
	e.wantTold("and again", "ended", "flag")
	e.loadNoticed("a", "b", "g1", "g2", "h1", "h2", "g3")
	e.wantTold("one was added")
	e.loadNoticed("a", "b", "g1", "g2", "h1", "h2")
	e.wantTold("and taken out", "ended", "flag", "g ended")
	e.loadNoticed("a", "b", "g1", "g2", "h1", "h2")
	e.advance(time.Hour)
	e.wantTold("nothing happens")
}

// A group is stopped by its first failure: what waits in it ends with it, and so
// has the group.
func TestNoticeOfStopped(t *testing.T) {
	e := noticed(t)
	e.loadNoticed("h1", "h2 cpus=100", "a cpus=100")
	e.play("subscribed")
	e.runAll("o1")
	e.play("update h1 FAILED")
	e.wantTold("h2 is killed", "failed", "h ended")
}

// What ends and is queued again in one step, since the tasks file had changed,
// has not ended.
func TestNoticeOfEdited(t *testing.T) {
	e := noticed(t)
	e.loadNoticed("g1")
	e.play("subscribed")
	e.runAll("o1")
	e.loadNoticed("g1 command=other")
	e.play("update g1 FAILED")
	e.wantTold("it runs again", "failed", "g failed")
	e.advance(time.Minute)
	e.runAll("o2")
	e.play("update g1.2 FINISHED")
	e.wantTold("it has ended", "ended", "flag", "g ended")
}

// A task that goes to another group ends none that is empty then, but the last
// one that others wait for does.
func TestNoticeOfMoved(t *testing.T) {
	e := noticed(t)
	e.loadNoticed("g1", "g2")
	load := e.load("g1 retries=0; g2 retries=0")
	load.Policy = noticePolicy()
	e.step(load)
	e.wantTold("nothing of g is left")
	e.loadNoticed("g1", "g2")
	e.play("cancel g1")
	e.wantTold("g2 waits")
	load.Tasks[0].Spec.Rules = &task.Rules{Group: "g"}
	e.step(load)
	e.wantTold("what is left of g has ended", "g ended")
}

// An empty queue has not ended, and one of which nobody wants to know tells
// nobody.
func TestNoticeOfNothing(t *testing.T) {
	e := noticed(t)
	e.s.cfg.Once = true
	e.step(Load{Policy: noticePolicy()})
	e.wantTold("no tasks")
	e = newEnv(t)
	e.s.cfg.NewID = nil
	e.play("load a retries=0")
	e.play("cancel a")
	e.wantTold("nobody asked")
}

// What a notice holds.
func TestNoticeSays(t *testing.T) {
	e := noticed(t)
	e.loadNoticed("a", "g1", "g2", "g3", "h1")
	e.play("subscribed")
	e.runAll("o1")
	e.play("update g1 RUNNING")
	e.play("update g2 FAILED reason=COMMAND_EXECUTOR_FAILED message=Command exited with status 3")
	of := map[string]*Notice{}
	ids := map[string]bool{}
	for _, n := range e.journal.notices {
		of[n.To.Command], ids[n.ID] = n, true
	}
	if len(of) != 2 || len(ids) != 2 {
		t.Fatalf("notices of %v, ids %v", slices.Collect(maps.Keys(of)), ids)
	}
	for name, want := range map[string]struct {
		group  string
		states [task.NumStates]int
	}{
		"failed":   {"", [task.NumStates]int{task.Starting: 3, task.Running: 1, task.Failed: 1}},
		"g failed": {"g", [task.NumStates]int{task.Starting: 1, task.Running: 1, task.Failed: 1}},
	} {
		n := of[name]
		if n == nil || n.Cause != FirstFailed || n.Group != want.group || n.States != want.states || n.Framework != "f-1" || n.ID == "" {
			t.Fatalf("%s: %+v", name, n)
		}
		if f := n.Failed; f == e.s.queue.Get("g2") || f.ID != "g2" || f.State != task.Failed || f.End.Exit.Code != 3 || f.Current().Host != "host-a1" {
			t.Errorf("%s: it is about %+v", name, f)
		}
	}
}

// TestNoticesOnce: the run's end, and with it who is told, is stored before
// anybody hears that it is over, and its framework is the one that was dropped.
func TestNoticesOnce(t *testing.T) {
	e := noticed(t)
	e.s.cfg.Once = true
	e.loadNoticed("a")
	e.play("subscribed")
	e.runAll("o1")
	e.play("update a FINISHED")
	if !e.journal.allEnded || e.over {
		t.Errorf("all ended: %v, over: %v; want the end on disk, and the TEARDOWN on its way", e.journal.allEnded, e.over)
	}
	for _, n := range e.journal.notices {
		if n.Framework != "f-1" || n.States[task.Finished] != 1 {
			t.Errorf("%+v", n)
		}
	}
	e.wantTold("before the TEARDOWN", "ended", "flag")
	e.play("answered TEARDOWN")
	e.wantTold("after it")
}

// TestNoticesAfterCrash ends cmdq once at every step of a run, before what it
// decided is stored and after that. What happened to the launches comes again, as
// agents do that got no answer. Everybody is told of everything once.
func TestNoticesAfterCrash(t *testing.T) {
	script := []string{"update g1 RUNNING", "update g1 FINISHED", "update g2 FAILED", "update a FAILED", "update b FINISHED", "update h1 FINISHED"}
	for crash := range 2 * len(script) {
		t.Run(fmt.Sprint(crash), func(t *testing.T) {
			e := noticed(t)
			e.loadNoticed("a", "b", "g1", "g2", "h1")
			e.play("subscribed")
			e.runAll("o1")
			for i, line := range script {
				if crash == 2*i+1 {
					e.s.step(e.now, Updated{e.status(line[len("update "):])}) // decided and lost
				} else {
					e.play(line)
				}
				if crash == 2*i || crash == 2*i+1 {
					e.play("restart")
					e.loadNoticed("a", "b", "g1", "g2", "h1")
					e.play("subscribed")
					e.play(line)
				}
			}
			e.wantTold("in the end", "ended", "failed", "flag", "g ended", "g failed", "h ended")
			e.play("restart")
			e.wantTold("after another start")
		})
	}
}

// TestNote: how far a delivery is gets stored before its Note returns, and once
// Run has ended somebody else has to do that.
func TestNote(t *testing.T) {
	m := newScripted()
	s := New(DefaultConfig(), m, m.incoming, m, quietLog())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Note(ctx, Delivery{ID: "n0"}); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody runs: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Run(t.Context())
		ended <- err
	}()
	if err := s.Note(t.Context(), Delivery{ID: "n1"}); err != nil {
		t.Error(err)
	}
	m.mu.Lock()
	if !slices.Contains(m.seen, "store tried n1") {
		t.Errorf("not stored: %q", m.seen)
	}
	m.mu.Unlock()
	if err := s.Post(t.Context(), Detach{}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for range 2 * cap(s.requests) { // however many ask
		if err := s.Note(t.Context(), Delivery{ID: "n2"}); !errors.Is(err, ErrOver) {
			t.Errorf("it is over: %v", err)
		}
	}
}

// A delivery is noted while the run ends, too.
func TestNoteRecords(t *testing.T) {
	e := noticed(t)
	e.loadNoticed("a")
	e.play("subscribed")
	e.runAll("o1")
	for _, when := range []string{"at work", "leaving"} {
		if when == "leaving" {
			e.step(Interrupt{})
		}
		answered := false
		eff := e.s.step(e.now, Noted{Delivery: Delivery{ID: "n1", Tries: 2, Next: e.now}, Answer: func() { answered = true }})
		if len(eff.Records) != 1 || eff.Records[0].Kind != Tried || *eff.Records[0].Delivery != (Delivery{ID: "n1", Tries: 2, Next: e.now}) {
			t.Errorf("%s: records %+v", when, eff.Records)
		}
		if len(eff.Answers) != 1 || answered {
			t.Fatalf("%s: %d answers, answered %v", when, len(eff.Answers), answered)
		}
		if eff.Answers[0](); !answered {
			t.Errorf("%s: not answered", when)
		}
	}
}
