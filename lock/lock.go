// Package lock keeps a directory for one process at a time.
//
// The state of a lock is the kernel's: it is given back when the process ends,
// however it ends. The package never waits, never removes the file that it
// locks, and never follows a link to it.
package lock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// name of the locked file in a directory. It holds the pid of who has it.
const name = "lock"

// HeldError says that another process uses a directory.
type HeldError struct {
	Dir string
	PID int // of the process that has it; 0: not known
}

func (e *HeldError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("%s uses the directory %s", who, e.Dir)
}

// Lock is a directory that is ours until Release. The file stays behind.
type Lock struct{ file *os.File }

// Take takes a directory, which has to exist, or says who has it with a
// *HeldError.
func Take(dir string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the directory: %w", err)
	}
	err = hold(f, dir, unix.LOCK_EX)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the directory: %w", err), f.Close())
	}
	return &Lock{f}, nil
}

// Share keeps others from taking a directory while it is read, and changes
// nothing there. A directory that was never taken has no lock to hold: that is
// a Lock too.
func Share(dir string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("share the directory: %w", err)
	}
	if err := hold(f, dir, unix.LOCK_SH); err != nil {
		return nil, errors.Join(fmt.Errorf("share the directory: %w", err), f.Close())
	}
	return &Lock{f}, nil
}

// Release gives the directory back.
func (l *Lock) Release() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func hold(f *os.File, dir string, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &HeldError{Dir: dir, PID: readPID(f)}
	}
	return err
}

// readPID reads who has a lock; 0 if that cannot be told. Who shares a lock
// does not write its pid: what stands there then is of a process that has ended.
func readPID(r io.Reader) int {
	text, err := io.ReadAll(io.LimitReader(r, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return 0
	}
	return pid
}
