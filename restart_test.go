package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTakenOver: what runs on a cluster of its own goes on while cmdq is away,
// whether that was asked to go or killed, and the next start follows it to its
// end, under the same framework id.
func TestTakenOver(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGTERM, exitSIGTERM}, {syscall.SIGKILL, -1}} {
		t.Run(tt.signal.String(), func(t *testing.T) {
			t.Parallel()
			m := startMesos(t, "--allocation-interval", "50ms")
			dir := t.TempDir()
			writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0"), "{id: quick, command: 'echo quick >>"+dir+"/starts'}"))
			args := []string{"run", "--master", m.addr, "--progress", "none", "--joblog", "joblog"}
			p := startIn(t, dir, args...)
			p.says("finished: ", 1)
			p.says("msg=running", 2)
			id := p.framework()
			p.signal(tt.signal)
			if out := p.exits(tt.status); tt.status == exitSIGTERM {
				wants(t, out, "detached with 1 task to go; what runs goes on, and the next start takes it over")
			}

			p = startIn(t, dir, append(args, "--progress", "plain")...)
			p.says("going on with 2 tasks, of which 1 have ended and 1 were active", 1)
			p.says("progress: 1 of 2 done, 1 running, 0 failed", 1)
			if now := p.framework(); now != id {
				t.Errorf("framework %s, was %s", now, id)
			}
			for _, line := range waitLines(t, filepath.Join(dir, "starts"), 2) {
				if strings.HasPrefix(line, "long ") && !processOf(t, pidText(line), dir) {
					t.Errorf("%s is not there any more", line)
				}
			}
			touch(t, dir, "go")
			wants(t, p.exits(exitFinished), "2 tasks: 2 finished")
			if got := waitLines(t, filepath.Join(dir, "starts"), 2); len(got) != 2 {
				t.Errorf("commands ran: %q", got)
			}
			for _, l := range readJoblog(t, filepath.Join(dir, "joblog")) {
				if l.State != "finished" || l.Attempts != 1 || l.ExitCode == nil || *l.ExitCode != 0 {
					t.Errorf("joblog: %+v", l)
				}
			}
			if live, past := m.frameworks(); len(live) != 0 || len(past) != 1 {
				t.Errorf("frameworks %v, torn down %v; want one, torn down", live, past)
			}
		})
	}
}

// TestInterruptedGoesOn: after SIGINT the run goes on under a new framework id.
// What was killed by it runs again, and not at the cost of its retries.
func TestInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0"), "{id: quick, command: 'echo quick >>"+dir+"/starts'}"))
	args := []string{"run", "--master", m.addr, "--progress", "none"}
	p := startIn(t, dir, args...)
	p.says("finished: ", 1)
	p.says("msg=running", 2)
	id := p.framework()
	p.signal(os.Interrupt)
	wants(t, p.exits(exitSIGINT), "idle again: interrupted", "2 tasks: 1 finished, 0 failed, 0 killed, 1 not ended")
	if live, _ := m.frameworks(); len(live) != 0 {
		t.Errorf("frameworks %v, want none", live)
	}

	p = startIn(t, dir, args...)
	waitLines(t, filepath.Join(dir, "starts"), 3)
	touch(t, dir, "go")
	wants(t, p.exits(exitFinished), "going on with 2 tasks, of which 1 have ended and 0 were active", "2 tasks: 2 finished")
	if now := p.framework(); now == id {
		t.Error("the framework that was torn down is used again")
	}
	if got := waitLines(t, filepath.Join(dir, "starts"), 3); len(got) != 3 {
		t.Errorf("commands ran: %q", got)
	}
}
