package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedWithoutMaster: nobody takes the TEARDOWN, so cmdq says so and
// the next start sends it first. Only then, and after the time that the agents
// need to end what they run, does the command run again, with retries: 0 too.
func TestInterruptedWithoutMaster(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	x := startTap(t, m)
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0, kill_grace: 100ms")))
	args := []string{"run", "--master", x.addr, "--progress", "none"}
	p := startIn(t, dir, args...)
	first := waitLines(t, filepath.Join(dir, "starts"), 1)[0]
	p.says("msg=running", 1)
	x.cut(true)
	p.says("no master: ", 1)
	p.signal(os.Interrupt)
	id := p.framework()
	wants(t, p.exits(exitSIGINT), "no master took our TEARDOWN", "the next start sends it first", id, "1 not ended")
	if live, _ := m.frameworks(); len(live) != 1 {
		t.Fatalf("frameworks %v, want the one that was left behind", live)
	}
	if err := syscall.Kill(pidOf(t, first), 0); err != nil {
		t.Fatalf("the command ended by itself: %v", err)
	}

	torn := time.Now() // or before: what is read in the log is past
	x.cut(false)
	p = startIn(t, dir, args...)
	p.says("tore down framework "+id, 1)
	waitLines(t, filepath.Join(dir, "starts"), 2)
	if waited := time.Since(torn); waited < 10*time.Second {
		t.Errorf("launched again %s after the TEARDOWN, want at least 10s", waited)
	}
	if processOf(t, pidText(first), dir) {
		t.Error("the first launch runs still, beside the second")
	}
	touch(t, dir, "go")
	wants(t, p.exits(exitFinished), "1 task: 1 finished")
	if now := p.framework(); now == id {
		t.Error("the framework that was torn down is used again")
	}
	if live, past := m.frameworks(); len(live) != 0 || len(past) != 2 {
		t.Errorf("frameworks %v, torn down %v; want two, torn down", live, past)
	}
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
