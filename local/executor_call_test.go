package local

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

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
