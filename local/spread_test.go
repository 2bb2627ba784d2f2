package local

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpread: where the file system knows the flag, the directory has it.
func TestSpread(t *testing.T) {
	dir := t.TempDir()
	if err := spread(dir); err != nil {
		t.Skip("this file system has no such flag: ", err) // a cluster starts without it
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS); err != nil || flags&topDir == 0 {
		t.Errorf("the flags are %#x, %v", flags, err)
	}
}

// TestSpreadNowhere: a directory that is not there is an error.
func TestSpreadNowhere(t *testing.T) {
	if err := spread(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}
