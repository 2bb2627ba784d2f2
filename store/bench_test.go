package store

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

// manyTasks are idle tasks of specs that take turns.
func manyTasks(n, specs int) []Task {
	all := make([]*task.Spec, specs)
	for i := range all {
		all[i] = &task.Spec{ID: task.ID(fmt.Sprintf("spec%d", i)), Command: fmt.Sprintf("convert -negate in-%d.png out-%d.png", i, i),
			Resources: task.Resources{CPUs: 100, Mem: 64}, Retries: 3, KillGrace: 3 * time.Second, Series: &task.Series{Count: n / specs},
			Env: map[string]string{"LANG": "C", "NUMBER": fmt.Sprint(i)}}
	}
	now := time.Now()
	tasks := make([]Task, n)
	for i := range tasks {
		s := all[i%specs]
		tasks[i].Task = &task.Task{ID: task.ID(fmt.Sprintf("%s-%d", s.ID, i/specs)), Spec: s, Index: i / specs, Seq: uint64(i), Submitted: now}
	}
	return tasks
}

// BenchmarkWrite changes so many tasks at once in a queue of 100,000: each is
// launched.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mustOpen(b, b.TempDir())
			defer mustClose(b, s)
			tasks := manyTasks(100_000, 10)
			mustWrite(b, s, Batch{Tasks: tasks})
			at := 0
			for b.Loop() {
				batch := Batch{Tasks: make([]Task, n)}
				for i := range batch.Tasks {
					t := *tasks[at%len(tasks)].Task
					t.State, t.Launches, t.Attempts = task.Starting, 1, 1
					t.History = []task.Attempt{{Number: 1, Agent: "0f1e2d3c-0000-S12", Host: "node12.example.org", Launched: time.Now()}}
					batch.Tasks[i].Task = &t
					at++
				}
				mustWrite(b, s, batch)
			}
		})
	}
}

// BenchmarkLoad stores 1,000,000 tasks, as a start with a large file does.
func BenchmarkLoad(b *testing.B) {
	tasks := manyTasks(1_000_000, 1000)
	for b.Loop() {
		s := mustOpen(b, b.TempDir())
		mustWrite(b, s, Batch{Tasks: tasks})
		mustClose(b, s)
	}
}

// BenchmarkRecover opens a journal of 1,000,000 idle tasks and reads them into a
// slice, in a process of its own for the memory that this takes.
func BenchmarkRecover(b *testing.B) {
	if dir := os.Getenv("STORE_RECOVER"); dir != "" {
		recoverAll(b, dir)
		return
	}
	for _, specs := range []int{1, 1000} {
		b.Run(fmt.Sprint(specs, " specs"), func(b *testing.B) {
			dir := b.TempDir()
			s := mustOpen(b, dir)
			mustWrite(b, s, Batch{Tasks: manyTasks(1_000_000, specs)})
			mustClose(b, s)
			for b.Loop() {
				child := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkRecover$", "-test.benchtime=1x")
				child.Env = append(os.Environ(), "STORE_RECOVER="+dir)
				start := time.Now()
				out, err := child.CombinedOutput()
				_, rest, ok := strings.Cut(string(out), "1000000 tasks, ")
				var most int
				if _, err2 := fmt.Sscanf(rest, "%d kB", &most); !ok || err != nil || err2 != nil {
					b.Fatalf("%v, %v\n%s", err, err2, out)
				}
				if took := time.Since(start); took > 10*time.Second {
					b.Errorf("it took %s, want at most 10s", took)
				}
				b.ReportMetric(float64(most)/1000, "MB-peak")
				if most > 1e6 {
					b.Errorf("it took %d kB, want at most 1 GB", most)
				}
			}
		})
	}
}

func recoverAll(b *testing.B, dir string) {
	s := mustOpen(b, dir)
	tasks := make([]task.Task, 0, s.Counts().Tasks)
	for t, err := range s.Tasks() {
		if err != nil {
			b.Fatal(err)
		}
		tasks = append(tasks, *t.Task)
	}
	// What rusage has would count the parent too, up to the exec.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "\n")
	fmt.Printf("%d tasks, %s\n", len(tasks), strings.TrimSpace(peak))
	mustClose(b, s)
}
