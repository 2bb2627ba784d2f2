package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmdq/lock"
)

// nobody is a user other than root.
const nobody = 65534

// childVar asks the test binary to be something else.
const childVar = "CMDQ_WEB_TEST_CHILD"

func TestMain(m *testing.M) {
	switch what, dir, _ := strings.Cut(os.Getenv(childVar), " "); what {
	case "listen": // until standard input ends
		child(listenOnce(dir, func() { _, _ = io.Copy(io.Discard, os.Stdin) }))
	case "relay": // in turns with others, until standard input ends
		child(relay(dir))
	case "ask":
		c, err := DialControl(dir)
		if err == nil {
			var v Version
			if v, err = c.Version(context.Background()); err == nil {
				fmt.Println("version", v.Version)
			}
		}
		child(err)
	}
	os.Exit(m.Run())
}

func child(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// listenOnce answers for a directory while do does something.
func listenOnce(dir string, do func()) error {
	l, err := ListenControl(dir)
	if err != nil {
		return err
	}
	s := Serve(l, NewAPI(Config{Version: "child"}), silent())
	fmt.Println("listening")
	do()
	return s.Close()
}

// relay takes the directory whenever it is free, and answers for it for a while.
func relay(dir string) error {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return nil
		case <-time.After(time.Millisecond): // between two tries
		}
		held, err := lock.Take(dir)
		var other *lock.HeldError
		if errors.As(err, &other) {
			continue
		}
		if err == nil {
			err = listenOnce(dir, func() { <-time.After(10 * time.Millisecond) })
		}
		if err != nil {
			return err
		}
		if err := held.Release(); err != nil {
			return err
		}
	}
}

// program is a copy of this test that every user can run.
func program(t *testing.T) string {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := stateDir(t, 0)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("cp", own, filepath.Join(dir, "test")).Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "test"), 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "test")
}

// start starts a child, as another user if uid is not ours; it ends with its
// standard input.
func start(t *testing.T, path, what, dir string, uid int) (*exec.Cmd, *bufio.Reader, io.Closer) {
	t.Helper()
	c := exec.Command(path)
	c.Env = append(os.Environ(), childVar+"="+what+" "+dir)
	c.Stderr = os.Stderr
	if uid != os.Geteuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: nobody}}
	}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return c, bufio.NewReader(out), in
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(text, err)
	}
	return strings.TrimSuffix(text, "\n")
}

// TestKilled: a process that is killed leaves its socket; to others it is not
// running, and the next one takes its place.
func TestKilled(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", stateDir(t, 0))
	for _, long := range []int{0, 200} {
		dir := stateDir(t, long)
		c, out, _ := start(t, "/proc/self/exe", "listen", dir, os.Geteuid())
		if got := line(t, out); got != "listening" {
			t.Fatal(got)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // it was killed
		if _, err := os.Lstat(filepath.Join(dir, "control")); err != nil {
			t.Error("it left nothing:", err)
		}
		notRunning(t, dir)
		serveControl(t, dir, nil)
		answers(t, dir)
	}
}

// TestRelay: while processes take turns at a directory, who asks meets one of
// them or none, and nothing else.
func TestRelay(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", stateDir(t, 0))
	for _, long := range []int{0, 200} {
		dir := stateDir(t, long)
		var children []*exec.Cmd
		var inputs []io.Closer
		for range 2 {
			c, out, in := start(t, "/proc/self/exe", "relay", dir, os.Geteuid())
			children, inputs = append(children, c), append(inputs, in)
			go io.Copy(io.Discard, out)
		}
		met := map[int]int{}
		for until := time.Now().Add(patience); len(met) < 2 || met[children[0].Process.Pid] < 3; {
			if time.Now().After(until) {
				t.Fatal("met", met)
			}
			c, err := DialControl(dir)
			var v Version
			if err == nil {
				v, err = c.Version(t.Context())
			}
			if err == nil {
				met[v.PID]++
			} else if !errors.Is(err, ErrNotRunning) {
				t.Fatal(err)
			}
		}
		for i, c := range children {
			if err := inputs[i].Close(); err != nil {
				t.Error(err)
			}
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}
		for pid := range met {
			if pid != children[0].Process.Pid && pid != children[1].Process.Pid {
				t.Error("met a stranger", pid)
			}
		}
		notRunning(t, dir)
	}
}

// TestOtherUser: another user cannot connect; were the socket open to all, the
// connection would be refused, on either side.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	path := program(t)
	open := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	asks := func(dir string, uid int) string {
		t.Helper()
		c, out, _ := start(t, path, "ask", dir, uid)
		got := line(t, out)
		_ = c.Wait() // it has said how it went
		return got
	}
	dir := stateDir(t, 0)
	serveControl(t, dir, nil)
	if got := asks(dir, nobody); !strings.HasPrefix(got, "error ") || !strings.Contains(got, "permission denied") {
		t.Error("the directory is closed:", got)
	}
	open(dir, 0o755)
	if got := asks(dir, nobody); !strings.HasPrefix(got, "error ") || !strings.Contains(got, "permission denied") {
		t.Error("the socket is closed:", got)
	}
	open(filepath.Join(dir, "control"), 0o666)
	if got := asks(dir, nobody); !strings.HasPrefix(got, "error ") || !strings.Contains(got, ErrNotRunning.Error()) {
		t.Error("hung up on:", got)
	}
	answers(t, dir)

	dir = stateDir(t, 0)
	open(dir, 0o777)
	c, out, in := start(t, path, "listen", dir, nobody)
	if got := line(t, out); got != "listening" {
		t.Fatal(got)
	}
	if got := asks(dir, nobody); got != "version child" {
		t.Error("the same user:", got)
	}
	if got := asks(dir, 0); got != "version child" {
		t.Error("root:", got)
	}
	open(filepath.Join(dir, "control"), 0o666)
	if got := asks(dir, nobody-1); got != fmt.Sprintf("error control socket: the cmdq of %s is user %d's", dir, nobody) {
		t.Error("a socket of another user:", got)
	}
	if err := errors.Join(in.Close(), c.Wait()); err != nil {
		t.Error(err)
	}
}
