package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cmdq/task"
)

// listOf makes the tasks of a list as the reader of tasks.yaml does.
func listOf(lines ...string) Load {
	spec := &task.Spec{ID: "a", Command: "echo {}", Resources: task.Resources{CPUs: 100, Mem: 1}, Series: &task.Series{First: 1, Lines: lines}}
	var l Load
	for i, line := range lines {
		if line != "" {
			l.Tasks = append(l.Tasks, task.Task{ID: task.ID(fmt.Sprintf("a-%d", 1+i)), Spec: spec, Index: 1 + i, Seq: uint64(len(l.Tasks))})
		}
	}
	return l
}

// TestReloadOfAList: a line that changed is one task that is queued again, one
// that is new another task, and all others are left alone, ended or not.
func TestReloadOfAList(t *testing.T) {
	cfg := DefaultConfig()
	cfg.FrameworkID = "f-1"
	s, now := newState(cfg), time.Unix(1_700_000_000, 0)
	s.step(now, listOf("p", "q", "r", "s"))
	for _, id := range []task.ID{"a-1", "a-2"} {
		s.end(s.queue.Get(id), nil, task.Finished, "", "")
	}
	untouched := []task.ID{"a-1", "a-3"}
	specs := map[task.ID]*task.Spec{}
	for _, id := range untouched {
		specs[id] = s.queue.Get(id).Spec
	}
	eff := s.step(now.Add(time.Second), listOf("p", "Q", "r", "S", "t"))
	var changed []string
	for _, r := range eff.Records {
		if r.Task != nil {
			changed = append(changed, string(r.Task.ID))
		}
	}
	slices.Sort(changed)
	if want := []string{"a-2", "a-4", "a-5"}; !slices.Equal(changed, want) {
		t.Errorf("recorded %v, want %v", changed, want)
	}
	for _, id := range untouched {
		if s.queue.Get(id).Spec != specs[id] {
			t.Errorf("%s has another spec", id)
		}
	}
	if a := s.queue.Get("a-1"); a.State != task.Finished {
		t.Errorf("a-1 is %s", a.State)
	}
	if a := s.queue.Get("a-2"); a.State != task.Idle || a.Command() != "echo Q" {
		t.Errorf("a-2 is %s, %s", a.State, a.Command())
	}
	eff = s.step(now.Add(2*time.Second), listOf("p", "Q", "r", "S", "t"))
	if len(eff.Records) != 0 {
		t.Errorf("%d records for a file that is the same", len(eff.Records))
	}
}
