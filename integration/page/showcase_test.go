//go:build integration

package page_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// site is where the page of a cmdq is.
type site struct {
	page  string // its address, for who may only look
	enter string // the same with the token
}

// buildShowcase builds integration/showcase, once.
var buildShowcase = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "showcase")
	build := exec.Command("go", "build", "-C", "../..", "-o", file, "./integration/showcase")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the showcase: %w\n%s", err, out)
	}
	return file, nil
})

// startShowcase serves the page with the queue of integration/showcase: 100,000
// tasks, of which 200 run. stop ends it, as does the end of the test.
func startShowcase(t *testing.T, args ...string) (s site, stop func()) {
	t.Helper()
	file, err := buildShowcase()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(file, args...)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if address, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
				ready <- address
			}
		}
		ended <- server.Wait()
	}()
	stop = sync.OnceFunc(func() {
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error("stop the showcase:", err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error("the showcase:", err)
			}
		case <-time.After(patience):
			t.Error("the showcase does not end", server.Process.Kill())
		}
	})
	t.Cleanup(stop)
	select {
	case s.enter = <-ready:
	case <-time.After(patience):
		t.Fatal("the showcase does not get ready")
	}
	s.page, _, _ = strings.Cut(s.enter, "?token=")
	return s, stop
}
