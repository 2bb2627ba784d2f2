package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"golang.org/x/sys/unix"

	"cmdq/store"
)

// twoEnds are a task that finishes and one that fails.
func twoEnds(dir string) string {
	return tasksYAML(
		"{id: good, command: 'echo good >>"+dir+"/starts'}",
		"{id: bad, command: 'echo bad >>"+dir+"/starts; exit 3', retries: 0}")
}

// TestKilledBeforeItsTeardown: everything has ended, and cmdq is killed before
// the master hears of that. The next start sends the TEARDOWN, prints the
// summary, launches nothing and exits with the status of the run.
func TestKilledBeforeItsTeardown(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	x := startTap(t, m)
	x.hold(sched.Call_TEARDOWN, true)
	dir := t.TempDir()
	writeTasks(t, dir, twoEnds(dir))
	p := startIn(t, dir, "run", "--master", x.addr, "--progress", "none")
	x.waitFor(sched.Call_TEARDOWN, 1)
	p.killed()
	live, _ := m.frameworks()
	if len(live) != 1 {
		t.Fatalf("frameworks: %v, want the one that could not be torn down", live)
	}
	x.hold(sched.Call_TEARDOWN, false)
	accepts := x.count(sched.Call_ACCEPT)

	out := startIn(t, dir, "run", "--master", x.addr, "--progress", "none").exits(exitFailed)
	wants(t, out, "had ended before", "2 tasks: 1 finished, 1 failed, 0 killed", "bad failed after 1 attempt", "tore down framework "+live[0])
	if n := x.count(sched.Call_ACCEPT); n != accepts {
		t.Errorf("%d offers were accepted for a run that had ended", n-accepts)
	}
	if now, past := m.frameworks(); len(now) != 0 || len(past) != 1 || past[0] != live[0] {
		t.Errorf("frameworks %v, torn down %v; want %v torn down", now, past, live)
	}
	if got := waitLines(t, filepath.Join(dir, "starts"), 2); len(got) != 2 {
		t.Errorf("commands ran: %q", got)
	}
}

// TestKilledBeforeItsSummary: the same, but the master has heard of the end,
// and it is the summary that is missing. Nobody reads it, so cmdq is still
// trying to print it when it is killed.
func TestKilledBeforeItsSummary(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, twoEnds(dir))
	args := []string{"run", "--master", m.addr, "--progress", "none", "--joblog", "joblog"}
	p := &program{t: t, dir: dir}
	p.command(args...)
	p.cmd.Stdout = fullPipe(t)
	p.run()
	m.says("framework removed", 1)
	p.killed()
	if stage := stageOf(t, dir); stage != store.Ended {
		t.Fatalf("stage %d on disk, want %d: ended, but not told", stage, store.Ended)
	}

	out := startIn(t, dir, args...).exits(exitFailed)
	wants(t, out, "had ended before", "2 tasks: 1 finished, 1 failed, 0 killed")
	if got := waitLines(t, filepath.Join(dir, "starts"), 2); len(got) != 2 {
		t.Errorf("commands ran: %q", got)
	}
	if ends := readJoblog(t, filepath.Join(dir, "joblog")); len(ends) != 2 {
		t.Errorf("joblog: %+v", ends)
	}

	// Now it was told, and the next start is a new run, of a new framework.
	out = startIn(t, dir, args...).exits(exitFailed)
	wants(t, out, "2 tasks queued", "2 tasks: 1 finished, 1 failed, 0 killed")
	waitLines(t, filepath.Join(dir, "starts"), 4)
	if live, past := m.frameworks(); len(live) != 0 || len(past) != 2 {
		t.Errorf("frameworks %v, torn down %v; want two, torn down", live, past)
	}
}

// fullPipe is a pipe that nobody reads and that takes no more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte("x"), size)); err != nil {
		t.Fatal(err)
	}
	return w
}

// stageOf is how far the run in a directory is.
func stageOf(t *testing.T, dir string) store.Stage {
	t.Helper()
	s, err := store.Look(filepath.Join(dir, ".cmdq"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run, _ := s.Run()
	return run.Stage
}

// TestEndedRunIsAnotherOnes: a run that has ended but was not told of is that of
// its tasks file and its master. Whoever starts another file is not told that
// all is well with that.
func TestEndedRunIsAnotherOnes(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML("{id: good, command: 'true'}"))
	p := &program{t: t, dir: dir}
	p.command("run", "--master", m.addr, "--progress", "none")
	p.cmd.Stdout = fullPipe(t)
	p.run()
	m.says("framework removed", 1)
	p.killed()
	if stage := stageOf(t, dir); stage != store.Ended {
		t.Fatalf("stage %d on disk, want %d: ended, but not told", stage, store.Ended)
	}
	p = &program{t: t, dir: dir}
	p.command("run", "--master", m.addr, "--progress", "none", "-")
	p.cmd.Stdin = strings.NewReader(tasksYAML("{id: other, command: 'exit 1', retries: 0}"))
	p.run()
	wants(t, p.exits(exitUsage), "/tasks.yaml", "and now it is -", "--fresh", "--state")

	out := startIn(t, dir, "run", "--master", m.addr, "--progress", "none").exits(exitFinished)
	wants(t, out, "had ended before", "1 task: 1 finished")
}
