package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestNothingOutlivesItsLeader(t *testing.T) {
	e := newGuardEnv(t)
	for name, script := range map[string]string{
		"background":           `sleep 1000 & echo $! >pid`,
		"nohup":                `nohup sleep 1000 >/dev/null 2>&1 & echo $! >pid`,
		"setsid":               `setsid sh -c 'echo $$ >pid; exec sleep 1000' &`,
		"double fork":          `(setsid sh -c 'echo $$ >pid; exec sleep 1000' &)`,
		"daemon":               `(setsid sh -c 'cd /; (exec >/dev/null 2>&1; setsid sleep 1000 & echo $! >'$PWD/pid') & ' </dev/null >/dev/null 2>&1 &)`,
		"nothing inherited":    `P=$PWD; cd /; env -i setsid sh -c 'echo $$ >'$P'/pid; exec sleep 1000' >/dev/null 2>&1 & cd $P`,
		"ignores signals":      `trap '' TERM HUP INT; setsid sh -c 'trap "" TERM HUP INT; echo $$ >pid; while :; do sleep 1000; done' &`,
		"stopped":              `setsid sh -c 'echo $$ >pid; kill -STOP $$; sleep 1000' &`,
		"leader killed itself": `setsid sh -c 'echo $$ >pid; exec sleep 1000' & while [ ! -s pid ]; do sleep 0.01; done; kill -KILL $$`,
	} {
		t.Run(name, func(t *testing.T) {
			p := e.sandboxed(script + "\nwhile [ ! -s pid ]; do sleep 0.01; done; while [ ! -e go ]; do sleep 0.01; done")
			exit := e.start(p)
			left := pidIn(t, filepath.Join(p.Dir, "pid"))
			if name != "leader killed itself" && gone(left) {
				t.Fatal("it ended too early, the test shows nothing")
			}
			if err := os.WriteFile(filepath.Join(p.Dir, "go"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			await(t, exit)
			if !gone(left) {
				t.Errorf("process %d is left: %s", left.pid, cmdline(left.pid))
			}
		})
	}
}

func cmdline(pid int) string {
	line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return strings.ReplaceAll(string(line), "\x00", " ")
}

// A command that runs keeps its daemons while others come and go.
func TestDaemonLivesAsLongAsItsCommand(t *testing.T) {
	e := newGuardEnv(t)
	p := e.sandboxed(`cd /; (env -i setsid sh -c 'echo $$ >'$OLDPWD'/pid; exec sleep 1000' &); cd - >/dev/null; while [ ! -e go ]; do sleep 0.01; done`)
	exit := e.start(p)
	daemon := pidIn(t, filepath.Join(p.Dir, "pid"))
	for range 10 {
		e.run("true")
		e.run("sleep 1000 & (setsid sleep 1000 &)")
	}
	if gone(daemon) {
		t.Fatal("it was killed with another command")
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if x := await(t, exit); x.Status != 0 || !gone(daemon) {
		t.Errorf("status %#x, daemon gone: %v", x.Status, gone(daemon))
	}
}

func TestSignal(t *testing.T) {
	e := newGuardEnv(t)

	t.Run("whole tree", func(t *testing.T) {
		p := e.sandboxed(`trap 'echo leader; wait; exit 7' TERM
			(trap 'echo child; exit' TERM; echo $$ >up1; while :; do sleep 0.01; done) &
			setsid sh -c 'trap "echo far; exit" TERM; echo $$ >up2; while :; do sleep 0.01; done' &
			while :; do sleep 0.01; done`)
		exit := e.start(p)
		pidIn(t, filepath.Join(p.Dir, "up1"))
		pidIn(t, filepath.Join(p.Dir, "up2"))
		if err := e.Signal(p.ID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		x := await(t, exit)
		lines := strings.Fields(read(t, p.Stdout))
		slices.Sort(lines)
		if x.Status.ExitStatus() != 7 || !slices.Equal(lines, []string{"child", "far", "leader"}) {
			t.Errorf("status %#x, heard by %q", x.Status, lines)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		p := e.sandboxed(`echo $$ >pid; kill -STOP $$; sleep 1000`)
		exit := e.start(p)
		leader := pidIn(t, filepath.Join(p.Dir, "pid"))
		eventually(t, "it stops", func() bool {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", leader.pid))
			return strings.Contains(string(text), ") T ")
		})
		if err := e.Signal(p.ID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if x := await(t, exit); x.Status.Signal() != syscall.SIGTERM {
			t.Errorf("status %#x", x.Status)
		}
	})
	t.Run("deaf", func(t *testing.T) {
		p := e.sandboxed(`trap '' TERM; setsid sh -c 'trap "" TERM; echo $$ >pid; while :; do sleep 1; done' & while :; do sleep 1; done`)
		exit := e.start(p)
		far := pidIn(t, filepath.Join(p.Dir, "pid"))
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			if err := e.Signal(p.ID, sig); err != nil {
				t.Fatal(err)
			}
		}
		if x := await(t, exit); x.Status.Signal() != syscall.SIGKILL || !gone(far) {
			t.Errorf("status %#x, gone: %v", x.Status, gone(far))
		}
	})
	t.Run("unknown", func(t *testing.T) {
		if err := e.Signal("nobody", syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSibling is no test but a command: it makes a child that is not its own
// but its parent's, as runc does.
func TestSibling(t *testing.T) {
	kind := os.Getenv("CMDQ_TEST_SIBLING")
	if kind == "" {
		return // it is for the test below
	}
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "echo $$ >pid; exec sleep 1000"}, &syscall.ProcAttr{
		Env: os.Environ(),
		Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_PARENT, Setsid: kind == "session"},
	})
	fmt.Println(pid, err)
}

func TestSiblingOfALeader(t *testing.T) {
	e := newGuardEnv(t)
	for _, kind := range []string{"group", "session"} {
		p := e.sandboxed("")
		p.Path, p.Argv = os.Args[0], []string{os.Args[0], "-test.run=^TestSibling$"}
		p.Env = append(p.Env, "CMDQ_TEST_SIBLING="+kind)
		if x := await(t, e.start(p)); x.Status != 0 {
			t.Errorf("%s: %#x, %s", kind, x.Status, read(t, p.Stdout))
		}
		pid := decimal(strings.Fields(read(t, p.Stdout))[0])
		if pid < 2 {
			t.Fatalf("%s: no sibling: %s", kind, read(t, p.Stdout))
		}
		eventually(t, kind+": its sibling's end", func() bool { _, err := readProc(pid); return err != nil })
	}
}

// below finds the processes that have something of the directory work as
// their own or in their environment.
func below(work string) []string {
	table, _ := lookAtProcs()
	var found []string
	for pid, s := range table {
		if pid == os.Getpid() || s.zombie {
			continue
		}
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if strings.HasPrefix(cwd, work+"/") || strings.Contains(string(env), work+"/") {
			found = append(found, fmt.Sprintf("%d %s", pid, cmdline(pid)))
		}
	}
	return found
}
