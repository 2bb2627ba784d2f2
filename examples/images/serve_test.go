package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The command of serve finds the list, and how it ends is how serve ends.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	list, found := filepath.Join(dir, "urls.txt"), filepath.Join(dir, "found")
	err := serve(list, []string{"sh", "-c", `cp "$0" "$1"; exit 7`, list, found})
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 7 {
		t.Errorf("ended with %v, want exit status 7", err)
	}
	data, err := os.ReadFile(found)
	if err != nil {
		t.Fatal(err)
	}
	urls := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	slices.Sort(urls)
	if len(slices.Compact(urls)) != 12 {
		t.Errorf("the list was %q, want twelve URLs", data)
	}
	if resp, err := http.Get(urls[0]); err == nil {
		resp.Body.Close()
		t.Errorf("%s is still served", urls[0])
	}
}

// What keeps the command from being run is an error.
func TestServeNothing(t *testing.T) {
	dir := t.TempDir()
	if err := serve(filepath.Join(dir, "urls.txt"), []string{filepath.Join(dir, "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a command that is not there: %v", err)
	}
	ran := filepath.Join(dir, "ran")
	if err := serve(filepath.Join(dir, "none", "urls.txt"), []string{"touch", ran}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a list in no directory: %v", err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command was run without a list")
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {""}, {"invert"}, {"invert", "http://127.0.0.1:1/"}, {"serve", "urls.txt"}, {"turn", "a", "b"}} {
		if err := run(args); err == nil || err.Error() != usage {
			t.Errorf("%q: %v", args, err)
		}
	}
}
