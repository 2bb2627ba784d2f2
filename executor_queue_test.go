package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// twoThousand are so many quick commands.
const twoThousand = "tasks: [{id: t, command: 'true', cpus: 0.01, mem: 1, count: 2000}]\n"

// TestExecutorOfTheQueue: 2,000 commands through cmdq's executor on a separate
// Mesos; the joblog, the master's metrics and its state tell of each of them.
func TestExecutorOfTheQueue(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "1s")
	before := m.finished()
	dir := t.TempDir()
	writeTasks(t, dir, twoThousand)
	startIn(t, dir, "run", "--master", m.addr, "--executor", "cmdq", "--joblog", "joblog", "--progress", "none",
		"--log-level", "error").ends(exitFinished, time.Minute)
	seen := map[string]bool{}
	for _, line := range readJoblog(t, filepath.Join(dir, "joblog")) {
		if line.State != "finished" || line.Attempts != 1 {
			t.Errorf("%s is %s after %d attempts", line.ID, line.State, line.Attempts)
		}
		seen[string(line.ID)] = true
	}
	if len(seen) != 2000 {
		t.Errorf("%d tasks in the joblog, want 2000", len(seen))
	}
	if n := m.finished() - before; n != 2000 {
		t.Errorf("master/tasks_finished is up by %d, want 2000", n)
	}
	states := m.completedStates()
	if len(states) != 1 || states["TASK_FINISHED"] != 1000 {
		t.Errorf("completed tasks in /master/state: %v, want 1000 TASK_FINISHED", states)
	}
}

// BenchmarkExecutor runs 2,000 times the command true on a separate Mesos with an
// allocation interval of 1 s: by cmdq's executor, by the command executor, and
// with xargs, in turns. The metric "ratio" is the wall time of the first by that
// of xargs, "to-command" by that of the second.
func BenchmarkExecutor(b *testing.B) {
	m := startMesos(b, "--allocation-interval", "1s")
	dir := b.TempDir()
	writeTasks(b, dir, twoThousand)
	took := map[string]time.Duration{}
	for i := range b.N {
		for _, executor := range []string{"cmdq", "command"} {
			began := time.Now()
			startIn(b, dir, "run", "--master", m.addr, "--executor", executor, "--state", executor+strconv.Itoa(i),
				"--progress", "none", "--log-level", "error").ends(exitFinished, time.Minute)
			took[executor] += time.Since(began)
		}
		began := time.Now()
		runAll(b, exec.Command("sh", "-c", "seq 2000 | xargs -P 2 -I{} sh -c true"))
		took["xargs"] += time.Since(began)
	}
	b.ReportMetric(float64(took["cmdq"])/float64(took["xargs"]), "ratio")
	b.ReportMetric(float64(took["cmdq"])/float64(took["command"]), "to-command")
	b.ReportMetric(float64(2000*b.N)/took["cmdq"].Seconds(), "tasks/s")
}

// get asks the master.
func (m *mesos) get(path string, v any) {
	m.t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + m.addr + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		m.t.Fatal(err)
	}
}

// finished is how many tasks have finished by the master's count.
func (m *mesos) finished() int {
	m.t.Helper()
	metrics := map[string]float64{}
	m.get("/metrics/snapshot", &metrics)
	return int(metrics["master/tasks_finished"])
}

// completedStates counts the completed tasks that the master remembers.
func (m *mesos) completedStates() map[string]int {
	m.t.Helper()
	type framework struct {
		Completed []struct{ State string } `json:"completed_tasks"`
	}
	var state struct {
		Frameworks []framework
		Completed  []framework `json:"completed_frameworks"`
	}
	m.get("/master/state", &state)
	states := map[string]int{}
	for _, f := range append(state.Frameworks, state.Completed...) {
		for _, t := range f.Completed {
			states[t.State]++
		}
	}
	return states
}
