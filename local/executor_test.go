package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// customExecutor is the test binary as an executor, with 0.1 cpus and 32 MB.
func customExecutor(t testing.TB, id string, cdc *codec, env ...string) *mesos.ExecutorInfo {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := "json"
	if cdc.protobuf {
		name = "protobuf"
	}
	vars := &mesos.Environment{Variables: []mesos.Environment_Variable{{Name: testExecutorEnv, Value: &name}}}
	for _, v := range env {
		vars.Variables = append(vars.Variables, mesos.Environment_Variable{Name: v, Value: new("1")})
	}
	x := idleExecutor(id, "")
	x.Command = &mesos.CommandInfo{Shell: new(false), Value: &self, Environment: vars}
	return x
}

// idleExecutor is an executor that runs a shell command.
func idleExecutor(id, line string) *mesos.ExecutorInfo {
	return &mesos.ExecutorInfo{
		Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: id}, Command: &mesos.CommandInfo{Value: &line},
		Resources: []mesos.Resource{scalarResource("cpus", 0.1), scalarResource("mem", 32)},
	}
}

// taskOn is a task of an executor; data says what it does with it.
func taskOn(id string, o mesos.Offer, x *mesos.ExecutorInfo, data string) mesos.TaskInfo {
	t := command1(id, o, "")
	t.Command, t.Data = nil, []byte(data)
	own := *x
	t.Executor = &own
	return t
}

// offerWith is the first offer with so many cpus.
func (s *client) offerWith(cpus float64) mesos.Offer {
	s.t.Helper()
	var seen []float64
	for end := time.Now().Add(patience); time.Now().Before(end); {
		o := s.offer()
		if offered(o, "cpus") == cpus {
			return o
		}
		seen = append(seen, offered(o, "cpus"))
		s.decline(0, o)
	}
	s.t.Fatalf("no offer has %v cpus; the last ones had %v", cpus, seen[max(0, len(seen)-5):])
	return mesos.Offer{}
}

func (s *client) failure() *scheduler.Event_Failure {
	s.t.Helper()
	return s.wait(scheduler.Event_FAILURE, nil).Failure
}

func (s *client) message(o mesos.Offer, executorID, data string) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_MESSAGE, Message: &scheduler.Call_Message{
		AgentID: o.AgentID, ExecutorID: mesos.ExecutorID{Value: executorID}, Data: []byte(data)}})
}

func (s *client) shutdownExecutor(o mesos.Offer, executorID string) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_SHUTDOWN, Shutdown: &scheduler.Call_Shutdown{
		AgentID: o.AgentID, ExecutorID: mesos.ExecutorID{Value: executorID}}})
}

// TestCustomExecutor is the main path: one process runs several tasks, and its
// own resources are held until it is gone.
func TestCustomExecutor(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		s := subscribe(t, c, cdc, modern)
		o := s.offer()
		x := customExecutor(t, "e1", cdc)
		s.accept(0, []mesos.Offer{o}, taskOn("t1", o, x, "run"), taskOn("t2", o, x, "hold"))
		all := s.until("t1", mesos.TASK_FINISHED)
		if states(all) != "RUNNING FINISHED" {
			t.Errorf("the updates are %s", states(all))
		}
		for _, st := range all {
			if st.GetSource() != mesos.SOURCE_EXECUTOR || st.AgentID.GetValue() != o.AgentID.Value || len(st.UUID) != 16 ||
				st.GetTimestamp() == 0 || st.ContainerStatus.ContainerID.GetValue() == "" || st.ContainerStatus.NetworkInfos[0].IPAddresses[0].GetIPAddress() != "127.0.0.1" {
				t.Errorf("the update is %v", st)
			}
		}
		s.until("t2", mesos.TASK_RUNNING)
		o = s.offerWith(3.8)
		if mem := offered(o, "mem"); mem != 4096-64 || len(o.ExecutorIDs) != 1 || o.ExecutorIDs[0].Value != "e1" {
			t.Errorf("offered are mem %v, executors %v", mem, o.ExecutorIDs)
		}
		s.message(o, "e1", "hello")
		if m := s.wait(scheduler.Event_MESSAGE, nil).Message; string(m.Data) != "echo hello" || m.ExecutorID.Value != "e1" || m.AgentID.Value != o.AgentID.Value {
			t.Errorf("the message is %v", m)
		}
		s.message(o, "nobody", "lost")
		s.kill("t2", -1)
		s.until("t2", mesos.TASK_KILLED)
		s.accept(0, []mesos.Offer{o}, taskOn("t3", o, x, "run"))
		s.until("t3", mesos.TASK_FINISHED)
		s.shutdownExecutor(o, "e1")
		s.shutdownExecutor(o, "nobody")
		if f := s.failure(); f.GetStatus() != 0 || f.ExecutorID.Value != "e1" || f.AgentID.Value != o.AgentID.Value {
			t.Errorf("the failure is %v", f)
		}
		s.offerWith(4)
	})
}

// TestExecutorEnds: what is told of the tasks of an executor that ends by itself.
func TestExecutorEnds(t *testing.T) {
	tests := []struct {
		name, line string // the executor's command
		status     int32
	}{
		{"exit", "exit 5", 1280},
		{"success", "true", 0},
		{"signal", "kill -9 $$", 35072},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := startCluster(t, Config{})
			s := subscribe(t, c, codecJSON, modern)
			o := s.offer()
			x := idleExecutor("e1", tt.line)
			s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, x, ""), taskOn("t2", o, x, ""))
			if f := s.failure(); f.GetStatus() != tt.status || f.ExecutorID.GetValue() != "e1" {
				t.Errorf("the failure is %v, want status %d", f, tt.status)
			}
			for _, id := range []string{"t1", "t2"} {
				if st := s.update(id); st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_EXECUTOR_TERMINATED || st.GetSource() != mesos.SOURCE_AGENT ||
					st.GetMessage() != "Executor terminated" || len(st.UUID) != 16 || st.ExecutorID.GetValue() != "e1" || st.ContainerStatus != nil {
					t.Errorf("%s: %v", id, st)
				}
			}
		})
	}
}

// TestExecutorDies while it runs tasks, of which one has ended before.
func TestExecutorDies(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	x := customExecutor(t, "e1", codecProtobuf)
	s.accept(0, []mesos.Offer{o}, taskOn("done", o, x, "run"), taskOn("held", o, x, "hold"))
	s.until("done", mesos.TASK_FINISHED)
	s.until("held", mesos.TASK_RUNNING)
	s.message(o, "e1", "exit 3")
	if f := s.failure(); f.GetStatus() != 3<<8 {
		t.Errorf("the failure is %v", f)
	}
	st := s.peek("held")
	if st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_EXECUTOR_TERMINATED {
		t.Errorf("held: %v", st)
	}
	// Its id is taken until all is acknowledged.
	if o = s.offerWith(4); len(o.ExecutorIDs) != 0 {
		t.Errorf("the offer has executors %v", o.ExecutorIDs)
	}
	s.accept(0, []mesos.Offer{o}, taskOn("early", o, x, "run"))
	if st := s.update("early"); st.GetState() != mesos.TASK_DROPPED || st.GetReason() != mesos.REASON_EXECUTOR_TERMINATED || st.GetSource() != mesos.SOURCE_AGENT || len(st.UUID) != 16 {
		t.Errorf("early: %v", st)
	}
	s.failure()
	s.ack(st)
	o = s.offerWith(4)
	s.accept(0, []mesos.Offer{o}, taskOn("late", o, x, "run"))
	s.until("late", mesos.TASK_FINISHED)
}

// TestExecutorShutdownGrace: an executor that does not obey is killed, with all
// that it started.
func TestExecutorShutdownGrace(t *testing.T) {
	c := startCluster(t, Config{ExecutorShutdownGrace: time.Hour})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	x := customExecutor(t, "e1", codecJSON, "CMDQ_TEST_DEAF")
	x.ShutdownGracePeriod = &mesos.DurationInfo{Nanoseconds: int64(50 * time.Millisecond)}
	s.accept(0, []mesos.Offer{o}, taskOn("t1", o, x, "hold"))
	s.until("t1", mesos.TASK_RUNNING)
	s.shutdownExecutor(o, "e1")
	if f := s.failure(); f.GetStatus() != 35072 {
		t.Errorf("the failure is %v", f)
	}
	if st := s.update("t1"); st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_EXECUTOR_TERMINATED {
		t.Errorf("%v", st)
	}
}

// TestExecutorShutdownTells: an executor that obeys tells of its tasks itself.
func TestExecutorShutdownTells(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, taskOn("t1", o, customExecutor(t, "e1", codecJSON), "hold"))
	s.until("t1", mesos.TASK_RUNNING)
	s.shutdownExecutor(o, "e1")
	if st := s.update("t1"); st.GetState() != mesos.TASK_KILLED || st.GetSource() != mesos.SOURCE_EXECUTOR {
		t.Errorf("%v", st)
	}
	s.failure()
}

// TestRegistrationTimeout: an executor that does not subscribe in time is killed.
func TestRegistrationTimeout(t *testing.T) {
	c := startCluster(t, Config{ExecutorRegistrationTimeout: 50 * time.Millisecond})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, customExecutor(t, "e1", codecJSON, "CMDQ_TEST_MUTE"), "run"))
	if st := s.update("t1"); st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT ||
		st.GetMessage() != "Executor did not register within 50ms" || st.GetSource() != mesos.SOURCE_AGENT {
		t.Errorf("%v", st)
	}
	if f := s.failure(); f.GetStatus() != 35072 && f.GetStatus() != -1 {
		t.Errorf("the failure is %v", f)
	}
}

// TestMasterIsCorrected: tasks for an executor that the master takes for
// another than it is are dropped, and the master learns what is so.
func TestMasterIsCorrected(t *testing.T) {
	a := newAgentEnv(t)
	brief := frameworkBrief{id: "F", roles: []string{"*"}, capabilities: capabilities{partitionAware: true}}
	run := func(id string, launch bool) *command {
		x := idleExecutor("e1", "true")
		a.onRunOnExecutor(runOnExecutor{framework: brief, executor: x, role: "*", launch: launch,
			tasks: []*mesos.TaskInfo{{TaskID: mesos.TaskID{Value: id}, Executor: x}}})
		return a.frameworks["F"].commands[id]
	}
	f := a.framework(brief)
	dropped := func(c *command, text string) {
		t.Helper()
		if c.latest != mesos.TASK_DROPPED || c.told[0].GetReason() != mesos.REASON_EXECUTOR_TERMINATED || c.told[0].GetMessage() != text || c.told[0].ExecutorID.Value != "e1" {
			t.Errorf("told %v, want %q", c.told, text)
		}
		c.stopTimers()
	}
	dropped(run("t1", false), "No executor is expected to launch and there is none running")
	e := &agentExecutor{agent: a.agent, framework: f, info: idleExecutor("e1", "true"), state: executorRunning, tasks: map[string]*command{}, cancel: func() {}}
	f.executors["e1"] = e
	dropped(run("t2", true), "Master wants to launch executor, but one already exists")
	if e.state != executorTerminating {
		t.Error("an executor that the master does not know goes on")
	}
	dropped(run("t3", false), "Executor terminating")
	e.stopTimers()
	e.state = executorTerminated
	dropped(run("t4", false), "Executor terminated")
	dropped(run("t5", true), "Master wants to launch executor, but one already exists")
}

// TestExecutorLeavesNothing: what an executor started ends with it, whatever it did.
func TestExecutorLeavesNothing(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, idleExecutor("e1", "(setsid sleep 1000 & echo $! > pid); exit 5"), ""))
	if f := s.failure(); f.GetStatus() != 5<<8 {
		t.Errorf("the failure is %v", f)
	}
	pid, err := os.ReadFile(filepath.Join(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "e1"), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline"); err == nil && strings.Contains(string(line), "sleep") {
		t.Errorf("%q still runs", line)
	}
}
