package main

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// steps is a command that writes three lines, one more for each of the files
// "more" and "go", and then ends.
func steps(dir string) string {
	return "{id: steps, command: 'cd " + dir + "; echo one; echo two; echo three; " +
		"until test -e more; do sleep 0.05; done; echo four; until test -e go; do sleep 0.05; done; echo five'}"
}

// follower is a cmdq logs -f, whose lines come one by one.
type follower struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	errs  strings.Builder
}

func follow(t *testing.T, dir string, args ...string) *follower {
	t.Helper()
	f := &follower{t: t, cmd: exec.Command(cmdqBinary(t), append([]string{"logs", "-f", "steps"}, args...)...)}
	f.cmd.Dir, f.cmd.Stderr = dir, &f.errs
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(90*time.Second, func() { f.cmd.Process.Kill() })
	t.Cleanup(func() { limit.Stop(); f.cmd.Process.Kill() })
	f.lines = bufio.NewScanner(out)
	return f
}

// says wants these lines next.
func (f *follower) says(want ...string) {
	f.t.Helper()
	for _, line := range want {
		if !f.lines.Scan() || f.lines.Text() != line {
			f.t.Fatalf("it wrote %q, want %q; %s", f.lines.Text(), line, f.errs.String())
		}
	}
}

// ends wants no more lines, and status 0.
func (f *follower) ends() {
	f.t.Helper()
	for f.lines.Scan() {
		f.t.Errorf("it wrote %q too", f.lines.Text())
	}
	if err := f.cmd.Wait(); err != nil {
		f.t.Errorf("%v: %s", err, f.errs.String())
	}
}

// TestFollowGoesOn: who follows a command on a cluster of its own sees all of it
// once, though the cmdq that answers goes away, and another one comes.
func TestFollowGoesOn(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGTERM, exitSIGTERM}, {syscall.SIGKILL, -1}} {
		t.Run(tt.signal.String(), func(t *testing.T) {
			t.Parallel()
			m := startMesos(t, "--allocation-interval", "50ms")
			dir := t.TempDir()
			writeTasks(t, dir, tasksYAML(steps(dir)))
			args := []string{"run", "--master", m.addr, "--progress", "none"}
			p := startIn(t, dir, args...)
			p.says("msg=running", 1)
			all, last := follow(t, dir), follow(t, dir, "--tail", "2")
			all.says("one", "two", "three")
			last.says("two", "three")
			p.signal(tt.signal)
			p.exits(tt.status)
			touch(t, dir, "more")
			all.says("four")
			last.says("four")
			kept := follow(t, dir, "--tail", "1") // begun where no cmdq runs
			kept.says("four")

			p = startIn(t, dir, args...)
			p.says("registered with the master", 1)
			touch(t, dir, "go")
			for _, f := range []*follower{all, last, kept} {
				f.says("five")
				f.ends()
			}
			p.exits(exitFinished)
		})
	}
}

// TestFollowEnded: where the journal knows that the command has ended, nobody
// waits for its end.
func TestFollowEnded(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	touch(t, dir, "more")
	touch(t, dir, "go")
	writeTasks(t, dir, tasksYAML(steps(dir)))
	startIn(t, dir, "run", "--master", m.addr, "--progress", "none").exits(exitFinished)
	f := follow(t, dir)
	f.says("one", "two", "three", "four", "five")
	f.ends()
	if text := f.errs.String(); text != "" {
		t.Errorf("it said %q", text)
	}
}
