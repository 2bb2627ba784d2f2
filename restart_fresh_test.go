package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestFresh: --fresh drops an unfinished run. Its framework is torn down, and
// its commands end with that.
func TestFresh(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0")))
	args := []string{"run", "--master", m.addr, "--progress", "none"}
	p := startIn(t, dir, args...)
	p.says("msg=running", 1)
	id := p.framework()
	old := waitLines(t, filepath.Join(dir, "starts"), 1)[0]
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)

	p = startIn(t, dir, append(args, "--fresh")...)
	p.says("tore down framework "+id, 1)
	m.says(`msg="framework removed" framework=`+id, 1)
	waitLines(t, filepath.Join(dir, "starts"), 2)
	touch(t, dir, "go")
	wants(t, p.exits(exitFinished), "1 task queued", "1 task: 1 finished")
	if now := p.framework(); now == id {
		t.Error("the framework that was dropped is used again")
	}
	if processOf(t, pidText(old), dir) {
		t.Error("the command of the run that was dropped runs still")
	}
	if got := waitLines(t, filepath.Join(dir, "starts"), 2); len(got) != 2 {
		t.Errorf("commands ran: %q", got)
	}
}

// TestStateCopied: a cmdq with a copy of the state directory takes the run
// over. The one that had it ends, says why and tears nothing down.
func TestStateCopied(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0")))
	first := startIn(t, dir, "run", "--master", m.addr, "--progress", "none")
	first.says("msg=running", 1)
	id := first.framework()
	// It has stored and acknowledged all that it was told by now or is about to
	// store the same: a copy of a file that is being written would be another
	// test, and so cmdq stands still meanwhile.
	first.signal(syscall.SIGSTOP)
	if out, err := exec.Command("cp", "-R", filepath.Join(dir, ".cmdq"), filepath.Join(dir, "copy")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	first.signal(syscall.SIGCONT)

	second := startIn(t, dir, "run", "--master", m.addr, "--progress", "none", "--state", "copy")
	second.says("going on with 1 task, of which 0 have ended and 1 were active", 1)
	if now := second.framework(); now != id {
		t.Errorf("framework %s, was %s", now, id)
	}
	wants(t, first.exits(exitCluster), "failed over", "nothing was torn down")
	touch(t, dir, "go")
	wants(t, second.exits(exitFinished), "1 task: 1 finished")
	if got := waitLines(t, filepath.Join(dir, "starts"), 1); len(got) != 1 {
		t.Errorf("commands ran: %q", got)
	}
	if live, past := m.frameworks(); len(live) != 0 || len(past) != 1 {
		t.Errorf("frameworks %v, torn down %v; want one, torn down", live, past)
	}

	// Whoever comes back with the old directory is told that all this is over.
	touchGone(t, dir, "go")
	back := startIn(t, dir, "run", "--master", m.addr, "--progress", "none")
	wants(t, back.exits(exitCluster), "Framework has been removed", "the next start goes on under a new id")
}

func touchGone(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// TestFreshWithoutItsMaster: the master of the run that is dropped does not
// answer. That keeps the run that took its place from nothing, however often it
// is started, and is not forgotten.
func TestFreshWithoutItsMaster(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	x := startTap(t, m)
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0")))
	p := startIn(t, dir, "run", "--master", x.addr, "--progress", "none")
	p.says("msg=running", 1)
	old := p.framework()
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)
	x.cut(true)

	args := []string{"run", "--master", startMesos(t, "--allocation-interval", "50ms").addr, "--progress", "none"}
	p = startIn(t, dir, append(args, "--fresh")...)
	p.says("msg=running", 1)
	id := p.framework()
	p.signal(syscall.SIGTERM)
	wants(t, p.exits(exitSIGTERM), "tear down framework "+old, "it ends by itself, at the latest")
	p = startIn(t, dir, args...)
	p.says("going on with 1 task, of which 0 have ended and 1 were active", 1)
	if now := p.framework(); now != id {
		t.Errorf("framework %s, was %s", now, id)
	}
	touch(t, dir, "go")
	wants(t, p.ends(exitFinished, time.Minute), "1 task: 1 finished")

	x.cut(false)
	p = startIn(t, dir, args...)
	wants(t, p.exits(exitFinished), "tore down framework "+old, "1 task queued", "1 task: 1 finished")
	if live, past := m.frameworks(); len(live) != 0 || len(past) != 1 || past[0] != old {
		t.Errorf("frameworks %v, torn down %v; want %s torn down", live, past, old)
	}
}

// TestSecondSignalGoesOn: whoever did not wait for the end of a stubborn command
// does not lose it either. The next start ends it first, and then runs it again,
// not at the cost of its retries.
func TestSecondSignalGoesOn(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(`{id: long, command: 'trap "" TERM; echo "$CMDQ_TASK $$" >>`+dir+`/starts; until [ -e `+dir+
		`/go ]; do sleep 0.02; done', env: {MARK: "`+dir+`"}, retries: 0, kill_grace: 1s}`))
	args := []string{"run", "--master", m.addr, "--progress", "none", "--joblog", "joblog"}
	p := startIn(t, dir, args...)
	first := waitLines(t, filepath.Join(dir, "starts"), 1)[0]
	p.says("msg=running", 1)
	id := p.framework()
	p.signal(os.Interrupt)
	p.says("interrupted: killing 1 task", 1)
	p.signal(os.Interrupt)
	p.exits(exitSIGINT)

	p = startIn(t, dir, args...)
	waitLines(t, filepath.Join(dir, "starts"), 2)
	if processOf(t, pidText(first), dir) {
		t.Error("the first launch runs still, beside the second")
	}
	touch(t, dir, "go")
	wants(t, p.exits(exitFinished), "going on with 1 task, of which 0 have ended and 1 were active", "1 task: 1 finished")
	if now := p.framework(); now != id {
		t.Errorf("framework %s, was %s, which nobody tore down", now, id)
	}
	if ends := readJoblog(t, filepath.Join(dir, "joblog")); len(ends) != 1 || ends[0].Attempts != 2 {
		t.Errorf("joblog: %+v", ends)
	}
}
