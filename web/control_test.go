package web

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stateDir is a directory whose path has at least so many bytes.
func stateDir(t testing.TB, long int) string {
	t.Helper()
	top, err := os.MkdirTemp("", "web") // short; t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	dir := top
	for len(dir) < long {
		dir = filepath.Join(dir, strings.Repeat("d", min(100, max(1, long-len(dir)-1))))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serveControl answers on the control socket of a directory.
func serveControl(t *testing.T, dir string, logs Logs) *Server {
	t.Helper()
	l, err := ListenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, NewAPI(Config{Version: "v1.2.3", Logs: logs}), silent())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// answers checks that it is this process that answers for a directory.
func answers(t *testing.T, dir string) {
	t.Helper()
	c, err := DialControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v != (Version{"v1.2.3", os.Getpid(), true}) {
		t.Fatal(v, err)
	}
}

func notRunning(t *testing.T, dir string) {
	t.Helper()
	if _, err := DialControl(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody listens, and the error is %v", err)
	}
}

// TestControl: however a directory is called, and wherever its socket is, both
// sides find it, and nothing stays behind.
func TestControl(t *testing.T) {
	for _, long := range []int{0, maxSocketPath - len("/control"), maxSocketPath - len("/control") + 1, 107, 108, 250, 2000} {
		for _, runtime := range []string{"", "dir", "open", "gone", "relative", "long"} {
			t.Run(strconv.Itoa(long)+runtime, func(t *testing.T) {
				dir := stateDir(t, long)
				t.Setenv("TMPDIR", stateDir(t, 0))
				in := map[string]string{"dir": stateDir(t, 0), "open": stateDir(t, 0), "gone": "/none", "relative": ".", "long": stateDir(t, 100)}[runtime]
				if runtime == "open" {
					if err := os.Chmod(in, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				t.Setenv("XDG_RUNTIME_DIR", in)
				s := serveControl(t, dir, nil)
				name := filepath.Join(dir, "control")
				at, err := followLink(name)
				if err != nil {
					t.Fatal(err)
				}
				want := dir
				if len(name) > maxSocketPath {
					want = filepath.Join(os.TempDir(), "cmdq-"+strconv.Itoa(os.Geteuid()))
					if runtime == "dir" {
						want = in
					}
				}
				info, err := os.Lstat(at)
				if err != nil || info.Mode() != fs.ModeSocket|0o600 || filepath.Dir(at) != want {
					t.Errorf("the socket is %s, %v, %v; want it in %s", at, info.Mode(), err, want)
				}
				answers(t, dir)
				other := stateDir(t, 200) + "/link"
				t.Setenv("XDG_RUNTIME_DIR", "/elsewhere")
				t.Setenv("TMPDIR", "/elsewhere")
				answers(t, dir)
				if err := os.Symlink(dir, other); err != nil {
					t.Fatal(err)
				}
				answers(t, other)
				t.Chdir(dir)
				answers(t, ".")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				notRunning(t, dir)
				for _, gone := range []string{at, name} {
					if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s stayed behind: %v", gone, err)
					}
				}
			})
		}
	}
}

// TestBornClosed: the socket is never open to others, whatever the umask.
func TestBornClosed(t *testing.T) {
	at := filepath.Join(stateDir(t, 0), "s")
	old := unix.Umask(0)
	l, err := bind(at)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(at); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Error(info.Mode(), err)
	}
}

// TestStrangeUmask: one that takes our own permissions away.
func TestStrangeUmask(t *testing.T) {
	dir := stateDir(t, 0)
	old := unix.Umask(0o777)
	l, err := ListenControl(dir)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(filepath.Join(dir, "control")); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Error(info.Mode(), err)
	}
}

// abandoned is what a process that was killed leaves: a socket that nobody
// listens on.
func abandoned(t *testing.T, at string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStale: what a process that was killed has left is in nobody's way.
func TestStale(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", stateDir(t, 0))
	short, long := stateDir(t, 0), stateDir(t, 200)
	in, err := shortPath(filepath.Join(long, "control"))
	if err != nil {
		t.Fatal(err)
	}
	link := func(to, dir string) {
		if err := os.Symlink(to, filepath.Join(dir, "control")); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, dir string
		leave     func()
	}{
		{"socket", short, func() { abandoned(t, filepath.Join(short, "control")) }},
		{"link to nothing", short, func() { link("/none/control", short) }},
		{"link to itself", short, func() { link("control", short) }},
		{"link and socket", long, func() { abandoned(t, in); link(in, long) }},
		{"link alone", long, func() { link(in, long) }},
		{"socket alone", long, func() { abandoned(t, in) }},
		{"link elsewhere", long, func() { link("/none", long) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.leave()
			if tt.name != "link to itself" {
				notRunning(t, tt.dir)
			}
			s := serveControl(t, tt.dir, nil)
			answers(t, tt.dir)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			notRunning(t, tt.dir)
		})
	}
	notRunning(t, filepath.Join(short, "none"))
	notRunning(t, put(t, short, "file", ""))
}

// TestInTheWay: what is no socket is not removed for one.
func TestInTheWay(t *testing.T) {
	dir := stateDir(t, 0)
	file := put(t, dir, "control", "precious")
	if _, err := ListenControl(dir); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Error(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Error(string(text), err)
	}
	notRunning(t, dir)
	if _, err := ListenControl(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there")
	}
}

// TestShortPathIsOurs: a place that others can get at is not used.
func TestShortPathIsOurs(t *testing.T) {
	own := "cmdq-" + strconv.Itoa(os.Geteuid())
	tests := map[string]func(tmp string) error{
		"open to others": func(tmp string) error { return errors.Join(os.Mkdir(tmp+"/"+own, 0o700), os.Chmod(tmp+"/"+own, 0o770)) },
		"link":           func(tmp string) error { return os.Symlink(stateDir(t, 0), tmp+"/"+own) },
		"file":           func(tmp string) error { return os.WriteFile(tmp+"/"+own, nil, 0o600) },
		"another user's": func(tmp string) error {
			return errors.Join(os.Mkdir(tmp+"/"+own, 0o700), os.Chown(tmp+"/"+own, nobody, nobody))
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			if name == "another user's" && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			tmp, dir := stateDir(t, 0), stateDir(t, 200)
			t.Setenv("TMPDIR", tmp)
			t.Setenv("XDG_RUNTIME_DIR", "")
			if err := prepare(tmp); err != nil {
				t.Fatal(err)
			}
			if _, err := ListenControl(dir); err == nil || !strings.Contains(err.Error(), "XDG_RUNTIME_DIR") {
				t.Error(err)
			}
		})
	}
	t.Setenv("TMPDIR", stateDir(t, 100))
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := ListenControl(stateDir(t, 200)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

// TestEndsMeanwhile: a cmdq that ends between two requests is not running any
// more.
func TestEndsMeanwhile(t *testing.T) {
	dir := stateDir(t, 0)
	s := serveControl(t, dir, nil)
	c, err := DialControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(context.Background()); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
	if _, err := c.Log(context.Background(), LogRequest{Task: "a"}); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
}
