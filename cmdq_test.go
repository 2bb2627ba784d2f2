package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cmdq/local"
)

// TestMain lets the test binary be cmdq: the scripts call it by that name, and
// the embedded Mesos starts it as its guardian.
func TestMain(m *testing.M) {
	local.Guard()
	testscript.Main(m, map[string]func(){"cmdq": main})
}

// TestScripts runs the files of testdata/script, each the real program in an
// empty directory. They are the examples of how cmdq behaves.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor, "tour": tour},
	})
}

// waitFor waits until a file holds a text: "waitfor FILE TEXT". Who writes it is
// another process, which tells nobody.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(data), args[1]) {
			return
		}
	}
	ts.Fatalf("%s never held %q:\n%s", args[0], args[1], ts.ReadFile(args[0]))
}

// cmdqBinary is this test binary under the name cmdq.
func cmdqBinary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("cmdq") // testscript.Main put it into PATH
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNeverOverfull runs 200 tasks of mixed sizes on three agents of one cpu
// each. Every command writes down what it takes when it starts and when it
// ends; no agent ever runs more than it has, and a task too large for all of
// them blocks nobody.
func TestNeverOverfull(t *testing.T) {
	dir := t.TempDir()
	ledger := filepath.Join(dir, "ledger")
	write := func(sign string) string {
		line := `echo "$MESOS_SLAVE_ID ` + sign + `$NEED"`
		if _, err := exec.LookPath("flock"); err == nil {
			return `( flock 9; ` + line + ` >&9 ) 9>>` + ledger
		}
		return line + ` >>` + ledger // a short append is one write
	}
	var tasks strings.Builder
	tasks.WriteString("tasks:\n")
	for i := range 200 {
		need := []int{50, 100, 250, 333, 700}[i%5]
		if i == 100 {
			tasks.WriteString("  - {id: big, command: 'true', cpus: 2, mem: 10}\n")
		}
		fmt.Fprintf(&tasks, "  - {id: t%d, command: '%s; sleep 0.0%d; %s', cpus: %s, mem: 10, env: {NEED: %d}}\n",
			i, write("+"), 1+i%4, write("-"), strconv.FormatFloat(float64(need)/1000, 'f', -1, 64), need)
	}
	file := filepath.Join(dir, "tasks.yaml")
	if err := os.WriteFile(file, []byte(tasks.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	joblog := filepath.Join(dir, "joblog")
	cmd := exec.Command(cmdqBinary(t), "run", file, "--master", "local[3]", "--resources", "cpus:1;mem:1000;disk:1000",
		"--unplaceable-timeout", "5s", "--joblog", joblog, "--state", filepath.Join(dir, "state"), "--log-level", "warn")
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Fatalf("exit %d (%v), want %d:\n%s", code, err, exitFailed, out)
	}
	if !strings.Contains(string(out), "fits no agent: the largest agent seen") {
		t.Errorf("the large task was not reported:\n%s", out)
	}
	checkLedger(t, ledger, 1000)
	states := map[string]int{}
	for _, line := range readJoblog(t, joblog) {
		states[line.State]++
		if line.ID == "big" && (line.State != "failed" || line.Reason != "UNPLACEABLE" || line.Attempts != 0) {
			t.Errorf("big: %+v", line)
		}
	}
	if states["finished"] != 200 || states["failed"] != 1 {
		t.Errorf("ends: %v", states)
	}
}

// checkLedger adds up what ran on each agent at any time.
func checkLedger(t *testing.T, path string, most int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, peak := map[string]int{}, map[string]int{}
	lines := 0
	for in := bufio.NewScanner(f); in.Scan(); lines++ {
		agent, change, _ := strings.Cut(in.Text(), " ")
		n, err := strconv.Atoi(change)
		if err != nil {
			t.Fatalf("ledger: %q", in.Text())
		}
		sum[agent] += n
		peak[agent] = max(peak[agent], sum[agent])
	}
	if lines != 400 || len(peak) != 3 {
		t.Errorf("%d lines of %d agents, want 400 of 3", lines, len(peak))
	}
	for agent, n := range peak {
		if n > most {
			t.Errorf("agent %s ran %d thousandths of a cpu at once, it has %d", agent, n, most)
		}
	}
}

func readJoblog(t testing.TB, path string) []jobLine {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []jobLine
	for _, text := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		var l jobLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("joblog line %q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestRetryBackoff: a task that fails with one retry has two attempts, with the
// backoff between them.
func TestRetryBackoff(t *testing.T) {
	dir := t.TempDir()
	file, joblog := filepath.Join(dir, "tasks.yaml"), filepath.Join(dir, "joblog")
	starts := filepath.Join(dir, "starts")
	text := "tasks: [{id: bad, command: 'date +%s%N >>" + starts + "; exit 3', cpus: 0.1, mem: 10, retries: 1}]\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cmdqBinary(t), "run", file, "--joblog", joblog, "--state", filepath.Join(dir, "state"))
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Fatalf("exit %d (%v):\n%s", code, err, out)
	}
	lines := readJoblog(t, joblog)
	if len(lines) != 1 || lines[0].ExitCode == nil || *lines[0].ExitCode != 3 || lines[0].Attempts != 2 || lines[0].State != "failed" {
		t.Errorf("joblog: %+v", lines)
	}
	data, err := os.ReadFile(starts)
	if err != nil {
		t.Fatal(err)
	}
	var at []int64
	for _, f := range strings.Fields(string(data)) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, n)
	}
	if len(at) != 2 || time.Duration(at[1]-at[0]) < 850*time.Millisecond {
		t.Errorf("starts at %v: want two, with about a second between", at)
	}
}
