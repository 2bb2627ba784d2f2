package executor

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// prepareIn prepares a command in a sandbox and returns what came of it.
func prepareIn(t *testing.T, sandbox string, j *job) prepared {
	t.Helper()
	events := make(chan event, 1)
	w := newWorkshop(Config{Sandbox: sandbox}, func(ev event) { events <- ev })
	w.prepare(j)
	ev := (<-events).(prepared)
	w.close()
	return ev
}

func TestPrepare(t *testing.T) {
	t.Setenv(tokenVariable, "secret")
	t.Setenv("PATH", "/bin")
	t.Setenv("KEEP", "this")
	sandbox := t.TempDir()
	file := write(t, "file", []byte("text"), 0o644)
	j := &job{id: "a.1", command: &Command{Command: "x", Env: map[string]string{"PATH": "/own", directoryVariable: "/elsewhere"},
		Files: []CommandFile{{URL: file, Name: "bin/tool", Executable: true}}}}
	if ev := prepareIn(t, sandbox, j); ev.err != nil || ev.job.id != "a.1" {
		t.Fatal(ev)
	}
	dir := filepath.Join(sandbox, "tasks/a.1")
	for _, v := range []string{"PATH=/own", "KEEP=this", "MESOS_SANDBOX=" + dir, directoryVariable + "=" + dir} {
		if !slices.Contains(j.env, v) {
			t.Errorf("no %s in the environment", v)
		}
	}
	for _, v := range j.env {
		if strings.Contains(v, "secret") || v == "PATH=/bin" || strings.HasSuffix(v, "/elsewhere") {
			t.Errorf("%s is in the environment", v)
		}
	}
	for name, mode := range map[string]fs.FileMode{"stdout": 0o640, "stderr": 0o640, "bin/tool": 0o755} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// TestPrepareStaysInside: what lies in the sandbox leads nowhere else.
func TestPrepareStaysInside(t *testing.T) {
	outside := t.TempDir()
	for _, trap := range []string{"tasks", "tasks/a", "tasks/a/stdout"} {
		sandbox := t.TempDir()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(sandbox, trap)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(outside, "x"), filepath.Join(sandbox, trap)); err != nil {
			t.Fatal(err)
		}
		if ev := prepareIn(t, sandbox, &job{id: "a", command: &Command{Command: "x"}}); ev.err == nil {
			t.Errorf("a link at %s was followed", trap)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside there is %v, %v", left, err)
	}
}

// TestPrepareAbandoned: a download ends when nobody wants it any more.
func TestPrepareAbandoned(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	events := make(chan event, 1)
	w := newWorkshop(Config{Sandbox: t.TempDir()}, func(ev event) { events <- ev })
	for range fetchesAtOnce {
		w.slots <- struct{}{} // all are busy
	}
	j := &job{id: "a", command: &Command{Command: "x", URIs: []CommandURI{{Value: fifo}}}}
	w.prepare(j)
	w.abandon(j)
	if ev := (<-events).(prepared); ev.err == nil || ev.fault {
		t.Errorf("it came to %v", ev)
	}
	w.close()
}

// TestPrepareMany: tasks that wait for others to fetch hold no descriptors.
func TestPrepareMany(t *testing.T) {
	const many = 1000
	sandbox, file := t.TempDir(), write(t, "file", nil, 0o644)
	events := make(chan event, many)
	w := newWorkshop(Config{Sandbox: sandbox}, func(ev event) { events <- ev })
	defer w.close()
	for range fetchesAtOnce {
		w.slots <- struct{}{} // all are busy
	}
	before := descriptors(t)
	for i := range many {
		w.prepare(&job{id: strconv.Itoa(i), command: &Command{Command: "x", URIs: []CommandURI{{Value: file}}}})
	}
	deadline := time.Now().Add(20 * time.Second)
	for made := 0; made < many; {
		outputs, err := filepath.Glob(filepath.Join(sandbox, "tasks/*/stderr"))
		if made = len(outputs); err != nil || time.Now().After(deadline) {
			t.Fatalf("%d of %d have a directory: %v", made, many, err)
		}
		if n := descriptors(t) - before; n > 4*roomsAtOnce {
			t.Fatalf("%d descriptors are open", n)
		}
	}
	for len(w.rooms) > 0 { // a room is left a moment after its directory is there, which nobody tells
		if time.Now().After(deadline) {
			t.Fatalf("%d still make their directories", len(w.rooms))
		}
		runtime.Gosched()
	}
	if n := descriptors(t) - before; n > 10 { // the tests before leave some connections
		t.Errorf("%d descriptors are open while all wait", n)
	}
	for range fetchesAtOnce {
		<-w.slots
	}
	for range many {
		if ev := (<-events).(prepared); ev.err != nil {
			t.Fatal(ev.err)
		}
	}
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// TestIdentity: only root runs commands of others.
func TestIdentity(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if as, err := identity(me.Username); as != nil || err != nil {
		t.Errorf("ourselves: %v, %v", as, err)
	}
	if _, err := identity("no-such-user"); err == nil {
		t.Error("nobody has that name")
	}
	other := "root"
	if os.Geteuid() == 0 {
		other = "nobody"
	}
	u, err := user.Lookup(other)
	if err != nil {
		t.Skipf("this machine has no other user to be: %v", err)
	}
	as, err := identity(other)
	t.Run("another user", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("only who is not root is refused that")
		}
		if err == nil || !strings.Contains(err.Error(), "not root") {
			t.Errorf("as %s: %v, %v", other, as, err)
		}
	})
	t.Run("another user's room", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root runs commands of others")
		}
		if err != nil {
			t.Fatal(err)
		}
		checkRoomOf(t, u, as)
	})
}

// checkRoomOf prepares a command of another user.
func checkRoomOf(t *testing.T, u *user.User, as *syscall.Credential) {
	t.Helper()
	sandbox := t.TempDir()
	j := &job{id: "a", command: &Command{Command: "x", User: u.Username, Files: []CommandFile{{URL: write(t, "f", nil, 0o644), Name: "d/f"}}}}
	if ev := prepareIn(t, sandbox, j); ev.err != nil {
		t.Fatal(ev)
	}
	for name, owner := range map[string]uint32{"": 0, "tasks": 0, "tasks/a": as.Uid, "tasks/a/stdout": as.Uid, "tasks/a/d/f": as.Uid} {
		info, err := os.Stat(filepath.Join(sandbox, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != owner {
			t.Errorf("%q is %d's", name, uid)
		}
		if info.IsDir() && owner == 0 && info.Mode().Perm()&0o011 != 0o011 {
			t.Errorf("%s does not get through %q: %v", u.Username, name, info.Mode())
		}
	}
	if ev := prepareIn(t, sandbox, &job{id: "a", command: j.command}); ev.err == nil {
		t.Error("a directory of another user was used again")
	}
}
