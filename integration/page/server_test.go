//go:build integration

package page_test

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startServer runs a program until the test ends, or stop is called: by a signal,
// upon which it ends with this status. It is ready once it says so in a line, in
// what pipe gives of its output; the rest of that line is returned.
func startServer(t *testing.T, server *exec.Cmd, pipe func() (io.ReadCloser, error), says string, by syscall.Signal, status int) (rest string, stop func()) {
	t.Helper()
	name := filepath.Base(server.Path)
	out, err := pipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), says); ok {
				select {
				case ready <- rest:
				default: // it says so again
				}
			}
		}
		_ = server.Wait() // stop looks at the status
	}()
	stop = sync.OnceFunc(func() {
		if err := server.Process.Signal(by); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
		select {
		case <-ended:
			if got := server.ProcessState.ExitCode(); got != status {
				t.Errorf("%s ended with %s, not with status %d", name, server.ProcessState, status)
			}
		case <-time.After(patience):
			t.Errorf("%s does not end (%v)", name, server.Process.Kill())
		}
	})
	t.Cleanup(stop)
	select {
	case rest = <-ready:
	case <-ended:
		t.Fatalf("%s ended before it was ready: %s", name, server.ProcessState)
	case <-time.After(patience):
		t.Fatalf("%s does not get ready", name)
	}
	return rest, stop
}
