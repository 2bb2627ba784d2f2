package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// TestJoblogAfterCrash: however the joblog was left, or if there was none, the
// next start makes it whole. Each end stands there once.
func TestJoblogAfterCrash(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(data string) string // nil: there is no joblog before the restart
	}{
		{"left alone", func(data string) string { return data }},
		{"torn", func(data string) string { return data[:len(data)-20] }},
		{"torn in the middle", func(data string) string { return data[:len(data)/2] }},
		{"without its last newline", func(data string) string { return strings.TrimSuffix(data, "\n") }},
		{"emptied", func(string) string { return "" }},
		{"given only now", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMesos(t, "--allocation-interval", "50ms")
			dir := t.TempDir()
			writeTasks(t, dir, tasksYAML("{id: a, command: 'true'}", "{id: b, command: exit 4, retries: 0}",
				"{id: c, command: 'true'}", waiting(dir, "long", "")))
			args := []string{"run", "--master", m.addr, "--progress", "none"}
			with := append(args, "--joblog", "joblog")
			joblog := filepath.Join(dir, "joblog")
			if tt.spoil == nil {
				p := startIn(t, dir, args...)
				p.says("msg=\"finished: ", 2)
				p.says("msg=\"failed: ", 1)
				p.says("msg=running", 4)
				p.killed()
			} else {
				p := startIn(t, dir, with...)
				waitLines(t, joblog, 3)
				p.says("msg=running", 4)
				p.killed()
				data, err := os.ReadFile(joblog)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(joblog, []byte(tt.spoil(string(data))), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := startIn(t, dir, with...)
			p.says("registered with the master", 1)
			touch(t, dir, "go")
			p.exits(exitFailed)
			ends := map[string]int{}
			for _, l := range readJoblog(t, joblog) {
				ends[string(l.ID)+" "+l.State]++
				if l.ID == "b" && (l.ExitCode == nil || *l.ExitCode != 4) {
					t.Errorf("b: %+v", l)
				}
			}
			if len(ends) != 4 || ends["a finished"] != 1 || ends["b failed"] != 1 || ends["c finished"] != 1 || ends["long finished"] != 1 {
				t.Errorf("joblog: %v", ends)
			}
		})
	}
}

// TestQueueGoesOn: plain cmdq goes on with its queue after SIGTERM and after
// SIGKILL: what has ended stays ended, and the tasks file is applied as it is
// now. After a SIGINT with nothing left to do, the next start is a new run.
func TestQueueGoesOn(t *testing.T) {
	for _, separate := range []bool{true, false} {
		name := "embedded"
		if separate {
			name = "separate"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := []string{"--progress", "none"}
			if separate {
				args = append(args, "--master", startMesos(t, "--allocation-interval", "50ms").addr)
			}
			says := func(id string) string { return "{id: " + id + ", command: 'echo " + id + " >>" + dir + "/starts'}" }
			writeTasks(t, dir, tasksYAML(says("a"), says("b"), "{id: huge, command: 'true', cpus: 10000}"))
			p := startIn(t, dir, args...)
			p.says("msg=\"finished: ", 2)
			p.signal(syscall.SIGTERM)
			wants(t, p.exits(exitSIGTERM), "with 1 task to go")

			// b is another command now, c is new, and huge has become small.
			edited := tasksYAML(says("a"), "{id: b, command: 'echo b2 >>"+dir+"/starts'}", says("huge"), says("c"))
			writeTasks(t, dir, edited)
			p = startIn(t, dir, args...)
			p.says("going on with 3 tasks, of which 2 have ended and 0 were active", 1)
			p.says("tasks file read again: 1 new, 2 changed, 0 removed", 1)
			p.says("msg=\"finished: ", 3)
			p.killed()

			p = startIn(t, dir, args...)
			p.says("going on with 4 tasks, of which 4 have ended and 0 were active", 1)
			p.says("registered with the master", 1)
			p.signal(os.Interrupt)
			p.exits(exitSIGINT)
			count := map[string]int{}
			for _, line := range waitLines(t, filepath.Join(dir, "starts"), 5) {
				count[line]++
			}
			if len(count) != 5 || count["a"]+count["b"]+count["b2"]+count["huge"]+count["c"] != 5 {
				t.Errorf("commands ran: %v", count)
			}

			p = startIn(t, dir, args...)
			p.says("4 tasks queued", 1)
			p.says("msg=\"finished: ", 4)
			p.signal(os.Interrupt)
			p.exits(exitSIGINT)
			if got := waitLines(t, filepath.Join(dir, "starts"), 9); len(got) != 9 {
				t.Errorf("commands ran: %q", got)
			}
		})
	}
}

// TestFreshWithoutItsMaster: the master of the run that is dropped does not
// answer. That holds nobody up for long, and is not forgotten.
func TestFreshWithoutItsMaster(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	x := startTap(t, m)
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0")))
	p := startIn(t, dir, "run", "--master", x.addr, "--progress", "none")
	p.says("msg=running", 1)
	id := p.framework()
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)
	x.cut(true)
	touch(t, dir, "go")

	other := startMesos(t, "--allocation-interval", "50ms")
	p = startIn(t, dir, "run", "--master", other.addr, "--progress", "none", "--fresh")
	wants(t, p.ends(exitFinished, time.Minute), "tear down framework "+id, "it ends by itself, at the latest", "1 task: 1 finished")
	x.cut(false)
	p = startIn(t, dir, "run", "--master", other.addr, "--progress", "none")
	wants(t, p.exits(exitFinished), "tore down framework "+id, "1 task queued", "1 task: 1 finished")
	if live, past := m.frameworks(); len(live) != 0 || len(past) != 1 || past[0] != id {
		t.Errorf("frameworks %v, torn down %v; want %s torn down", live, past, id)
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
