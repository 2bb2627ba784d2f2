//go:build integration

package page_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
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
	s.enter, stop = startServer(t, server, server.StdoutPipe, "ready: ", syscall.SIGTERM, 0)
	s.page, _, _ = strings.Cut(s.enter, "?token=")
	return s, stop
}
