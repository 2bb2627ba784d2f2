package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledWithItsCluster: when cmdq is killed, and even its guardian, the
// commands of --master local do not outlive the next start, however they were
// started. Each of them runs once more then, with retries: 0 too, and not beside
// what is left of its first launch.
func TestKilledWithItsCluster(t *testing.T) {
	for _, tt := range []struct {
		name     string
		guardian bool // is killed too
	}{{"cmdq", false}, {"cmdq and its guardian", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeTwice(t, dir, 20)
			args := []string{"run", "--progress", "none", "--resources", "cpus:8;mem:8000;disk:1000", "--joblog", "joblog"}
			p := startIn(t, dir, args...)
			first := waitLines(t, filepath.Join(dir, "pids"), 20+10) // and the daemons
			if tt.guardian {
				for _, pid := range childrenOf(t, p.cmd.Process.Pid) {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			}
			p.killed()
			if err := os.WriteFile(filepath.Join(dir, "again"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			out := startIn(t, dir, args...).ends(exitFinished, time.Minute)
			if !strings.Contains(out, "20 tasks: 20 finished") {
				t.Errorf("not all finished:\n%s", out)
			}
			for _, line := range first {
				id, pid, _ := strings.Cut(line, " ")
				if left := processOf(t, pid, dir); left {
					t.Errorf("process %s of %s is still there", pid, id)
				}
			}
			if data, err := os.ReadFile(filepath.Join(dir, "beside")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ran beside the first launch: %s %v", data, err)
			}
			runs := map[string]int{}
			for _, line := range waitLines(t, filepath.Join(dir, "runs"), 40) {
				runs[line]++
			}
			for i := range 20 {
				if id := fmt.Sprintf("t%d", i); runs[id] != 2 {
					t.Errorf("%s ran %d times, want 2", id, runs[id])
				}
			}
			for _, l := range readJoblog(t, filepath.Join(dir, "joblog")) {
				if l.State != "finished" || l.Attempts != 2 {
					t.Errorf("joblog: %+v", l)
				}
			}
		})
	}
}

// writeTwice writes n tasks that run until they are killed, the first time, and
// look whether anything of that is left, the second time. Every other one has
// started a daemon. Half of them, of each kind, are not to be tried again.
func writeTwice(t *testing.T, dir string, n int) {
	t.Helper()
	script := `#!/bin/sh
cd ` + dir + `
echo "$CMDQ_TASK" >>runs
if [ -e again ]; then
	while read -r id pid; do # a zombie has no environment
		if [ "$id" = "$CMDQ_TASK" ] && grep -q "MARK=$MARK" /proc/$pid/environ; then echo "$id $pid" >>beside; fi
	done <pids
	exit 0
fi
if [ "$DAEMON" ]; then
	(setsid sh -c 'trap "" TERM HUP; echo "$CMDQ_TASK $$" >>pids; while :; do sleep 1000; done' </dev/null >/dev/null 2>&1 &)
fi
echo "$CMDQ_TASK $$" >>pids
exec sleep 1000
`
	if err := os.WriteFile(filepath.Join(dir, "command"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("defaults: {cpus: 0.1, mem: 32}\ntasks:\n")
	for i := range n {
		daemon, retries := "", i/2%2
		if i%2 == 0 {
			daemon = "yes"
		}
		fmt.Fprintf(&b, "  - {id: t%d, argv: [%s/command], retries: %d, env: {DAEMON: %q, MARK: %s}}\n", i, dir, retries, daemon, dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "tasks.yaml"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// processOf tells whether a process is there that has this mark in its
// environment: the number alone may be another one's by now. That of a zombie is
// empty or closed, and so is that of somebody else's process.
func processOf(t *testing.T, pid, mark string) bool {
	t.Helper()
	environ, err := os.ReadFile("/proc/" + pid + "/environ")
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	return strings.Contains(string(environ), "MARK="+mark)
}

// childrenOf finds the processes that a process has started.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, child)
		}
	}
	if len(out) == 0 {
		t.Fatalf("process %d has no children", pid)
	}
	return out
}

// waitLines waits until a file has so many lines. Commands write it, which tell
// nobody.
func waitLines(t testing.TB, name string, n int) []string {
	t.Helper()
	var lines []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if lines = strings.SplitAfter(string(data), "\n"); len(lines)-1 >= n {
			for i := range lines {
				lines[i] = strings.TrimSuffix(lines[i], "\n")
			}
			return lines[:len(lines)-1]
		}
	}
	t.Fatalf("%s never had %d lines: %q", name, n, lines)
	return nil
}
