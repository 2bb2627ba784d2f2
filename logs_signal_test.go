package main

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestLogsInterrupted: a log of which only a part was printed is no success, also
// while nobody reads it; who follows one has seen enough.
func TestLogsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTasks(t, dir, "tasks: [{id: big, command: 'head -c 3000000 /dev/zero', cpus: 0.1, mem: 1}]\n")
	startIn(t, dir, "run", "--progress", "none", "--log-level", "error").ends(exitFinished, time.Minute)
	for _, tt := range []struct {
		flags  []string
		status int
	}{{nil, exitSIGINT}, {[]string{"--follow"}, exitFinished}} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(cmdqBinary(t), append([]string{"logs", "big"}, tt.flags...)...)
		cmd.Dir, cmd.Stdout = dir, write
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		write.Close()
		if _, err := io.ReadFull(read, make([]byte, 1000)); err != nil { // and no more
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		limit := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		cmd.Wait() // the status says it all
		limit.Stop()
		if got := cmd.ProcessState.ExitCode(); got != tt.status {
			t.Errorf("logs %q: %s, want status %d", tt.flags, cmd.ProcessState, tt.status)
		}
		read.Close()
	}
}
