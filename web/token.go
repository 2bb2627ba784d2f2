package web

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tokenSize is the length of a token, in bytes, before it is written in hex.
const tokenSize = 32

// Token is the token of a state directory, which lets its holder change the
// queue over TCP: the file "token" in there, 0600, made where there is none, and
// the same from then on. The caller has locked the directory.
func Token(dir string) (string, error) {
	name := filepath.Join(dir, "token")
	token, err := readToken(name)
	if errors.Is(err, fs.ErrNotExist) {
		token, err = makeToken(name)
	}
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return token, nil
}

func readToken(name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no regular file", name)
	case !ok || int(st.Uid) != os.Geteuid():
		return "", fmt.Errorf("%s is another user's", name)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s is open to other users (mode %04o); remove it, and a new one is made", name, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 3*tokenSize))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if b, err := hex.DecodeString(token); err != nil || len(b) != tokenSize {
		return "", fmt.Errorf("%s is no token: want %d hex digits; remove it, and a new one is made", name, 2*tokenSize)
	}
	return token, nil
}

// makeToken writes the file whole, or not at all.
func makeToken(name string) (string, error) {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	token := hex.EncodeToString(b)
	part := name + ".new"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err // what a process that was killed has left
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, token+"\n")
	if err == nil {
		err = f.Chmod(0o600) // a strange umask
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(part))
	}
	return token, os.Rename(part, name)
}
