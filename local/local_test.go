package local

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// fakeLauncher stands for the guardian where a test decides what it does.
type fakeLauncher struct {
	run    func(process) (<-chan processExit, int, error)
	signal func(string, syscall.Signal) error
	closed bool
}

func (l *fakeLauncher) Run(p process) (<-chan processExit, int, error) { return l.run(p) }
func (l *fakeLauncher) Signal(id string, s syscall.Signal) error       { return l.signal(id, s) }
func (l *fakeLauncher) Close() error                                   { l.closed = true; return nil }

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	for name, cfg := range map[string]Config{
		"IP": {IP: "localhost"}, "agents": {Agents: -1}, "many agents": {Agents: 1_000_000}, "port": {Port: 70000}, "resources": {Resources: "cpus"},
		"interval": {AllocationInterval: -1}, "directory": {WorkDir: file}, "taken port": {Port: taken.Addr().(*net.TCPAddr).Port},
	} {
		t.Run(name, func(t *testing.T) {
			l := &fakeLauncher{}
			cfg.launcher = l
			if cfg.WorkDir == "" {
				cfg.WorkDir = t.TempDir()
			}
			before := runtime.NumGoroutine()
			c, err := Start(cfg)
			if err == nil {
				t.Fatal("started", c.Stop(t.Context()))
			}
			if (name == "resources" || name == "taken port") && !l.closed {
				t.Error("the launcher is left running")
			}
			awaitGoroutines(t, before)
		})
	}
	if _, err := Start(Config{}); err == nil {
		t.Error("started without a work directory")
	}
}

// awaitGoroutines waits until no more goroutines run than before.
func awaitGoroutines(t *testing.T, before int) {
	t.Helper()
	if !comes(func() bool { return runtime.NumGoroutine() <= before }) {
		buf := make([]byte, 1<<16)
		t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	}
}

// TestStop ends a cluster that is busy: nothing of it is left.
func TestStop(t *testing.T) {
	before := runtime.NumGoroutine()
	work := t.TempDir()
	c, err := Start(Config{Agents: 3, WorkDir: work, Resources: "cpus:2;mem:100"})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("busy", func(t *testing.T) {
		s := subscribe(t, c, codecProtobuf, modern)
		o := s.offer()
		s.accept(0, []mesos.Offer{o}, command1("t1", o, "echo $$ > pid; mv pid there; sleep 1000"))
		s.until("t1", mesos.TASK_RUNNING)
		there := filepath.Join(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1"), "there")
		awaitFile(t, there)
		now, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Stop(now); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for range 2 {
			if err := c.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		pid, err := os.ReadFile(there)
		if err != nil {
			t.Fatal(err)
		}
		if state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline"); err == nil && strings.Contains(string(state), "sleep") {
			t.Errorf("the command still runs: %q", state)
		}
		if _, err := net.DialTimeout("tcp", c.Addr(), time.Second); err == nil {
			t.Error("the master still listens")
		}
		if c.Agents() != nil {
			t.Error("a stopped cluster lists agents")
		}
	})
	awaitGoroutines(t, before)
}

// TestLauncherFails: what the launcher cannot do ends tasks, not the agent.
func TestLauncherFails(t *testing.T) {
	exits := make(chan processExit, 1)
	l := &fakeLauncher{
		run: func(p process) (<-chan processExit, int, error) {
			if strings.Contains(p.Argv[2], "refused") {
				return nil, 0, errors.New("guardian is gone")
			}
			return exits, 42, nil
		},
		signal: func(string, syscall.Signal) error { return errors.New("no such command") },
	}
	c := startCluster(t, Config{launcher: l})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("refused", o, "refused"), command1("lost", o, "lost"))
	if all := s.until("refused", mesos.TASK_FAILED); all[1].GetReason() != mesos.REASON_CONTAINER_LAUNCH_FAILED ||
		all[1].GetMessage() != "Failed to launch container: guardian is gone" || all[1].GetSource() != mesos.SOURCE_AGENT {
		t.Errorf("%v", all)
	}
	all := s.until("lost", mesos.TASK_RUNNING)
	if pid := all[1].ContainerStatus.GetExecutorPID(); pid != 42 {
		t.Errorf("the pid is %d", pid)
	}
	exits <- processExit{Err: errors.New("guardian is gone")}
	if st := s.update("lost"); st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_EXECUTOR_TERMINATED || st.GetMessage() != "Executor terminated" {
		t.Errorf("%v", st)
	}
}

// TestKillBeforeStart: a kill that comes while the process is being started
// takes effect once it is there.
func TestKillBeforeStart(t *testing.T) {
	started, signalled, exits := make(chan struct{}), make(chan syscall.Signal, 2), make(chan processExit, 1)
	l := &fakeLauncher{
		run: func(process) (<-chan processExit, int, error) { <-started; return exits, 42, nil },
		signal: func(_ string, s syscall.Signal) error {
			signalled <- s
			if s == syscall.SIGKILL {
				exits <- processExit{Status: syscall.WaitStatus(syscall.SIGKILL)}
			}
			return nil
		},
	}
	c := startCluster(t, Config{launcher: l})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "x"))
	s.until("t1", mesos.TASK_STARTING)
	s.kill("t1", time.Hour)
	s.kill("t1", 0)
	s.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS})
	c.agents[0].box.call(func() {}) // the kills have come
	close(started)
	if all := s.until("t1", mesos.TASK_KILLED); states(all) != "RUNNING KILLING KILLED" || all[2].GetMessage() != "Command terminated with signal Killed" {
		t.Errorf("%s: %v", states(all), all[2])
	}
	if a, b := <-signalled, <-signalled; a != syscall.SIGTERM || b != syscall.SIGKILL {
		t.Errorf("signals %v, %v", a, b)
	}
}
