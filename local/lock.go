package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockedError says that another cluster uses the work directory.
type LockedError struct {
	Dir string
	PID int // of the process that has it; 0: not known
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("%s uses the work directory %s", who, e.Dir)
}

// workLock keeps a work directory for one cluster. The kernel gives it back
// when the process ends, however it ends; the file stays.
type workLock struct{ file *os.File }

// lockWorkDir takes a work directory, or says who has it: the file holds the
// pid.
func lockWorkDir(dir string) (*workLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the work directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &LockedError{Dir: dir, PID: readPID(f)}
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the work directory: %w", err), f.Close())
	}
	return &workLock{f}, nil
}

// readPID reads who has a lock; 0 if that cannot be told.
func readPID(r io.Reader) int {
	text, err := io.ReadAll(io.LimitReader(r, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// unlock gives the directory back.
func (l *workLock) unlock() error { return l.file.Close() }
