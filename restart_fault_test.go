package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmdq/store"
)

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

// TestFreshGoesOnWithoutTheOldMaster: what an earlier run owes a master that is
// away does not keep the run that took its place from going on.
func TestFreshGoesOnWithoutTheOldMaster(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	x := startTap(t, m)
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0")))
	p := startIn(t, dir, "run", "--master", x.addr, "--progress", "none")
	p.says("msg=running", 1)
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)
	x.cut(true)

	args := []string{"run", "--master", startMesos(t, "--allocation-interval", "50ms").addr, "--progress", "none", "--connect-timeout", "20s"}
	p = startIn(t, dir, append(args, "--fresh")...)
	p.says("msg=running", 1)
	id := p.framework()
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)
	p = startIn(t, dir, args...)
	p.says("going on with 1 task, of which 0 have ended and 1 were active", 1)
	if now := p.framework(); now != id {
		t.Errorf("framework %s, was %s", now, id)
	}
	touch(t, dir, "go")
	wants(t, p.ends(exitFinished, time.Minute), "1 task: 1 finished")
}

// TestOwedHoweverOld: a TEARDOWN is owed until a master took it, whatever this
// start believes of how long a master waits: commands may run on.
func TestOwedHoweverOld(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	x := startTap(t, m)
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0")))
	args := []string{"run", "--master", x.addr, "--progress", "none"}
	p := startIn(t, dir, args...)
	p.says("msg=running", 1)
	x.cut(true)
	p.says("no master: ", 1)
	p.signal(os.Interrupt)
	id := p.framework()
	p.exits(exitSIGINT)
	x.cut(false)
	p = startIn(t, dir, append(args, "--failover-timeout", "1ms")...)
	m.says(`msg="framework removed" framework=`+id, 1)
	p.says("registered with the master", 1)
	p.signal(os.Interrupt)
	p.exits(exitSIGINT)
}
