package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// guardian is the server's side of the guardian process, which starts every
// command and outlives the server for just as long as it takes to end them:
//
//	server ──socket──▶ guardian (this binary again, its own session, a subreaper)
//	                      ├── leader of command 1 (its own session) ── …
//	                      ├── leader of command 2 ── …
//	                      └── what daemonised, adopted
//
// When the server's end of the socket closes, be it by SIGKILL, the guardian
// kills all below it and ends. It implements launcher and is safe for use by
// many goroutines. It never restarts the guardian: once that is gone every
// command is reported lost and Run fails.
type guardian struct {
	log   *logrus.Entry
	conn  *net.UnixConn
	child *os.Process
	slots chan struct{} // starts under way; bounds what the guardian must keep
	done  chan struct{} // closed when the guardian has ended and all exits are out

	sending sync.Mutex // one frame at a time
	buf     []byte     // protected by sending

	mu     sync.Mutex // protects what follows
	closed bool
	gone   error // why nothing can be started any more
	seq    uint32
	bySeq  map[uint32]*guarded
	byID   map[string]*guarded
}

// guarded is a command that was handed to the guardian.
type guarded struct {
	id        string
	seq       uint32
	started   chan struct{} // closed when pid or refused is known
	pid       int
	refused   error
	abandoned bool // nobody waits for its start any more: end it when it comes
	exit      chan processExit
}

const (
	maxGuardStarts    = 256              // starts under way at once; further ones wait
	guardSendTimeout  = 10 * time.Second // for the guardian to take a frame
	guardStartTimeout = time.Minute      // for the kernel to execute a command
	guardReadyTimeout = 30 * time.Second // for the guardian to come up, leftovers killed
	guardCloseTimeout = 2 * stuckAfter   // for the guardian to end everything
)

var errGuardianClosed = errors.New("guardian: closed")

// startGuardian starts the guardian process, which first kills what an earlier
// guardian of the same work directory left behind. It fails if another one is
// at work there. The binary must call Guard first thing in main.
func startGuardian(workDir string, log *logrus.Entry) (*guardian, error) {
	workDir, err := filepath.Abs(workDir)
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	if err := os.MkdirAll(workDir, 0o700); err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	conn, child, err := spawnGuardian(workDir)
	if err != nil {
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	g := &guardian{
		log: log, conn: conn, child: child,
		slots: make(chan struct{}, maxGuardStarts), done: make(chan struct{}),
		bySeq: map[uint32]*guarded{}, byID: map[string]*guarded{},
	}
	reader := bufio.NewReaderSize(conn, 64<<10)
	if err := g.awaitReady(reader); err != nil {
		_ = child.Kill()
		_, _ = child.Wait()
		_ = conn.Close()
		return nil, fmt.Errorf("start guardian: %w", err)
	}
	go g.read(reader)
	return g, nil
}

// spawnGuardian starts this binary again as a guardian, on one end of a pair of sockets.
func spawnGuardian(workDir string) (*net.UnixConn, *os.Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "guardian"), os.NewFile(uintptr(pair[1]), "server")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	defer null.Close()
	child, err := os.StartProcess("/proc/self/exe", []string{guardianName, workDir}, &os.ProcAttr{
		Env:   guardianEnvironment(),
		Files: []*os.File{null, null, os.Stderr, theirs},
		Sys:   &syscall.SysProcAttr{Setsid: true}, // a terminal's Ctrl-C is not for it
	})
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), child, nil
}

// guardianEnvironment is the mark, and what the Go runtime itself looks at.
func guardianEnvironment() []string {
	env := []string{guardianEnv + "=" + guardianMark}
	for _, name := range []string{"GODEBUG", "GOTRACEBACK", "GORACE", "GOCOVERDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// awaitReady reads up to the guardian's word that it can begin.
func (g *guardian) awaitReady(r *bufio.Reader) error {
	if err := g.conn.SetReadDeadline(time.Now().Add(guardReadyTimeout)); err != nil {
		return err
	}
	for {
		m, err := readGuardMessage(r)
		if err != nil {
			return fmt.Errorf("await its word (does main call Guard first?): %w", err)
		}
		switch {
		case m.kind == guardReady:
			return g.conn.SetReadDeadline(time.Time{})
		case m.kind == guardRefused && len(m.texts) == 1:
			return errors.New(m.texts[0])
		default:
			g.onMessage(m)
		}
	}
}

// Run implements launcher. It waits until the command is executed, at most a
// minute; another command's start does not hold it up.
func (g *guardian) Run(spec process) (<-chan processExit, int, error) {
	if err := checkProcess(spec); err != nil {
		return nil, 0, fmt.Errorf("start %s: %w", spec.ID, err)
	}
	timeout := time.NewTimer(guardStartTimeout)
	defer timeout.Stop()
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-g.done:
		return nil, 0, g.lost()
	case <-timeout.C:
		return nil, 0, fmt.Errorf("start %s: %w", spec.ID, context.DeadlineExceeded)
	}
	c, err := g.enter(spec.ID)
	if err != nil {
		return nil, 0, err
	}
	if err := g.send(startMessage(c.seq, spec)); err != nil {
		if !g.isClosed() { // a Close in between has shut the socket, and the guardian is ending
			g.fail(fmt.Errorf("guardian: send: %w", err))
		}
		<-g.done // what was running is reported, this one too
	}
	select {
	case <-c.started:
	case <-timeout.C:
		if g.abandon(c) {
			return nil, 0, fmt.Errorf("start %s: %w", spec.ID, context.DeadlineExceeded)
		}
	}
	if c.refused != nil {
		return nil, 0, c.refused
	}
	return c.exit, c.pid, nil
}

// checkProcess refuses what the guardian could not take or the kernel would not.
func checkProcess(spec process) error {
	if spec.Path == "" || len(spec.Argv) == 0 || spec.Dir == "" {
		return errors.New("no path, arguments or directory")
	}
	if m := startMessage(0, spec); m.size() > maxGuardFrame {
		return fmt.Errorf("arguments and environment: %w", syscall.E2BIG)
	}
	return nil
}

// enter makes a place for a new command.
func (g *guardian) enter(id string) (*guarded, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.gone != nil:
		return nil, g.gone
	case g.closed:
		return nil, errGuardianClosed
	case g.byID[id] != nil:
		return nil, fmt.Errorf("start %s: a command with this id is running", id)
	}
	g.seq++
	for g.seq == 0 || g.bySeq[g.seq] != nil {
		g.seq++
	}
	c := &guarded{id: id, seq: g.seq, started: make(chan struct{}), exit: make(chan processExit, 1)}
	g.bySeq[g.seq], g.byID[id] = c, c
	return c, nil
}

// abandon tells whether c has still not started; its place is then kept until
// it has, and it is ended at once.
func (g *guardian) abandon(c *guarded) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-c.started:
		return false
	default:
		c.abandoned = true
		return true
	}
}

// Signal implements launcher. It does not wait for the signal to arrive.
func (g *guardian) Signal(id string, sig syscall.Signal) error {
	g.mu.Lock()
	c, gone := g.byID[id], g.gone
	g.mu.Unlock()
	if gone != nil {
		return gone
	}
	if c == nil {
		return fmt.Errorf("signal %s: %w", id, os.ErrProcessDone)
	}
	// Frames are handled in order, but a start takes its time: a signal that
	// overtook it would find nothing.
	select {
	case <-c.started:
	case <-time.After(guardStartTimeout):
		return fmt.Errorf("signal %s: %w", id, context.DeadlineExceeded)
	}
	if err := g.send(guardMessage{kind: guardSignal, seq: c.seq, num: int64(sig)}); err != nil {
		return fmt.Errorf("signal %s: %w", id, err)
	}
	return nil
}

// send writes one frame.
func (g *guardian) send(m guardMessage) error {
	g.sending.Lock()
	defer g.sending.Unlock()
	g.buf = m.append(g.buf[:0])
	if err := g.conn.SetWriteDeadline(time.Now().Add(guardSendTimeout)); err != nil {
		return err
	}
	_, err := g.conn.Write(g.buf)
	if cap(g.buf) > 1<<20 { // one huge environment is not kept for ever
		g.buf = nil
	}
	return err
}

// Close implements launcher. Commands that run are killed and reported. It may
// be called more than once.
func (g *guardian) Close() error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.sending.Lock()        // not in the middle of a frame
	_ = g.conn.CloseWrite() // fails only if the guardian is gone already
	g.sending.Unlock()
	select {
	case <-g.done:
		return nil
	case <-time.After(guardCloseTimeout):
		g.fail(errors.New("guardian: does not end"))
		<-g.done
		return errors.New("close guardian: it did not end in time and was killed")
	}
}
