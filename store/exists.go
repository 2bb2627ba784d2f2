package store

import (
	"os"
	"path/filepath"
)

// Exists tells whether a directory holds a journal, whatever state that is in.
func Exists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, fileName))
	return err == nil
}
