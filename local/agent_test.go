package local

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// agentEnv is an agent whose goroutine does not run: the test calls it, and
// reads what it tells the master.
type agentEnv struct {
	*agent
	t      *testing.T
	master *master
}

func newAgentEnv(t *testing.T) *agentEnv {
	t.Helper()
	cfg := Config{WorkDir: t.TempDir()}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	e := &agentEnv{t: t, master: newMaster(netip.MustParseAddrPort("127.0.0.1:5050"), &cfg)}
	e.agent = newAgent(netip.MustParseAddrPort("127.0.0.1:5051"), cfg.WorkDir, mustResources(t, "cpus:1"), &cfg, nil)
	e.line = &line{master: &master{box: newMailbox()}, agent: e.agent}
	e.onMessage(registered{id: "A"})
	e.now = time.Now()
	return e
}

// add is a task that has come but is not prepared.
func (e *agentEnv) add(id string) *command {
	f := e.frameworks["F"]
	if f == nil {
		f = &agentFramework{brief: frameworkBrief{id: "F", roles: []string{"*"}, capabilities: capabilities{partitionAware: true, killing: true}}, commands: map[string]*command{}}
		e.frameworks["F"] = f
	}
	c := e.newCommand(f, runTask{task: &mesos.TaskInfo{TaskID: mesos.TaskID{Value: id}, Command: &mesos.CommandInfo{Value: new("true")}}})
	f.commands[id] = c
	return c
}

func TestKilledDuringLaunch(t *testing.T) {
	e := newAgentEnv(t)
	c := e.add("t1")
	e.onKill(killTask{framework: "F", task: "t1"})
	e.onKill(killTask{framework: "F", task: "unknown"})
	e.onPrepared(c, nil)
	if len(c.told) != 1 || c.told[0].GetState() != mesos.TASK_KILLED || c.told[0].GetReason() != mesos.REASON_TASK_KILLED_DURING_LAUNCH ||
		c.told[0].GetSource() != mesos.SOURCE_AGENT || len(c.told[0].UUID) != 16 {
		t.Errorf("told %v", c.told)
	}
	e.onAck(ackUpdate{framework: "F", task: "t1", uuid: c.told[0].UUID})
	if f := e.frameworks["F"]; len(f.commands) != 0 || len(f.done) != 1 {
		t.Error("an acknowledged end is not the end")
	}
}

// TestShutdownWhilePreparing: nothing is told of a framework that is gone, and
// nothing of it is kept but its record.
func TestShutdownWhilePreparing(t *testing.T) {
	e := newAgentEnv(t)
	preparing, refused, ended := e.add("preparing"), e.add("refused"), e.add("ended")
	reason := mesos.REASON_GC_ERROR
	e.update(ended, ended.status(mesos.TASK_DROPPED, mesos.SOURCE_AGENT, &reason, ""))
	e.onShutdown("F")
	e.onShutdown("unknown")
	e.onPrepared(preparing, nil)
	e.onNotStarted(refused, errNotFile)
	if len(preparing.told)+len(refused.told) != 0 {
		t.Errorf("told %v %v", preparing.told, refused.told)
	}
	if len(e.frameworks) != 0 || len(e.completed) != 1 || len(e.completed[0].done) != 3 {
		t.Errorf("%d frameworks, completed %v", len(e.frameworks), e.completed)
	}
}

// TestKeepsLittle: what has ended is kept up to Mesos' bounds.
func TestKeepsLittle(t *testing.T) {
	e := newAgentEnv(t)
	for range keptExecutors + 10 {
		c := e.add("t")
		c.ended = true
		e.complete(c)
	}
	if n := len(e.frameworks["F"].done); n != keptExecutors {
		t.Errorf("%d executors are kept", n)
	}
	for range keptAgentFrameworks + 5 {
		e.add("t").ended = true
		e.onShutdown("F")
	}
	if n := len(e.completed); n != keptAgentFrameworks {
		t.Errorf("%d frameworks are kept", n)
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		5 * time.Second: "5secs", 15 * time.Minute: "15mins", 250 * time.Millisecond: "250ms", 90 * time.Second: "90secs", 0: "0ns",
		14 * 24 * time.Hour: "2weeks", 1500: "1500ns",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for status, want := range map[int]string{
		0: "exited with status 0", 0x300: "exited with status 3", 9: "terminated with signal Killed", 15: "terminated with signal Terminated",
		11 | 0x80: "terminated with signal Segmentation fault (core dumped)", 34: "terminated with signal Real-time signal 0", 32: "terminated with signal Unknown signal 32",
	} {
		if got := describe(syscall.WaitStatus(status)); got != want {
			t.Errorf("%#x is %q, want %q", status, got, want)
		}
	}
}
