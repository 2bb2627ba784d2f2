package lock

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTake: a directory is for one process at a time, and is given back.
func TestTake(t *testing.T) {
	dir := t.TempDir()
	first, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, take := range map[string]func(string) (*Lock, error){"Take": Take, "Share": Share} {
		_, err = take(dir)
		var held *HeldError
		if !errors.As(err, &held) || held.PID != os.Getpid() || held.Dir != dir {
			t.Errorf("%s of a directory that is taken: %v", name, err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "lock"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the lock is %v, %v", info, err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Take(dir)
	if err != nil {
		t.Fatal("the directory is not given back:", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

// TestShare: readers do not disturb each other, leave nothing behind, and keep
// a writer out.
func TestShare(t *testing.T) {
	dir := t.TempDir()
	none, err := Share(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("sharing left %v, %v", left, err)
	}
	taken, err := Take(dir)
	if err != nil {
		t.Fatal("sharing what was never taken holds it:", err)
	}
	if err := errors.Join(none.Release(), taken.Release()); err != nil {
		t.Fatal(err)
	}
	one, err1 := Share(dir)
	two, err2 := Share(dir)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(dir); err == nil {
		t.Error("a directory was taken while it was read")
	}
	if err := errors.Join(one.Release(), two.Release()); err != nil {
		t.Error(err)
	}
}

func TestLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(target, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if l, err := Take(dir); err == nil {
		t.Error("a link was locked", l.Release())
	}
	if l, err := Share(dir); err == nil {
		t.Error("a link was shared", l.Release())
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "text" {
		t.Errorf("what the link leads to is %q, %v", text, err)
	}
}

func TestReadPID(t *testing.T) {
	self := os.Getpid()
	for text, want := range map[string]int{strconv.Itoa(self) + "\n": self, "": 0, "x": 0, "-3": 0, "0": 0,
		"2147483646\n": 0, strings.Repeat("1", 40): 0} {
		if got := readPID(strings.NewReader(text)); got != want {
			t.Errorf("the pid in %q is %d, want %d", text, got, want)
		}
	}
}
