package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process is a guardian if it has this argv[0] and finds the mark in its environment.
const (
	guardianName = "cmdq guardian"
	guardianEnv  = "CMDQ_GUARDIAN"
	guardianMark = "fd3" // where its end of the socket is
	guardianFD   = 3
)

func isGuardian() bool {
	return len(os.Args) == 2 && os.Args[0] == guardianName && os.Getenv(guardianEnv) == guardianMark
}

// The guardian must run on the first thread of its process (see warden), and
// only in an init function can a Go program still ask for that one.
func init() {
	if isGuardian() {
		runtime.LockOSThread()
	}
}

// Guard runs the guardian and exits, if this process was started as one (see
// startGuardian); else it returns at once. Call it first in main, and in
// TestMain where commands are started.
func Guard() {
	if !isGuardian() {
		return
	}
	os.Exit(guard(os.Args[1]))
}

// warden is the state of the guardian process. One goroutine owns it, locked
// to the first thread of the process. That is for the sake of the kernel's
// rules: a child belongs to the thread that started it, an orphan is given to
// the first thread of its subreaper (kernel/exit.c, find_new_reaper). Leaders
// are started by other threads (see forker), hence the first one has exactly
// the orphans, and a single wait4(__WNOTHREAD) tells whether there are any.
// Nobody has to look through /proc as long as commands leave nothing behind.
type warden struct {
	self  int // our pid
	conn  *os.File
	nonce guardNonce
	book  *leaderBook
	forks *forkers

	signals  <-chan guardMessage
	children <-chan os.Signal // something may have ended
	hangup   <-chan struct{}  // the server's end is closed

	wards   map[uint32]*ward // by seq: what runs, and what is being ended
	leaders map[int]*ward    // by pid: whose leader has not been waited for
	ending  map[uint32]*ward // whose leader has ended but perhaps not all else
	known   map[procKey]uint32
	signal  []guardMessage // to be sent, all with one look at /proc

	look    time.Time     // when to look through /proc next; zero: no need
	pause   time.Duration // from one look to the next
	strays  time.Time     // since when there is something nobody owns
	noted   bool          // of the strays that do not end
	out     []byte        // frames for the server
	deaf    bool          // the server does not listen any more
	timer   *time.Timer
	timeout time.Duration // stuckAfter
}

// ward is a command in the guardian's care.
type ward struct {
	seq       uint32
	pid       int // of its leader; also its session and process group
	dir       string
	container string // what names it in its environment
	status    syscall.WaitStatus
	ended     time.Time // when its leader was seen to have ended
}

// stuckAfter is how long processes that got SIGKILL may take to end. Those in
// uninterruptible sleep are then left alone.
const stuckAfter = 10 * time.Second

// guard is the guardian's main function; it returns its exit status.
func guard(workDir string) int {
	conn := os.NewFile(guardianFD, "server")
	children, err := settleGuardian()
	if err != nil {
		refuseServer(conn, err)
		return 1
	}
	book, err := openLeaderBook(workDir, stuckAfter)
	if err != nil {
		refuseServer(conn, err)
		return 1
	}
	w := newWarden(conn, book, children)
	if left := killLeftovers(book.earlier, stuckAfter); left > 0 {
		w.note("%d processes of an earlier run do not end", left)
	}
	if err := book.begin(w.nonce); err != nil {
		refuseServer(conn, err)
		return 1
	}
	signals, hangup := make(chan guardMessage, 64), make(chan struct{})
	w.signals, w.hangup = signals, hangup
	go listen(conn, w.forks, signals, hangup)
	w.say(guardMessage{kind: guardReady})
	w.flush()
	w.run()
	return w.endAll()
}

func refuseServer(conn *os.File, err error) {
	m := guardMessage{kind: guardRefused, texts: []string{err.Error()}}
	_, _ = conn.Write(m.append(nil)) // nobody else is there to tell
}

// defaultIfIgnored undoes that a signal is ignored, as GNU make has it for 32 and 33
// of what it starts (glibc's posix_spawn).
func defaultIfIgnored(s syscall.Signal) {
	const sigIgn, maskSize = 1, 8
	var now, byDefault [8]uintptr // a struct sigaction of the kernel begins with its handler
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), 0, uintptr(unsafe.Pointer(&now)), maskSize, 0, 0)
	if errno == 0 && now[0] == sigIgn {
		// It cannot fail where the question did not.
		_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&byDefault)), 0, maskSize, 0, 0)
	}
}

// settleGuardian makes the process fit for its work: nothing but SIGKILL ends
// it, it adopts orphans, and nothing of it is inherited by commands.
func settleGuardian() (<-chan os.Signal, error) {
	if os.Getpid() != unix.Gettid() {
		return nil, errors.New("guardian: not on the first thread")
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)

	// A signal with a handler is at its default again after an exec, one that
	// is ignored would stay so: everything gets a handler, for the commands.
	ignored := make(chan os.Signal, 1) // never read: a full channel drops
	for n := 1; n <= 64; n++ {
		switch s := syscall.Signal(n); s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF:
			// Impossible to catch, or the Go runtime's own, which ends nothing.
		case 32, 33, 34: // of C libraries: the runtime does not let us have them
			defaultIfIgnored(s)
		default:
			signal.Notify(ignored, s)
		}
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("guardian: become subreaper: %w", err)
	}
	syscall.Umask(0o022)
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		entries, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
		if err != nil {
			return nil, fmt.Errorf("guardian: open files: %w", err)
		}
		for _, e := range entries {
			if fd := decimal(e.Name()); fd >= 3 {
				unix.CloseOnExec(fd)
			}
		}
	}
	return children, nil
}

func newWarden(conn *os.File, book *leaderBook, children <-chan os.Signal) *warden {
	nonce := newGuardNonce()
	return &warden{
		self: os.Getpid(), conn: conn, nonce: nonce, book: book, children: children,
		forks: newForkers(nonce),
		wards: map[uint32]*ward{}, leaders: map[int]*ward{}, ending: map[uint32]*ward{}, known: map[procKey]uint32{},
		timer: time.NewTimer(time.Hour), timeout: stuckAfter,
	}
}

// listen takes the server's frames apart: starts go to the forkers, the rest
// to the warden. Neither queue grows without bound: the server has at most
// maxGuardStarts under way.
func listen(conn *os.File, forks *forkers, signals chan<- guardMessage, hangup chan<- struct{}) {
	defer close(hangup)
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		m, err := readGuardMessage(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				fmt.Fprintln(os.Stderr, "cmdq guardian:", err)
			}
			return
		}
		if m.kind == guardSignal {
			signals <- m
			continue
		}
		p, err := startedProcess(m)
		if err != nil {
			return // it talks nonsense: as if it were dead
		}
		forks.request(m.seq, p)
	}
}

// run serves until the server is gone.
func (w *warden) run() {
	for {
		select {
		case r := <-w.forks.results:
			w.onForked(r)
		case m := <-w.signals:
			w.signal = append(w.signal, m)
		case <-w.children:
		case <-w.timer.C:
		case <-w.hangup:
			return
		}
		w.drain()
		w.forks.relieve()
		w.reap()
		w.deliver()
		w.flush()
		w.timer.Reset(w.nextLook())
	}
}

// drain takes what else has come, so that much costs little more than one.
func (w *warden) drain() {
	for range 2 * maxGuardStarts {
		select {
		case r := <-w.forks.results:
			w.onForked(r)
		case m := <-w.signals:
			w.signal = append(w.signal, m)
		default:
			return
		}
	}
}

func (w *warden) nextLook() time.Duration {
	next := time.Hour
	if !w.look.IsZero() {
		next = time.Until(w.look)
	}
	if w.forks.busy() {
		next = min(next, forkPatience)
	}
	return max(next, 0)
}

// onForked notes a command that was started, or not.
func (w *warden) onForked(r forkResult) {
	switch {
	case r.refused != nil:
		w.say(guardMessage{kind: guardRefused, seq: r.seq, texts: []string{r.refused.Error()}})
	case r.failed != nil: // it could not be executed: that is an end like any other
		w.say(guardMessage{kind: guardStarted, seq: r.seq})
		w.say(guardMessage{kind: guardExit, seq: r.seq, num: 1 << 8, texts: []string{r.failed.Error()}})
	default:
		c := &ward{seq: r.seq, pid: r.pid, dir: r.dir, container: r.container}
		w.wards[c.seq], w.leaders[c.pid] = c, c
		w.book.add(c.pid)
		w.say(guardMessage{kind: guardStarted, seq: c.seq, num: int64(c.pid)})
	}
	w.forks.settled()
}

func (w *warden) say(m guardMessage) { w.out = m.append(w.out) }

func (w *warden) note(format string, args ...any) {
	w.say(guardMessage{kind: guardNote, texts: []string{fmt.Sprintf(format, args...)}})
}

// flush sends what was said. A server that is gone is no news: hangup tells.
func (w *warden) flush() {
	if len(w.out) > 0 && !w.deaf {
		if _, err := w.conn.Write(w.out); err != nil {
			w.deaf = true
		}
	}
	w.out = w.out[:0]
}
