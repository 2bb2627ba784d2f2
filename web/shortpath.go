package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocketPath is the longest path of a control socket, in bytes. Linux takes
// 107 (unix(7)).
const maxSocketPath = 100

// shortPath is where the socket is whose proper path is too long: below
// $XDG_RUNTIME_DIR, or cmdq-UID below the directory for temporary files. The
// directory it is in is ours alone.
func shortPath(name string) (string, error) {
	sum := sha256.Sum256([]byte(name))
	short := hex.EncodeToString(sum[:8])
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && ours(dir) == nil {
		if at := filepath.Join(dir, "cmdq-"+short); len(at) <= maxSocketPath {
			return at, nil
		}
	}
	dir := filepath.Join(os.TempDir(), "cmdq-"+strconv.Itoa(os.Geteuid()))
	at := filepath.Join(dir, short)
	if len(at) > maxSocketPath {
		return "", fmt.Errorf("%s and %s are too long for a socket; set XDG_RUNTIME_DIR", name, at)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := ours(dir); err != nil {
		return "", fmt.Errorf("%w; set XDG_RUNTIME_DIR to a directory that is yours alone", err)
	}
	return at, nil
}

// ours checks that a directory is ours, and that no other user can get at what
// is in it.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ok || int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s is another user's", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to other users (mode %04o)", dir, info.Mode().Perm())
	}
	return nil
}
