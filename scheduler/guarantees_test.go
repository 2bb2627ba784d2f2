package scheduler

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

// TestGuaranteesNameTests: every crash point that docs/guarantees.md names has
// its test.
func TestGuaranteesNameTests(t *testing.T) {
	doc, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, st := range stories {
		p := newPlayer(&st)
		if err := p.play(); err != nil {
			t.Fatal(err)
		}
		for i, effect := range p.effects {
			if i+1 < len(p.effects) {
				name := st.name + "/after " + effect + ", before " + p.effects[i+1]
				tests[strings.ReplaceAll(name, " ", "_")] = true
			}
		}
	}
	named := regexp.MustCompile("`([a-z_]+)(/after_[^`]*)`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < 20 {
		t.Errorf("only %d are named", len(named))
	}
	for _, name := range named {
		if !tests[name[1]+name[2]] {
			t.Errorf("there is no test of %s%s", name[1], name[2])
		}
	}
}

// TestLoadInParts: a crash during the load of a large file leaves the first part
// of it in the journal. The next start reads the file again, and all is there.
func TestLoadInParts(t *testing.T) {
	var tasks []task.Task
	for i := range 100 {
		id := task.ID("t" + strings.Repeat("x", i))
		spec := &task.Spec{ID: id, Command: "true", Resources: task.Resources{CPUs: 1}}
		tasks = append(tasks, task.Task{ID: id, Spec: spec, Index: -1, Seq: uint64(i)})
	}
	journal := newMemory("f")
	cfg := DefaultConfig()
	cfg.FrameworkID = "f"
	first := newState(cfg)
	eff := first.step(time.Unix(0, 0), Load{Tasks: tasks})
	journal.keep(eff.Records[:50], first.queue)

	s := newState(cfg)
	if err := s.restore(journal.saved()); err != nil {
		t.Fatal(err)
	}
	s.step(time.Unix(1, 0), Restored{})
	s.step(time.Unix(1, 0), Load{Tasks: tasks})
	if s.queue.Len() != 100 || s.queue.Ready() != 100 {
		t.Errorf("%d tasks, %d ready, want 100", s.queue.Len(), s.queue.Ready())
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}
