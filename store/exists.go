package store

import (
	"os"
	"path/filepath"
	"time"
)

// Exists tells whether a directory holds a journal, whatever state that is in.
func Exists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, fileName))
	return err == nil
}

// Written is when the journal in a directory was last written; zero if there is
// none.
func Written(dir string) time.Time {
	info, err := os.Lstat(filepath.Join(dir, fileName))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
