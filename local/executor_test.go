package local

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
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

// posing subscribes in the place of an executor, whose process only waits.
func posing(t *testing.T, c *Cluster, cdc *codec, framework, id string) (*executorConn, func(*executor.Call_Subscribe) <-chan *executor.Event) {
	x := &executorConn{url: "http://" + c.Agents()[0].Addr + "/api/v1/executor", framework: framework, id: id, codec: cdc}
	return x, func(call *executor.Call_Subscribe) <-chan *executor.Event {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		events, status, err := x.subscribe(ctx, call)
		if err != nil || status != http.StatusOK {
			t.Fatalf("subscribe: %d, %v", status, err)
		}
		return events
	}
}

// nextOf is the next event of an executor; nil when the stream has ended.
func nextOf(t *testing.T, events <-chan *executor.Event) *executor.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(patience):
		t.Fatal("no event came")
		return nil
	}
}

func wantEvent(t *testing.T, events <-chan *executor.Event, kind executor.Event_Type) *executor.Event {
	t.Helper()
	e := nextOf(t, events)
	if e == nil || e.Type != kind {
		t.Fatalf("the event is %v, want %v", e, kind)
	}
	return e
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

// TestKillBeforeDelivery: a task that its executor has not been given ends at
// the agent; the executor that was given nothing is sent away.
func TestKillBeforeDelivery(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, idleExecutor("e1", "sleep 1000"), ""))
	s.kill("t1", -1)
	if st := s.update("t1"); st.GetState() != mesos.TASK_KILLED || st.GetReason() != mesos.REASON_TASK_KILLED_DURING_LAUNCH || st.GetSource() != mesos.SOURCE_AGENT || len(st.UUID) != 16 {
		t.Errorf("%v", st)
	}
	_, subscribe := posing(t, c, codecJSON, s.id, "e1")
	events := subscribe(&executor.Call_Subscribe{})
	wantEvent(t, events, executor.Event_SHUTDOWN)
}

// TestExecutorSubscribes speaks for an executor: what it finds in its stream,
// at first and when it comes back.
func TestExecutorSubscribes(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		s := subscribe(t, c, cdc, modern)
		o := s.offer()
		x := idleExecutor("e1", "sleep 1000")
		s.accept(0, []mesos.Offer{o}, taskOn("t1", o, x, "one"), taskOn("t2", o, x, "two"), taskOn("t3", o, x, "three"))
		o = s.offer()
		conn, subscribe := posing(t, c, cdc, s.id, "e1")
		first := subscribe(&executor.Call_Subscribe{})
		e := wantEvent(t, first, executor.Event_SUBSCRIBED).Subscribed
		if e.ExecutorInfo.ExecutorID.Value != "e1" || e.FrameworkInfo.ID.GetValue() != s.id || e.AgentInfo.ID.GetValue() != o.AgentID.Value ||
			e.AgentInfo.Hostname == "" || e.ContainerID.GetValue() == "" || e.FrameworkInfo.Name != "test" {
			t.Errorf("SUBSCRIBED is %v", e)
		}
		for _, data := range []string{"one", "two", "three"} {
			if got := wantEvent(t, first, executor.Event_LAUNCH).Launch.Task; string(got.Data) != data || got.Executor.ExecutorID.Value != "e1" {
				t.Errorf("the task is %v, want %s", got, data)
			}
		}
		running := statusOf("t1", mesos.TASK_RUNNING)
		mustSend(t, conn, updateCall(running))
		if a := wantEvent(t, first, executor.Event_ACKNOWLEDGED).Acknowledged; a.TaskID.Value != "t1" || !bytes.Equal(a.UUID, running.UUID) {
			t.Errorf("ACKNOWLEDGED is %v", a)
		}
		// It comes back: it has had t2 and an update of t1 the agent knows; of
		// t3 it has never heard.
		second := subscribe(&executor.Call_Subscribe{
			UnacknowledgedTasks:   []mesos.TaskInfo{taskOn("t2", o, x, "two")},
			UnacknowledgedUpdates: []executor.Call_Update{{Status: running}, {Status: statusOf("t2", mesos.TASK_RUNNING)}},
		})
		if e := nextOf(t, first); e != nil {
			t.Errorf("the old stream goes on with %v", e)
		}
		for _, id := range []string{"t1", "t2"} {
			if a := wantEvent(t, second, executor.Event_ACKNOWLEDGED).Acknowledged; a.TaskID.Value != id {
				t.Errorf("ACKNOWLEDGED is %v, want %s", a, id)
			}
		}
		wantEvent(t, second, executor.Event_SUBSCRIBED)
		if st := s.update("t3"); st.GetState() != mesos.TASK_DROPPED || st.GetReason() != mesos.REASON_AGENT_RESTARTED {
			t.Errorf("t3: %v", st)
		}
		if st := s.update("t1"); st.GetState() != mesos.TASK_RUNNING {
			t.Errorf("t1: %v", st)
		}
		s.kill("t1", time.Minute)
		if k := wantEvent(t, second, executor.Event_KILL).Kill; k.TaskID.Value != "t1" || k.KillPolicy.GetGracePeriod().GetNanoseconds() != int64(time.Minute) {
			t.Errorf("KILL is %v", k)
		}
		s.kill("t2", -1)
		if k := wantEvent(t, second, executor.Event_KILL).Kill; k.TaskID.Value != "t2" || k.KillPolicy != nil {
			t.Errorf("KILL is %v", k)
		}
		s.message(o, "e1", "hi")
		if m := wantEvent(t, second, executor.Event_MESSAGE).Message; string(m.Data) != "hi" {
			t.Errorf("MESSAGE is %v", m)
		}
		s.accept(0, []mesos.Offer{o}, taskOn("t4", o, x, "four"))
		wantEvent(t, second, executor.Event_LAUNCH)
		s.shutdownExecutor(o, "e1")
		wantEvent(t, second, executor.Event_SHUTDOWN)
	})
}

func mustSend(t *testing.T, x *executorConn, c *executor.Call) {
	t.Helper()
	if status, text, err := x.send(c); err != nil || status != http.StatusAccepted {
		t.Fatalf("%v: %d %q, %v", c.Type, status, text, err)
	}
}

// TestExecutorUpdates: how updates of an executor go on, or do not.
func TestExecutorUpdates(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, idleExecutor("e1", "sleep 1000"), ""), taskOn("t2", o, idleExecutor("e2", "sleep 1000"), ""))
	one, subscribe1 := posing(t, c, codecJSON, s.id, "e1")
	events := subscribe1(&executor.Call_Subscribe{})
	wantEvent(t, events, executor.Event_SUBSCRIBED)
	wantEvent(t, events, executor.Event_LAUNCH)
	send := func(st mesos.TaskStatus) { t.Helper(); mustSend(t, one, updateCall(st)) }
	acknowledged := func() { t.Helper(); wantEvent(t, events, executor.Event_ACKNOWLEDGED) }

	running := statusOf("t1", mesos.TASK_RUNNING)
	running.Data, running.Labels = []byte("data"), &mesos.Labels{Labels: []mesos.Label{{Key: "k"}}}
	send(running)
	acknowledged()
	if st := s.update("t1"); string(st.Data) != "data" || len(st.Labels.GetLabels()) != 1 {
		t.Errorf("the update is %v", st)
	}
	again := running
	send(again) // once more, with the same uuid
	acknowledged()
	astray := statusOf("t1", mesos.TASK_FAILED)
	astray.AgentID = &mesos.AgentID{Value: "another"}
	send(astray)
	send(statusOf("nobody's", mesos.TASK_RUNNING))
	queued := statusOf("t2", mesos.TASK_RUNNING) // of another executor, which was not given it
	send(queued)
	acknowledged()
	send(statusOf("t1", mesos.TASK_FINISHED))
	acknowledged()
	if st := s.update("t1"); st.GetState() != mesos.TASK_FINISHED {
		t.Errorf("the update is %v", st)
	}
	send(statusOf("t1", mesos.TASK_FAILED)) // after its end
	acknowledged()
	send(statusOf("t2", mesos.TASK_FAILED)) // the end counts, even of what was not delivered
	acknowledged()
	if st := s.update("t2"); st.GetState() != mesos.TASK_FAILED || st.GetSource() != mesos.SOURCE_EXECUTOR {
		t.Errorf("the update is %v", st)
	}
	mustSend(t, one, &executor.Call{Type: executor.Call_HEARTBEAT})
	mustSend(t, one, &executor.Call{Type: executor.Call_MESSAGE, Message: &executor.Call_Message{}})
	if m := s.wait(scheduler.Event_MESSAGE, nil).Message; len(m.Data) != 0 {
		t.Errorf("the message is %v", m)
	}
}

// TestBadExecutorCalls: the order of the checks, and their answers.
func TestBadExecutorCalls(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, idleExecutor("e1", "sleep 1000"), ""))
	s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{}})
	s.peek("t1") // the launch has gone out
	good := `{"type":"UPDATE","framework_id":{"value":"` + s.id + `"},"executor_id":{"value":"e1"},"update":{"status":{"task_id":{"value":"t1"},"state":"TASK_RUNNING","source":"SOURCE_EXECUTOR","uuid":"liZnbg+lQw6ry6q2HcJahg=="}}}`
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the call", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	subscribeCall := `{"type":"SUBSCRIBE","framework_id":{"value":"` + s.id + `"},"executor_id":{"value":"e1"},"subscribe":{}}`
	tests := []struct {
		name, method, contentType, accept, body string
		status                                  int
		text                                    string
	}{
		{"method", "GET", "", "", "", 405, "method"},
		{"no type", "POST", "", "", good, 400, "Content-Type"},
		{"another type", "POST", "text/plain", "", good, 415, "Content-Type"},
		{"not JSON", "POST", "application/json", "", "{", 400, "parse"},
		{"not protobuf", "POST", "application/x-protobuf", "", "x", 400, "parse"},
		{"no call type", "POST", "application/json", "", change("UPDATE", "NONE"), 400, "'type'"},
		{"no executor", "POST", "application/json", "", change("executor_id", "x"), 400, "executor_id"},
		{"no framework", "POST", "application/json", "", change("framework_id", "x"), 400, "framework_id"},
		{"no member", "POST", "application/json", "", change("update", "x"), 400, "'update'"},
		{"no subscribe", "POST", "application/json", "", change("UPDATE", "SUBSCRIBE"), 400, "'subscribe'"},
		{"no message", "POST", "application/json", "", change("UPDATE", "MESSAGE"), 400, "'message'"},
		{"uuid", "POST", "application/json", "", change("liZnbg+lQw6ry6q2HcJahg==", "AAAA"), 400, "UUID"},
		{"no uuid", "POST", "application/json", "", change("uuid", "x"), 400, "uuid"},
		{"source", "POST", "application/json", "", change("SOURCE_EXECUTOR", "SOURCE_AGENT"), 400, "source"},
		{"no source", "POST", "application/json", "", change("source", "x"), 400, "source"},
		{"state", "POST", "application/json", "", change("TASK_RUNNING", "TASK_STAGING"), 400, "TASK_STAGING"},
		{"other executor", "POST", "application/json", "", change(`"uuid"`, `"executor_id":{"value":"e2"},"uuid"`), 400, "does not match"},
		{"accept", "POST", "application/json", "text/html", subscribeCall, 406, "application/json"},
		{"unknown framework", "POST", "application/json", "", change(s.id, "nobody"), 400, "Framework cannot be found"},
		{"unknown executor", "POST", "application/json", "", change(`"e1"`, `"e9"`), 400, "Executor cannot be found"},
		{"not subscribed", "POST", "application/json", "", good, 403, "Executor is not subscribed"},
		{"heartbeat", "POST", "application/json", "", `{"type":"HEARTBEAT","framework_id":{"value":"unused"},"executor_id":{"value":"unused"}}`, 202, ""},
	}
	for _, path := range []string{"/api/v1/executor", "/slave(1)/api/v1/executor"} {
		for _, tt := range tests {
			r, err := http.NewRequest(tt.method, "http://"+c.Agents()[0].Addr+path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			if tt.accept != "" {
				r.Header.Set("Accept", tt.accept)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text := new(bytes.Buffer)
			_, _ = text.ReadFrom(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != tt.status || !strings.Contains(text.String(), tt.text) {
				t.Errorf("%s: %d %q, want %d with %q", tt.name, resp.StatusCode, text, tt.status, tt.text)
			}
		}
	}
}

// TestExecutorCompatible: an executor that is there is not another one.
func TestExecutorCompatible(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	base := idleExecutor("e1", "sleep 1000")
	base.Command.URIs = []mesos.CommandInfo_URI{{Value: "/etc/hosts"}, {Value: "/etc/passwd"}}
	base.Command.Environment = &mesos.Environment{}
	changes := map[string]func(*mesos.ExecutorInfo){
		"command":   func(x *mesos.ExecutorInfo) { x.Command.Value = new("sleep 1001") },
		"shell":     func(x *mesos.ExecutorInfo) { x.Command.Shell = new(false) },
		"arguments": func(x *mesos.ExecutorInfo) { x.Command.Arguments = []string{"x"} },
		"uris":      func(x *mesos.ExecutorInfo) { x.Command.URIs = x.Command.URIs[:1] },
		"extract":   func(x *mesos.ExecutorInfo) { x.Command.URIs[0].Extract = new(false) },
		"variables": func(x *mesos.ExecutorInfo) {
			x.Command.Environment.Variables = []mesos.Environment_Variable{{Name: "N", Value: new("v")}}
		},
		"data":      func(x *mesos.ExecutorInfo) { x.Data = []byte("x") },
		"name":      func(x *mesos.ExecutorInfo) { x.Name = new("x") },
		"source":    func(x *mesos.ExecutorInfo) { x.Source = new("x") },
		"type":      func(x *mesos.ExecutorInfo) { x.Type = mesos.ExecutorInfo_UNKNOWN },
		"resources": func(x *mesos.ExecutorInfo) { x.Resources = x.Resources[:1] },
	}
	same := map[string]func(*mesos.ExecutorInfo){
		"labels": func(x *mesos.ExecutorInfo) { x.Labels = &mesos.Labels{Labels: []mesos.Label{{Key: "k"}}} },
		"grace":  func(x *mesos.ExecutorInfo) { x.ShutdownGracePeriod = &mesos.DurationInfo{Nanoseconds: 1} },
		"order": func(x *mesos.ExecutorInfo) {
			x.Command.URIs[0], x.Command.URIs[1] = x.Command.URIs[1], x.Command.URIs[0]
		},
		"cache":     func(x *mesos.ExecutorInfo) { x.Command.URIs[0].Cache = new(true) },
		"resources": func(x *mesos.ExecutorInfo) { slices.Reverse(x.Resources) },
	}
	variant := func(change func(*mesos.ExecutorInfo)) *mesos.ExecutorInfo {
		x := *base
		cmd, env := *base.Command, *base.Command.Environment
		cmd.URIs, cmd.Environment = slices.Clone(cmd.URIs), &env
		x.Command, x.Resources = &cmd, slices.Clone(x.Resources)
		change(&x)
		return &x
	}
	tasks := []mesos.TaskInfo{taskOn("first", o, base, "")}
	for name, change := range changes {
		tasks = append(tasks, taskOn("other-"+name, o, variant(change), ""))
	}
	for name, change := range same {
		tasks = append(tasks, taskOn("same-"+name, o, variant(change), ""))
	}
	s.accept(3600, []mesos.Offer{o}, tasks...)
	for name := range changes {
		if st := s.peek("other-" + name); st.GetState() != mesos.TASK_ERROR || st.GetReason() != mesos.REASON_TASK_INVALID ||
			!strings.HasPrefix(st.GetMessage(), "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID") {
			t.Errorf("%s: %v", name, st)
		}
	}
	s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{}})
	for name := range same {
		if st := s.peek("same-" + name); st.GetState() != mesos.TASK_STAGING || st.ExecutorID.GetValue() != "e1" {
			t.Errorf("%s: %v", name, st)
		}
	}
}

// TestExecutorErrors: executors that are no good.
func TestExecutorErrors(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	tests := []struct {
		name   string
		change func(*mesos.ExecutorInfo)
		want   string
	}{
		{"no-id", func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = "" }, "ID must not be empty"},
		{"bad-id", func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = "a/b" }, "'a/b' contains invalid characters"},
		{"no-command", func(x *mesos.ExecutorInfo) { x.Command = nil }, "'ExecutorInfo.command' must be set for 'CUSTOM' executor"},
		{"untyped", func(x *mesos.ExecutorInfo) { x.Command, x.Type = nil, mesos.ExecutorInfo_UNKNOWN }, "'ExecutorInfo.command' must be set"},
		{"default", func(x *mesos.ExecutorInfo) { x.Command, x.Type = nil, mesos.ExecutorInfo_DEFAULT }, "'ExecutorInfo.type' must be 'CUSTOM'"},
		{"default-command", func(x *mesos.ExecutorInfo) { x.Type = mesos.ExecutorInfo_DEFAULT }, "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"},
		{"grace", func(x *mesos.ExecutorInfo) { x.ShutdownGracePeriod = &mesos.DurationInfo{Nanoseconds: -1} }, "ExecutorInfo's 'shutdown_grace_period' must be non-negative"},
		{"variable", func(x *mesos.ExecutorInfo) {
			x.Command = &mesos.CommandInfo{Value: new("x"), Environment: &mesos.Environment{Variables: []mesos.Environment_Variable{{Name: "N"}}}}
		}, "Executor's `CommandInfo` is invalid"},
		{"framework", func(x *mesos.ExecutorInfo) { x.FrameworkID = &mesos.FrameworkID{Value: "F"} }, "ExecutorInfo has an invalid FrameworkID (Actual: F vs Expected: " + s.id},
		{"resources", func(x *mesos.ExecutorInfo) { x.Resources = []mesos.Resource{scalarResource("cpus", -1)} }, "Executor uses invalid resources"},
		{"roles", func(x *mesos.ExecutorInfo) {
			x.Resources = []mesos.Resource{scalarResource("cpus", 1), scalarResource("mem", 1)}
			for i, role := range []string{"a", "b"} {
				x.Resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
			}
		}, "Invalid executor resources"},
		{"large", func(x *mesos.ExecutorInfo) { x.Resources = []mesos.Resource{scalarResource("cpus", 4)} },
			"Total resources cpus:4.1;mem:32 required by task and its executor is more than available"},
		{"container", func(x *mesos.ExecutorInfo) {
			x.Container = &mesos.ContainerInfo{Type: mesos.ContainerInfo_MESOS.Enum()}
		}, "not supported yet: executor.container"},
	}
	var tasks []mesos.TaskInfo
	for _, tt := range tests {
		x := idleExecutor("e-"+tt.name, "true")
		tt.change(x)
		tasks = append(tasks, taskOn(tt.name, o, x, ""))
	}
	s.accept(3600, []mesos.Offer{o}, tasks...)
	for _, tt := range tests {
		if st := s.peek(tt.name); st.GetState() != mesos.TASK_ERROR || st.GetReason() != mesos.REASON_TASK_INVALID || !strings.HasPrefix(st.GetMessage(), tt.want) {
			t.Errorf("%s: %v %v %q, want %q", tt.name, st.GetState(), st.GetReason(), st.GetMessage(), tt.want)
		}
	}
	c.master.box.call(func() {
		if a := c.master.agents[0]; len(a.executors) != 0 || len(a.used) != 0 {
			t.Errorf("executors %v, used %v", a.executors, a.used)
		}
	})
}

// tarball is a .tgz with one file.
func tarball(t *testing.T, name, text string) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "archive.tgz")
	writeFile(t, file, buf.String())
	return file
}

// TestURIs: commands and executors find what they wanted fetched.
func TestURIs(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	archive := tarball(t, "hello.sh", "#!/bin/sh\nexit ${1-4}\n")
	uris := []mesos.CommandInfo_URI{{Value: archive}}
	o := s.offer()
	x := command1("command", o, "./hello.sh 3")
	x.Command.URIs = uris
	e := idleExecutor("e1", "./hello.sh")
	e.Command.URIs = uris
	bad := command1("bad", o, "true")
	bad.Command.URIs = []mesos.CommandInfo_URI{{Value: "file:///no/such/file"}}
	worse := idleExecutor("e2", "true")
	worse.Command.URIs = bad.Command.URIs
	s.accept(3600, []mesos.Offer{o}, x, taskOn("t1", o, e, ""), bad, taskOn("t2", o, worse, ""))
	if all := s.until("command", mesos.TASK_FAILED); all[len(all)-1].GetMessage() != "Command exited with status 3" {
		t.Errorf("%v", all)
	}
	for _, id := range []string{"bad", "t2"} {
		if st := s.update(id); st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_CONTAINER_LAUNCH_FAILED || st.GetSource() != mesos.SOURCE_AGENT ||
			!strings.HasPrefix(st.GetMessage(), "Failed to launch container: Failed to fetch all URIs for container") {
			t.Errorf("%s: %v", id, st)
		}
	}
	for range 2 {
		f := s.failure()
		if want := map[string]int32{"e1": 4 << 8, "e2": -1}[f.ExecutorID.Value]; f.GetStatus() != want {
			t.Errorf("the failure is %v, want status %d", f, want)
		}
	}
}

// hangingServer serves a file that never comes, and says when it was asked.
func hangingServer(t *testing.T, asked chan<- struct{}) string {
	t.Helper()
	l, _, err := listenOn("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return "http://" + l.Addr().String() + "/file"
}

// TestKillWhileFetching: a fetch that hangs ends with its task.
func TestKillWhileFetching(t *testing.T) {
	c := startCluster(t, Config{})
	asked := make(chan struct{}, 2)
	slow := []mesos.CommandInfo_URI{{Value: hangingServer(t, asked)}}
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	x := command1("t1", o, "true")
	x.Command.URIs = slow
	e := idleExecutor("e1", "true")
	e.Command.URIs = slow
	s.accept(3600, []mesos.Offer{o}, x, taskOn("t2", o, e, ""))
	<-asked
	<-asked
	for _, id := range []string{"t1", "t2"} {
		s.kill(id, -1)
		if st := s.update(id); st.GetState() != mesos.TASK_KILLED || st.GetReason() != mesos.REASON_TASK_KILLED_DURING_LAUNCH || st.GetSource() != mesos.SOURCE_AGENT {
			t.Errorf("%v", st)
		}
	}
	s.shutdownExecutor(o, "e1")
	if f := s.failure(); f.GetStatus() != -1 {
		t.Errorf("the failure is %v", f)
	}
}

// TestExecutorFloods: what an executor sends without end is not kept without end.
func TestExecutorFloods(t *testing.T) {
	a := newAgentEnv(t)
	a.framework(frameworkBrief{id: "F", roles: []string{"*"}})
	x := idleExecutor("e1", "sleep 1000")
	e := &agentExecutor{agent: a.agent, framework: a.frameworks["F"], info: x, state: executorRunning, tasks: map[string]*command{}, shown: &mesos.ContainerStatus{}}
	a.frameworks["F"].executors["e1"] = e
	c := a.newCommand(e.framework, runTask{task: &mesos.TaskInfo{TaskID: mesos.TaskID{Value: "t"}, Executor: x}})
	e.framework.commands["t"] = c
	e.add(c)
	c.queued = false
	acknowledged := 0
	e.stream = newStream("", codecJSON)
	for range 3 * maxPending {
		s := statusOf("t", mesos.TASK_RUNNING)
		a.onExecutorUpdate(e, &s)
	}
	frames, _ := e.stream.take()
	acknowledged += len(frames)
	if len(c.pending) != maxPending || acknowledged != maxPending {
		t.Errorf("%d updates wait, %d were acknowledged to the executor", len(c.pending), acknowledged)
	}
	for range 3 * maxPending {
		a.onAck(ackUpdate{framework: "F", task: "t", uuid: c.pending[0].UUID})
		s := statusOf("t", mesos.TASK_RUNNING)
		a.onExecutorUpdate(e, &s)
	}
	if n := len(c.told); n > maxPending+keptTold {
		t.Errorf("%d updates are kept", n)
	}
	end := statusOf("t", mesos.TASK_FINISHED)
	a.onExecutorUpdate(e, &end)
	if len(c.pending) != maxPending+1 || !c.ended {
		t.Errorf("the end is lost: %d updates wait", len(c.pending))
	}
	c.stopTimers()
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
