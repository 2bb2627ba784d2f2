package local

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestGuardedServer is no test but a server of its own process: it starts the
// scripts that stand in its environment, says "up" and waits for its end.
func TestGuardedServer(t *testing.T) {
	work := os.Getenv("CMDQ_TEST_SERVER")
	if work == "" {
		return // it is for the tests below
	}
	if os.Getenv("CMDQ_TEST_NOMARK") != "" {
		limit := unix.Rlimit{Cur: 100, Max: 100}
		if err := unix.Setrlimit(unix.RLIMIT_LOCKS, &limit); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread() // so that the guardian starts with a signal blocked
	set := unix.Sigset_t{}
	set.Val[0] = 1 << (unix.SIGUSR2 - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		t.Fatal(err)
	}
	g := mustGuardian(t, work)
	var exits []<-chan processExit
	for n, script := range strings.Split(os.Getenv("CMDQ_TEST_SCRIPTS"), "\x1f") {
		p := shell(t, work, strconv.Itoa(n), script)
		if words, ok := strings.CutPrefix(script, "argv: "); ok { // without a shell, which sets things right of its own accord
			p.Argv = strings.Fields(words)
			p.Path = p.Argv[0]
		}
		exit, _, err := g.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		exits = append(exits, exit)
	}
	fmt.Println("guardian", g.child.Pid)
	for n, exit := range exits {
		x := await(t, exit)
		fmt.Println("exit", n, x.Status, x.Err)
	}
	fmt.Println("all")
	select {} // until killed
}

// testServer is a process that runs TestGuardedServer.
type testServer struct {
	cmd      *exec.Cmd
	lines    *bufio.Scanner
	work     string
	guardian procKey
}

func startTestServer(t *testing.T, prefix []string, env []string, scripts ...string) *testServer {
	t.Helper()
	s := &testServer{work: t.TempDir()}
	args := append(prefix, os.Args[0], "-test.run=^TestGuardedServer$", "-test.v", "-test.timeout=60s")
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Env = append(os.Environ(), "CMDQ_TEST_SERVER="+s.work, "CMDQ_TEST_SCRIPTS="+strings.Join(scripts, "\x1f"))
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	s.lines = bufio.NewScanner(out)
	_, pid, _ := strings.Cut(s.line(t, "guardian"), " ")
	stat, err := readProc(decimal(pid))
	if err != nil {
		t.Fatal(err)
	}
	s.guardian = stat.procKey
	return s
}

// line returns the server's next line that begins with this.
func (s *testServer) line(t *testing.T, prefix string) string {
	t.Helper()
	for s.lines.Scan() {
		if strings.HasPrefix(s.lines.Text(), prefix) {
			return s.lines.Text()
		}
		if strings.Contains(s.lines.Text(), "FAIL") || strings.Contains(s.lines.Text(), "_test.go") {
			t.Error(s.lines.Text())
		}
	}
	t.Fatalf("the server ended before it said %q", prefix)
	return ""
}

func (s *testServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func TestServerKilled(t *testing.T) {
	scripts := []string{
		`echo $$ >pid; sleep 1000`,
		`trap '' TERM HUP; echo $$ >pid; while :; do sleep 1000; done`,
		`(setsid sh -c 'echo $$ >pid; exec sleep 1000' &); sleep 1000`,
		`cd /; env -i setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000' >/dev/null 2>&1 & sleep 1000`,
		`echo $$ >pid; kill -STOP $$`,
	}
	s := startTestServer(t, nil, nil, scripts...)
	var all []procKey
	for n := range scripts {
		all = append(all, pidIn(t, filepath.Join(s.work, strconv.Itoa(n), "pid")))
	}
	// The guardian minds nothing of this.
	for n := 1; n <= 64; n++ {
		switch sig := syscall.Signal(n); sig {
		case syscall.SIGKILL, syscall.SIGSTOP, 32, 33, 34: // the last three are C libraries' own, the Go runtime leaves them alone
		default:
			_ = syscall.Kill(s.guardian.pid, sig)
		}
	}
	for _, p := range append(all, s.guardian) {
		if gone(p) {
			t.Fatalf("process %d ended too early (the guardian is %d)", p.pid, s.guardian.pid)
		}
	}
	s.kill()
	eventually(t, "the end of the guardian", func() bool { return gone(s.guardian) })
	for _, p := range all {
		if !gone(p) {
			t.Errorf("process %d outlived the guardian: %s", p.pid, cmdline(p.pid))
		}
	}
	if text := read(t, filepath.Join(s.work, leaderBookName)); text != "" {
		t.Errorf("the book is not empty: %q", text)
	}
}

// A server that is started again at once waits for the guardian of the first.
func TestServerKilledAndStartedAgain(t *testing.T) {
	const script = `trap '' TERM; setsid sh -c 'echo $$ >pid; while :; do sleep 1; done' & while :; do sleep 1; done`
	s := startTestServer(t, nil, nil, script, script, script)
	var all []procKey
	for n := range 3 {
		all = append(all, pidIn(t, filepath.Join(s.work, strconv.Itoa(n), "pid")))
	}
	s.kill()
	next := mustGuardian(t, s.work)
	for _, p := range all {
		if !gone(p) {
			t.Errorf("process %d is left: %s", p.pid, cmdline(p.pid))
		}
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func TestGuardianKilled(t *testing.T) {
	bystander := exec.Command("sleep", "1000")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()

	e := newGuardEnv(t)
	scripts := []string{
		`echo $$ >pid; sleep 1000`,
		`cd /; (env -i setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000' >/dev/null 2>&1 &); sleep 1000`,
		`cd /; (env -i setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000' >/dev/null 2>&1 &)
			while [ ! -e $OLDPWD/../go ]; do sleep 0.01; done; kill -KILL $PPID; while :; do sleep 1; done`,
	}
	var exits []<-chan processExit
	var all []procKey
	for _, script := range scripts {
		p := e.sandboxed(script)
		exits = append(exits, e.start(p))
		all = append(all, pidIn(t, filepath.Join(p.Dir, "pid")))
	}
	if err := os.WriteFile(filepath.Join(e.work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for n, exit := range exits {
		if x := await(t, exit); x.Err == nil || x.Status == 0 {
			t.Errorf("%d: %#x %v", n, x.Status, x.Err)
		}
	}
	<-e.done
	if _, _, err := e.Run(e.sandboxed("true")); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("run: %v", err)
	}
	if err := e.Signal("any", syscall.SIGTERM); err == nil {
		t.Error("signal: no error")
	}
	for _, p := range all {
		defer signalProc(p, unix.SIGKILL) // should the test fail
		if gone(p) {
			t.Fatal("it is gone already, the test shows nothing")
		}
	}

	next := mustGuardian(t, e.work)
	for _, p := range all {
		if !gone(p) {
			t.Errorf("process %d is left: %s", p.pid, cmdline(p.pid))
		}
	}
	if stat, err := readProc(bystander.Process.Pid); err != nil || stat.zombie {
		t.Error("a stranger was killed")
	}
	exit, _, err := next.Run(shell(t, e.work, "next", "exit 5"))
	if err != nil {
		t.Fatal(err)
	}
	if x := await(t, exit); x.Status.ExitStatus() != 5 {
		t.Errorf("afterwards: %#x", x.Status)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

// Without the mark, session, environment and directory have to tell.
func TestWithoutMark(t *testing.T) {
	s := startTestServer(t, nil, []string{"CMDQ_TEST_NOMARK=1"},
		`while [ ! -e ../go ]; do sleep 0.01; done`, // something else runs
		`cd /; (setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000' >/dev/null 2>&1 &); while [ ! -s $OLDPWD/pid ]; do sleep 0.01; done`,
		`(env -i setsid sh -c 'echo $$ >pid; exec sleep 1000' >/dev/null 2>&1 &); while [ ! -s pid ]; do sleep 0.01; done`,
		`cd /; (env -i setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000 3<'$OLDPWD'/pid' >/dev/null 2>&1 &); while [ ! -s $OLDPWD/pid ]; do sleep 0.01; done`,
		`cd /; (env -i setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000' >/dev/null 2>&1 &); while [ ! -s $OLDPWD/pid ]; do sleep 0.01; done`,
	)
	for n := 1; n <= 4; n++ {
		path := filepath.Join(s.work, strconv.Itoa(n), "pid")
		eventually(t, path, func() bool { text, _ := os.ReadFile(path); return len(text) > 0 })
	}
	lost := pidIn(t, filepath.Join(s.work, "4", "pid")) // nothing tells whose it is
	if err := os.WriteFile(filepath.Join(s.work, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.line(t, "all")
	for n := 1; n <= 3; n++ {
		pid := decimal(strings.TrimSpace(read(t, filepath.Join(s.work, strconv.Itoa(n), "pid"))))
		if stat, err := readProc(pid); err == nil && !stat.zombie {
			t.Errorf("command %d left process %d: %s", n, pid, cmdline(pid))
		}
	}
	eventually(t, "the end of what nobody owns, when nothing runs", func() bool { return gone(lost) })
}

// The Go runtime raises the soft limit of open files for itself; a parent of
// cmdq may have signals ignored and blocked, and files open.
// ignoreAndBegin does with the signals of C libraries what GNU make does before it
// starts something; sh has no names for them.
func ignoreAndBegin() {
	if os.Getenv("CMDQ_TEST_IGNORE") == "" {
		return
	}
	for _, s := range []uintptr{32, 33} {
		ignore := [8]uintptr{1} // SIG_IGN
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&ignore)), 0, 8, 0, 0); errno != 0 {
			panic(errno)
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CMDQ_TEST_IGNORE=") })
	panic(syscall.Exec("/proc/self/exe", os.Args, env))
}

func TestCommandsInheritNothing(t *testing.T) {
	prefix := []string{"sh", "-c", `ulimit -Sn 512; trap '' HUP INT TERM TSTP USR1 PIPE; exec 7</dev/null; umask 077; exec "$@"`, "sh"}
	s := startTestServer(t, prefix, []string{"CMDQ_TEST_IGNORE=1"}, `ulimit -Sn; umask; ls /proc/self/fd | wc -l`,
		`argv: grep -E SigBlk|SigIgn /proc/self/status`)
	s.line(t, "all")
	for n, want := range []string{"512\n0022\n4\n", "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"} {
		if got := read(t, filepath.Join(s.work, strconv.Itoa(n), "stdout")); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestWorkDirIsLocked(t *testing.T) {
	e := newGuardEnv(t)
	_, err := openLeaderBook(e.work, 20*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), e.work) || !strings.Contains(err.Error(), strconv.Itoa(e.child.Pid)) {
		t.Errorf("got %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	book, err := openLeaderBook(e.work, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	book.finish()
}

func TestStartGuardianFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := startGuardian(file, quiet); err == nil {
		t.Error("in a file: no error")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, leaderBookName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := startGuardian(dir, quiet); err == nil || !strings.Contains(err.Error(), "book") {
		t.Errorf("book is a directory: %v", err)
	}
}

func TestBook(t *testing.T) {
	work := t.TempDir()
	b, err := openLeaderBook(work, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.begin(7); err != nil {
		t.Fatal(err)
	}
	self, err := readProc(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 { // bounded whatever goes through
		b.add(self.pid)
	}
	if st, err := os.Stat(filepath.Join(work, leaderBookName)); err != nil || st.Size() > maxBook+100 || st.Size() != b.size {
		t.Errorf("size %v, %d noted: %v", st.Size(), b.size, err)
	}
	again := parseLeaderBook([]byte(read(t, filepath.Join(work, leaderBookName))))
	if again.boot != bootID() || again.nonce != 7 || again.pid != os.Getpid() || !slices.Contains(again.leaders, self.procKey) {
		t.Errorf("read back %+v", again)
	}
	b.drop(self.pid)
	b.tidy()
	if text := read(t, filepath.Join(work, leaderBookName)); text != b.head {
		t.Errorf("tidied: %q", text)
	}
	b.finish()
}

// TestGivenUpLeavesNothing: a guardian that the server gives up, because it does
// not take its frames perhaps, still ends what it has started.
func TestGivenUpLeavesNothing(t *testing.T) {
	e := newGuardEnv(t)
	var exits []<-chan processExit
	for range 5 {
		exits = append(exits, e.start(e.sandboxed("setsid sleep 1000 & sleep 1000")))
	}
	e.fail(errGuardFrame)
	for _, exit := range exits {
		if x := await(t, exit); x.Status.Signal() != syscall.SIGKILL {
			t.Errorf("status %#x, %v", x.Status, x.Err)
		}
	}
	<-e.done
	if left := below(e.work); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
