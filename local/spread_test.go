package local

import (
	"path/filepath"
	"testing"
)

// TestSpread: whatever the file system says to it, a cluster starts; and a
// directory that is not there is an error.
func TestSpread(t *testing.T) {
	dir := t.TempDir()
	if err := spread(dir); err != nil {
		t.Logf("not on this file system: %v", err)
	}
	if err := spread(filepath.Join(dir, "missing")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}
