package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLockedWorkDir: a work directory is for one cluster at a time.
func TestLockedWorkDir(t *testing.T) {
	work := t.TempDir()
	c, err := Start(Config{WorkDir: work, launcher: &fakeLauncher{}})
	if err != nil {
		t.Fatal(err)
	}
	second := &fakeLauncher{}
	_, err = Start(Config{WorkDir: work, launcher: second})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Dir != c.cfg.WorkDir {
		t.Errorf("a second cluster: %v", err)
	}
	info, err := os.Stat(filepath.Join(work, "lock"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the lock is %v, %v", info, err)
	}
	if err := c.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again, err := Start(Config{WorkDir: work, launcher: &fakeLauncher{}})
	if err != nil {
		t.Fatal("the directory is not given back:", err)
	}
	if err := again.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}
