package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNobodyReadsTheLog: the queue goes on, and a signal is heard.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	p := &program{t: t, dir: t.TempDir()}
	p.write("tasks:\n" +
		"  - {id: short, command: 'true', cpus: 0.1, mem: 10, count: 100}\n" +
		"  - {id: long, command: 'echo $$ >pid; exec sleep 1000', cpus: 0.1, mem: 10}\n")
	p.cmd = exec.Command(cmdqBinary(t), "run", "--log-level", "debug", "--progress", "plain")
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, &p.out, fullPipe(t)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Process.Wait() })
	pid := p.pid()
	p.signal(syscall.SIGINT)
	p.exits(130)
	p.gone(pid)
}

// TestNobodyReadsTheSummary: the second signal ends that too.
func TestNobodyReadsTheSummary(t *testing.T) {
	t.Parallel()
	p := &program{t: t, dir: t.TempDir()}
	p.write("tasks: [{id: a, command: 'true', cpus: 0.1, mem: 10}]\n")
	p.cmd = exec.Command(cmdqBinary(t), "run", "--progress", "none")
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, fullPipe(t), &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Process.Wait() })
	p.says(`"framework removed"`, 1)
	p.signal(syscall.SIGINT)
	p.signal(syscall.SIGTERM)
	timer := time.AfterFunc(30*time.Second, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	p.cmd.Wait() // the status says it all
	if code := p.cmd.ProcessState.ExitCode(); code != 130 && code != 143 {
		t.Errorf("exit %d, want that of one of the signals; either may come first", code)
	}
}

// TestJoblogOfTwo: two runs cannot write one joblog, nor can one go where nobody
// reads.
func TestJoblogOfTwo(t *testing.T) {
	t.Parallel()
	p := start(t, longTask, "run", "--progress", "none", "--joblog", "log")
	p.says("msg=running", 1)
	for _, tt := range []struct{ joblog, says string }{
		{"log", "another run writes log"},
		{"pipe", "joblog: open pipe"},
		{".", "joblog: open .: is a directory"},
	} {
		if tt.joblog == "pipe" {
			if err := unix.Mkfifo(filepath.Join(p.dir, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(cmdqBinary(t), "run", "--state", "other", "--progress", "none", "--joblog", tt.joblog)
		cmd.Dir = p.dir
		out, _ := cmd.CombinedOutput() // the status says it
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), tt.says) {
			t.Errorf("--joblog %s: exit %d:\n%s", tt.joblog, cmd.ProcessState.ExitCode(), out)
		}
	}
	p.signal(syscall.SIGINT)
	p.exits(130)
}

// TestJoblogOnStandardOutput: lines and summary follow each other in a file that
// the shell opened.
func TestJoblogOnStandardOutput(t *testing.T) {
	t.Parallel()
	p := &program{t: t, dir: t.TempDir()}
	p.write("tasks: [{id: a, command: 'true', cpus: 0.1, mem: 10, count: 3}]\n")
	cmd := exec.Command("sh", "-c", `echo before >out; exec "$0" run --progress none --joblog /dev/stdout >>out 2>/dev/null`, cmdqBinary(t))
	cmd.Dir = p.dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(p.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(out); !strings.HasPrefix(text, "before\n{") || strings.Count(text, `"state":"finished"`) != 3 || !strings.Contains(text, "3 tasks: 3 finished") {
		t.Errorf("got:\n%s", text)
	}
}
