package local

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"cmdq/executor"
)

// forkers start commands on threads of their own that never end: children of
// a thread that ends are given to the first one, whose children must be
// orphans only (see warden). Normally there is one; when an execve hangs, on a
// dead network file system perhaps, another takes over.
type forkers struct {
	nonce    guardNonce
	requests chan forkRequest
	results  chan forkResult
	marking  chan struct{} // a lock on our own resource limits, from the mark to the fork

	started  int          // forkers; only the warden's goroutine touches it
	inflight atomic.Int64 // requests whose result the warden has not seen
	taken    atomic.Int64 // when a forker last took a request, unix nanoseconds
	closing  atomic.Bool  // start nothing any more
}

type forkRequest struct {
	seq uint32
	process
}

// forkResult is what became of a request: a pid, or why it was not started
// (refused), or why it could not be executed (failed).
type forkResult struct {
	seq       uint32
	pid       int
	dir       string
	container string
	refused   error
	failed    error
}

const (
	forkPatience = time.Second // before another forker is started
	maxForkers   = 16
	containerEnv = "MESOS_CONTAINER_ID" // names a command in its environment
)

func newForkers(nonce guardNonce) *forkers {
	f := &forkers{
		nonce:    nonce,
		requests: make(chan forkRequest, maxGuardStarts),
		results:  make(chan forkResult, maxGuardStarts),
		marking:  make(chan struct{}, 1),
	}
	f.more()
	return f
}

// more starts one more forker.
func (f *forkers) more() {
	f.started++
	f.taken.Store(time.Now().UnixNano())
	go f.run()
}

func (f *forkers) request(seq uint32, p process) {
	f.inflight.Add(1)
	f.requests <- forkRequest{seq, p}
}

// settled says that the warden has seen a result.
func (f *forkers) settled() { f.inflight.Add(-1) }

// busy tells whether a start is under way.
func (f *forkers) busy() bool { return f.inflight.Load() > 0 }

// relieve starts another forker if requests wait and nobody has taken one for long.
func (f *forkers) relieve() {
	taken := time.Unix(0, f.taken.Load())
	if len(f.requests) > 0 && time.Since(taken) >= forkPatience && f.started < maxForkers {
		f.more()
	}
}

func (f *forkers) run() {
	runtime.LockOSThread()
	var none unix.Sigset_t
	maskErr := unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil) // what commands inherit
	null, nullErr := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for r := range f.requests {
		f.taken.Store(time.Now().UnixNano())
		var result forkResult
		switch {
		case f.closing.Load():
			result.refused = errGuardianClosed
		case maskErr != nil:
			result.refused = fmt.Errorf("signal mask: %w", maskErr)
		case nullErr != nil:
			result.refused = fmt.Errorf("open %s: %w", os.DevNull, nullErr)
		default:
			result = f.start(r, null)
		}
		result.seq, result.dir = r.seq, r.Dir
		f.results <- result
	}
}

// start executes one command.
func (f *forkers) start(r forkRequest, null int) forkResult {
	stdout, err := openOutput(r.Stdout)
	if err != nil {
		return forkResult{refused: err}
	}
	defer unix.Close(stdout)
	stderr, err := openOutput(r.Stderr)
	if err != nil {
		return forkResult{refused: err}
	}
	defer unix.Close(stderr)

	env, container := named(r.Env, r.ID)
	attr := &syscall.ProcAttr{
		Dir:   r.Dir,
		Env:   env,
		Files: []uintptr{uintptr(null), uintptr(stdout), uintptr(stderr)},
		Sys:   &syscall.SysProcAttr{Setsid: true}, // makes a process group of its own, too
	}
	pid, err := f.exec(r, attr)
	switch {
	case err == nil:
		return forkResult{pid: pid, container: container}
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EINVAL):
		return forkResult{refused: fmt.Errorf("fork: %w", err)}
	}
	if err := checkDir(r.Dir); err != nil { // fork and exec have one error for all
		return forkResult{refused: err}
	}
	failed := fmt.Errorf("Failed to execute '%s': %s", r.Path, reason(err)) //lint:ignore ST1005 the words of Mesos
	text := failed.Error() + "\n"
	if _, err := unix.Write(stderr, []byte(text)); err != nil {
		failed = errors.Join(failed, fmt.Errorf("write %s: %w", r.Stderr, err))
	}
	return forkResult{failed: failed}
}

// exec forks and executes, finding the file as execvpe(3) does.
func (f *forkers) exec(r forkRequest, attr *syscall.ProcAttr) (int, error) {
	return executor.Execvpe(r.Path, r.Dir, r.Argv, attr.Env, func(path string, argv []string) (int, error) {
		return f.fork(r.seq, path, argv, attr)
	})
}

// fork starts a process that carries the mark of command seq.
func (f *forkers) fork(seq uint32, path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	if f.lockMarking() {
		defer func() { <-f.marking }()
	}
	setGuardMark(f.nonce.mark(seq))
	return syscall.ForkExec(path, argv, attr)
}

// lockMarking tells whether it got the lock. If it did not in all that time,
// another forker hangs in its execve. That is after its fork, so its child has
// got its mark already and ours may be set.
func (f *forkers) lockMarking() bool {
	select {
	case f.marking <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(forkPatience)
	defer patience.Stop()
	select {
	case f.marking <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// openOutput opens a file for appending: a regular one, not through a link.
func openOutput(path string) (int, error) {
	// O_NONBLOCK: a FIFO in its place must not hold us up.
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NOCTTY
	fd, err := unix.Open(path, flags|unix.O_NONBLOCK, 0o640)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("open %s: not a regular file", path)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND); err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

// checkDir tells whether a command could be started in dir.
func checkDir(dir string) error {
	st, err := os.Stat(dir)
	if err == nil && !st.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = unix.Access(dir, unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("change to directory %s: %w", dir, err)
	}
	return nil
}

// named is env with a variable that names the command, and its value.
func named(env []string, id string) ([]string, string) {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, containerEnv+"="); ok && value != "" {
			return env, value
		}
	}
	return append(env[:len(env):len(env)], containerEnv+"="+id), id
}

// reason is an error as strerror(3) says it.
func reason(err error) string {
	text := []rune(err.Error())
	if len(text) > 0 {
		text[0] = unicode.ToUpper(text[0])
	}
	return string(text)
}
