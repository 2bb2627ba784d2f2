package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Guard()
	actAsExecutor()
	ignoreAndBegin()
	if os.Getenv("GORACE") == "" { // else every guardian's end takes a second under the race detector
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	os.Exit(m.Run())
}

var quiet = func() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}()

// guardEnv is a guardian and a directory for sandboxes.
type guardEnv struct {
	*guardian
	t    testing.TB
	work string
	mu   sync.Mutex
	n    int
}

func newGuardEnv(t testing.TB) *guardEnv {
	t.Helper()
	e := &guardEnv{t: t, work: t.TempDir()}
	e.guardian = mustGuardian(t, e.work)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func mustGuardian(t testing.TB, work string) *guardian {
	t.Helper()
	g, err := startGuardian(work, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// sandboxed is a process for a shell script in a sandbox of its own.
func (e *guardEnv) sandboxed(script string) process {
	e.t.Helper()
	e.mu.Lock()
	e.n++
	id := fmt.Sprintf("%s-%d", filepath.Base(e.work), e.n)
	e.mu.Unlock()
	return shell(e.t, e.work, id, script)
}

func shell(t testing.TB, work, id, script string) process {
	t.Helper()
	dir := filepath.Join(work, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return process{
		ID: id, Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Dir: dir,
		Env:    []string{"PATH=" + os.Getenv("PATH"), "A=1", "SANDBOX=" + dir},
		Stdout: filepath.Join(dir, "stdout"), Stderr: filepath.Join(dir, "stderr"),
	}
}

func (e *guardEnv) start(p process) <-chan processExit {
	e.t.Helper()
	exit, _, err := e.Run(p)
	if err != nil {
		e.t.Fatal(err)
	}
	return exit
}

// await waits for an exit, for at most as long as a stuck test may take.
func await(t testing.TB, exit <-chan processExit) processExit {
	t.Helper()
	select {
	case x := <-exit:
		return x
	case <-time.After(patience):
		t.Fatal("no exit")
		panic("unreachable")
	}
}

// run runs a script to its end and returns its exit and what it wrote.
func (e *guardEnv) run(script string) (processExit, string) {
	e.t.Helper()
	p := e.sandboxed(script)
	x := await(e.t, e.start(p))
	return x, read(e.t, p.Stdout)
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pidIn waits until a file holds a line with a pid and names its process.
func pidIn(t testing.TB, path string) procKey {
	t.Helper()
	var key procKey
	eventually(t, "a pid in "+path, func() bool {
		text, _ := os.ReadFile(path)
		line, _, whole := strings.Cut(string(text), "\n")
		s, err := readProc(decimal(line))
		key = s.procKey
		return whole && err == nil
	})
	return key
}

// gone tells whether a process has ended, be it waited for or not.
func gone(p procKey) bool {
	s, err := readProc(p.pid)
	return err != nil || s.procKey != p || s.zombie
}

func TestExitStatus(t *testing.T) {
	e := newGuardEnv(t)
	for _, tt := range []struct {
		script string
		exited int
		signal syscall.Signal
	}{
		{"true", 0, 0},
		{"exit 3", 3, 0},
		{"exit 255", 255, 0},
		{"kill -KILL $$", 0, syscall.SIGKILL},
		{"kill -TERM $$", 0, syscall.SIGTERM},
		{"kill -INT $$", 0, syscall.SIGINT},
		{"kill -HUP $$", 0, syscall.SIGHUP},
		{"kill -PIPE $$", 0, syscall.SIGPIPE},
		{"kill -USR1 $$", 0, syscall.SIGUSR1},
	} {
		x, _ := e.run(tt.script)
		switch s := x.Status; {
		case x.Err != nil:
			t.Errorf("%s: %v", tt.script, x.Err)
		case tt.signal != 0 && (!s.Signaled() || s.Signal() != tt.signal):
			t.Errorf("%s: status %#x, want signal %v", tt.script, s, tt.signal)
		case tt.signal == 0 && (!s.Exited() || s.ExitStatus() != tt.exited):
			t.Errorf("%s: status %#x, want exit status %d", tt.script, s, tt.exited)
		}
	}
}

func TestWhatACommandFinds(t *testing.T) {
	e := newGuardEnv(t)

	t.Run("environment", func(t *testing.T) {
		p := e.sandboxed("")
		p.Path, p.Argv = "/usr/bin/env", []string{"env"}
		p.Env = []string{"B=x=y z", "A=", "MESOS_CONTAINER_ID=box"}
		await(t, e.start(p))
		if got := read(t, p.Stdout); got != "B=x=y z\nA=\nMESOS_CONTAINER_ID=box\n" {
			t.Errorf("got %q", got)
		}
		p = e.sandboxed("")
		p.Path, p.Argv, p.Env = "/usr/bin/env", []string{"env"}, []string{"A=1"}
		await(t, e.start(p))
		if got := read(t, p.Stdout); got != "A=1\nMESOS_CONTAINER_ID="+p.ID+"\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("directory, umask, input, session", func(t *testing.T) {
		p := e.sandboxed("pwd; umask; wc -c; echo $$; cut -d' ' -f5,6 /proc/$$/stat; echo oops >&2")
		exit, pid, err := e.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		await(t, exit)
		dir, _ := filepath.EvalSymlinks(p.Dir)
		want := fmt.Sprintf("%s\n0022\n0\n%d\n%d %d\n", dir, pid, pid, pid)
		if got := read(t, p.Stdout); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := read(t, p.Stderr); got != "oops\n" {
			t.Errorf("stderr %q", got)
		}
		st, err := os.Stat(p.Stdout)
		if err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("stdout: %v, %v", st.Mode(), err)
		}
	})
	t.Run("output is appended to", func(t *testing.T) {
		p := e.sandboxed("echo two")
		if err := os.WriteFile(p.Stdout, []byte("one\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		await(t, e.start(p))
		if got := read(t, p.Stdout); got != "one\ntwo\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("only three open files", func(t *testing.T) {
		_, out := e.run("ls /proc/self/fd | tr '\\n' ' '")
		if out != "0 1 2 3 " && out != "0 1 2 " { // ls has the directory open
			t.Errorf("got %q", out)
		}
		_, out = e.run("readlink /proc/self/fd/0; grep -h flags /proc/self/fdinfo/1")
		if !strings.HasPrefix(out, "/dev/null\n") || !strings.Contains(out, "2001\n") { // O_WRONLY, O_APPEND, nothing else
			t.Errorf("got %q", out)
		}
	})
	t.Run("signals", func(t *testing.T) {
		_, out := e.run("grep -E 'SigBlk|SigIgn' /proc/self/status")
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			if _, mask, _ := strings.Cut(line, ":\t"); mask != "0000000000000000" {
				t.Error(line)
			}
		}
	})
}

func TestCannotStart(t *testing.T) {
	e := newGuardEnv(t)

	script := e.sandboxed("")
	plain := filepath.Join(script.Dir, "plain")
	if err := os.WriteFile(plain, []byte("echo $0 $1"), 0o700); err != nil {
		t.Fatal(err)
	}
	script.Path, script.Argv = plain, []string{"name", "arg"}
	if x := await(t, e.start(script)); x.Status != 0 || read(t, script.Stdout) != plain+" arg\n" {
		t.Errorf("a script without #!: %v %q", x, read(t, script.Stdout))
	}
	byName := e.sandboxed("")
	byName.Path, byName.Argv = "plain", []string{"plain", "x"}
	byName.Env = []string{"PATH=/nonexistent:" + script.Dir}
	if x := await(t, e.start(byName)); x.Status != 0 || read(t, byName.Stdout) != plain+" x\n" {
		t.Errorf("found by PATH: %v %q", x, read(t, byName.Stdout))
	}
	for path, why := range map[string]string{
		"/nonexistent/prog": "No such file or directory",
		"nosuchprog":        "No such file or directory",
		"/etc/passwd":       "Permission denied",
		"/":                 "Permission denied",
	} {
		p := e.sandboxed("")
		p.Path = path
		x := await(t, e.start(p))
		want := "Failed to execute '" + path + "': " + why
		if !x.Status.Exited() || x.Status.ExitStatus() != 1 || x.Err == nil || x.Err.Error() != want {
			t.Errorf("%s: %#x %v", path, x.Status, x.Err)
		}
		if got := read(t, p.Stderr); got != want+"\n" {
			t.Errorf("%s: stderr %q", path, got)
		}
	}
	spoil := map[string]func(p *process){
		"no directory":     func(p *process) { p.Dir = filepath.Join(p.Dir, "no") },
		"a file":           func(p *process) { p.Dir = "/etc/passwd" },
		"no argv":          func(p *process) { p.Argv = nil },
		"NUL":              func(p *process) { p.Argv[0] = "a\x00b" },
		"stdout a dir":     func(p *process) { p.Stdout = p.Dir },
		"stdout a fifo":    func(p *process) { p.Stdout = filepath.Join(p.Dir, "fifo"); _ = unix.Mkfifo(p.Stdout, 0o600) },
		"stderr a link":    func(p *process) { _ = os.Symlink("/dev/null", p.Stderr) },
		"longer than long": func(p *process) { p.Env = []string{"A=" + strings.Repeat("x", maxGuardFrame)} },
	}
	for name, f := range spoil {
		p := e.sandboxed("true")
		f(&p)
		if _, _, err := e.Run(p); err == nil {
			t.Errorf("%s: it was started", name)
		}
	}
	if x, _ := e.run("exit 4"); x.Status.ExitStatus() != 4 {
		t.Error("nothing works any more")
	}
}

func TestManyAtOnce(t *testing.T) {
	e := newGuardEnv(t)
	var all sync.WaitGroup
	for n := range 200 {
		p := e.sandboxed(fmt.Sprintf("sleep 0.1; echo %d; exit %d", n, n%7))
		all.Go(func() {
			exit, _, err := e.Run(p)
			if err != nil {
				t.Error(err)
				return
			}
			if x := <-exit; x.Err != nil || x.Status.ExitStatus() != n%7 {
				t.Errorf("%d: status %#x %v", n, x.Status, x.Err)
			}
			if out, err := os.ReadFile(p.Stdout); err != nil || string(out) != strconv.Itoa(n)+"\n" {
				t.Errorf("%d: %q %v", n, out, err)
			}
		})
	}
	all.Wait()
}

func TestSameIDTwice(t *testing.T) {
	e := newGuardEnv(t)
	p := e.sandboxed("sleep 1000")
	exit := e.start(p)
	if _, _, err := e.Run(p); err == nil {
		t.Error("started twice")
	}
	if err := e.Signal(p.ID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, exit)
	p.Argv[2] = "true"
	if x := await(t, e.start(p)); x.Status != 0 {
		t.Errorf("again: %#x", x.Status)
	}
}

func TestCloseWhileStarting(t *testing.T) {
	for range 5 {
		e := newGuardEnv(t)
		var all sync.WaitGroup
		up := make(chan struct{}, 64)
		for range 40 {
			p := e.sandboxed("setsid sleep 1000 & sleep 1000")
			all.Go(func() {
				exit, _, err := e.Run(p)
				up <- struct{}{}
				if err != nil {
					return // too late
				}
				if x := <-exit; x.Err == nil && x.Status.Signal() != syscall.SIGKILL {
					t.Errorf("status %#x", x.Status)
				}
			})
		}
		<-up
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		if err := e.Close(); err != nil {
			t.Error("twice:", err)
		}
		if _, _, err := e.Run(e.sandboxed("true")); !errors.Is(err, errGuardianClosed) {
			t.Errorf("after close: %v", err)
		}
		if left := below(e.work); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
