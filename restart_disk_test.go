package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"golang.org/x/sys/unix"
)

// fullDisk is a run on a disk that takes no more, with one command that has just
// ended and another one that waits for its cpu. The disk belongs to cmdq alone:
// it is a limit on the size of its files.
type fullDisk struct {
	*program
	tap  *tap
	args []string
	was  unix.Rlimit
	// so many had come when the disk was full
	accepts, acks int
}

func fillDisk(t *testing.T) *fullDisk {
	t.Helper()
	m := startMesos(t, "--allocation-interval", "50ms", "--resources", "cpus:1;mem:1000;disk:1000")
	d := &fullDisk{tap: startTap(t, m)}
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "cpus: 1, retries: 0"), "{id: next, command: 'echo next >>"+dir+"/starts', cpus: 1}"))
	d.args = []string{"run", "--master", d.tap.addr, "--progress", "none", "--joblog", "joblog"}
	d.program = startIn(t, dir, d.args...)
	d.says("msg=running", 1)
	// The acknowledgements of STARTING and RUNNING leave before that is logged,
	// and arrive here on their own way.
	d.tap.waitFor(sched.Call_ACKNOWLEDGE, 2)
	d.accepts, d.acks = d.tap.count(sched.Call_ACCEPT), d.tap.count(sched.Call_ACKNOWLEDGE)

	pid := d.cmd.Process.Pid
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &d.was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1, Max: d.was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	touch(t, dir, "go")
	d.says("nothing can be stored: ", 2)
	d.says("nothing is launched or acknowledged until it can, what runs goes on", 2)
	return d
}

// check: nothing left us while nothing could be stored. In the end each command
// has run once and is told of once.
func (d *fullDisk) check(accepts, acks int) {
	d.t.Helper()
	if accepts != d.accepts || acks != d.acks {
		d.t.Errorf("%d ACCEPT and %d ACKNOWLEDGE while nothing could be stored", accepts-d.accepts, acks-d.acks)
	}
	if got := waitLines(d.t, filepath.Join(d.dir, "starts"), 2); len(got) != 2 || !strings.HasPrefix(got[0], "long ") || got[1] != "next" {
		d.t.Errorf("commands ran: %q", got)
	}
	if ends := readJoblog(d.t, filepath.Join(d.dir, "joblog")); len(ends) != 2 || ends[0].ID != "long" || ends[1].ID != "next" ||
		ends[0].State+ends[1].State != "finishedfinished" {
		d.t.Errorf("joblog: %+v", ends)
	}
}

// TestDiskFull: while nothing can be stored, nothing is launched and nothing is
// acknowledged. When the disk takes something again, cmdq goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	d := fillDisk(t)
	accepts, acks := d.tap.count(sched.Call_ACCEPT), d.tap.count(sched.Call_ACKNOWLEDGE)
	if err := unix.Prlimit(d.cmd.Process.Pid, unix.RLIMIT_FSIZE, &d.was, nil); err != nil {
		t.Fatal(err)
	}
	d.says("stored; going on", 1)
	wants(t, d.exits(exitFinished), "2 tasks: 2 finished")
	d.check(accepts, acks)
}

// TestDiskFullAndInterrupted: whoever cannot wait for the disk can ask cmdq to
// go. It tears nothing down, since it could not remember that, and the next
// start goes on.
func TestDiskFullAndInterrupted(t *testing.T) {
	t.Parallel()
	d := fillDisk(t)
	d.signal(os.Interrupt)
	wants(t, d.exits(exitSIGINT), "asked to go while nothing can be stored", "what runs goes on")
	accepts, acks := d.tap.count(sched.Call_ACCEPT), d.tap.count(sched.Call_ACKNOWLEDGE)
	if n := d.tap.count(sched.Call_TEARDOWN); n != 0 {
		t.Errorf("%d TEARDOWN", n)
	}
	next := startIn(t, d.dir, d.args...)
	wants(t, next.exits(exitFinished), "going on with 2 tasks, of which 0 have ended and 1 were active", "2 tasks: 2 finished")
	d.check(accepts, acks)
}

// TestJoblogIsBehindAtCtrlC: everything has ended, and the disk of the joblog is
// full. The next start would begin a new run and a new joblog, so it does not.
func TestJoblogIsBehindAtCtrlC(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "a", "retries: 0")))
	p := startIn(t, dir, "--joblog", "joblog")
	p.says("msg=running", 1)
	joblog, err := os.OpenFile(filepath.Join(dir, "joblog"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer joblog.Close()
	const full = 4 << 20 // the journal stays far below that
	if _, err := joblog.WriteString(strings.Repeat(strings.Repeat("x", 1023)+"\n", full>>10)); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = full
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	touch(t, dir, "go")
	p.says("joblog: write", 1)
	p.signal(os.Interrupt)
	wants(t, p.exits(exitSIGINT), "some ends are missing in it, and the next start adds them")
	for _, says := range []string{"going on with the run", "had ended before"} {
		p = &program{t: t, dir: dir}
		p.cmd = exec.Command("sh", "-c", "ulimit -S -f "+strconv.Itoa(full/512)+`; exec "$0" run --joblog joblog --progress none`, cmdqBinary(t))
		p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.out, &p.out
		p.run()
		wants(t, p.exits(exitFailed), says, "1 task: 1 finished", "some ends are missing in it")
	}
	if err := joblog.Truncate(0); err != nil {
		t.Fatal(err)
	}
	p = startIn(t, dir, "run", "--joblog", "joblog", "--progress", "none")
	wants(t, p.exits(exitFinished), "had ended before", "1 task: 1 finished")
	if ends := readJoblog(t, filepath.Join(dir, "joblog")); len(ends) != 1 || ends[0].ID != "a" || ends[0].State != "finished" {
		t.Errorf("joblog: %+v", ends)
	}
	if starts := waitLines(t, filepath.Join(dir, "starts"), 1); len(starts) != 1 {
		t.Errorf("started: %q", starts)
	}
}
