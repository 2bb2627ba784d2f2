package store

import (
	"fmt"
	"testing"
	"time"

	"cmdq/task"
)

func TestQuick(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Run{Began: time.Now(), Master: "m"}); err != nil {
		t.Fatal(err)
	}
	spec := &task.Spec{ID: "a", Command: "true", Count: 1000000}
	var tasks []Task
	for i := range 1000000 {
		tasks = append(tasks, Task{Task: &task.Task{ID: task.ID(fmt.Sprintf("a-%d", i)), Index: i, Seq: uint64(i), Spec: spec, Submitted: time.Now()}})
	}
	now := time.Now()
	if err := s.Write(Batch{Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	t.Log("write", time.Since(now))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now = time.Now()
	s, err = Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("open", time.Since(now), s.Counts())
	now = time.Now()
	n := 0
	for tt, err := range s.Tasks() {
		if err != nil {
			t.Fatal(err)
		}
		if string(tt.Task.ID) != fmt.Sprintf("a-%d", n) {
			t.Fatal(tt.Task.ID)
		}
		n++
	}
	t.Log("tasks", time.Since(now), n)
	now = time.Now()
	if err := s.Write(Batch{Tasks: tasks[500:600]}); err != nil {
		t.Fatal(err)
	}
	t.Log("write", time.Since(now))
	now = time.Now()
	if err := s.Write(Batch{Tasks: tasks[700:800]}); err != nil {
		t.Fatal(err)
	}
	t.Log("write", time.Since(now))
	s.Close()
}
