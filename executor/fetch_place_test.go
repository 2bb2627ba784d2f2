package executor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// While a file that can be executed is written, nothing is forked: the child
// would have it open for writing, too. But no command waits for a network.
func TestNoForkWhileExecutableIsWritten(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for perm, want := range map[os.FileMode]bool{0o755: false, 0o644: true} {
		seen := false
		err := place(root, "file", readerFunc(func([]byte) (int, error) {
			seen = true
			can := syscall.ForkLock.TryLock()
			if can {
				syscall.ForkLock.Unlock()
			}
			if can != want {
				t.Errorf("mode %o: a command could be forked: %t, want %t", perm, can, want)
			}
			return 0, io.EOF
		}), attributes{perm: perm})
		if err != nil || !seen {
			t.Error(err, seen)
		}
	}

	half, rest := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "#!/bin/sh\n")
		w.(http.Flusher).Flush()
		close(half)
		<-rest
		io.WriteString(w, "exit 0\n")
	}))
	defer server.Close()
	fetched := make(chan error, 1)
	go func() {
		fetched <- new(Fetcher).Fetch(t.Context(), dir, []URI{{Value: server.URL + "/run", Executable: true}})
	}()
	<-half
	syscall.ForkLock.Lock() // or the test ends with its time
	close(rest)
	syscall.ForkLock.Unlock()
	if err := <-fetched; err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "run"))
	if err != nil || string(data) != "#!/bin/sh\nexit 0\n" {
		t.Errorf("fetched %q, %v", data, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
}
