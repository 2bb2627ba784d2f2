package local

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// forgetful is a framework that does not checkpoint.
func forgetful() mesos.FrameworkInfo {
	info := modern
	info.Checkpoint = nil
	return info
}

// chaosCluster is a cluster that notices within a second what is done to it,
// and whose processes the test can wait for.
func chaosCluster(t *testing.T, agents int) (*Cluster, *exitWatch) {
	t.Helper()
	work := t.TempDir()
	g, err := startGuardian(work, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ends := &exitWatch{launcher: g, gone: map[string]chan struct{}{}}
	return startCluster(t, Config{
		Agents: agents, WorkDir: work, Chaos: true, launcher: ends, AgentPingTimeout: 200 * time.Millisecond,
		timing: timing{backoff: 10 * time.Millisecond, reregistration: 20 * time.Millisecond},
	}), ends
}

// upTo takes events up to the first that fits, without acknowledging any.
func (s *client) upTo(kind scheduler.Event_Type) []*scheduler.Event {
	s.t.Helper()
	list := s.stash
	s.stash = nil
	for {
		for i, e := range list {
			if e.Type == kind {
				s.stash = list[i+1:]
				return list[:i+1]
			}
		}
		e := s.next()
		if e == nil {
			s.t.Fatalf("the stream ended without %v", kind)
		}
		list = append(list, e)
	}
}

// eitherOffered waits until one of two frameworks has an offer, which stays to be
// taken, and returns that one.
func eitherOffered(a, b *client) *client {
	a.t.Helper()
	late := time.After(patience)
	for {
		for _, x := range []*client{a, b} {
			if slices.ContainsFunc(x.stash, func(e *scheduler.Event) bool { return e.Type == scheduler.Event_OFFERS }) {
				return x
			}
		}
		var to *client
		var e *scheduler.Event
		select {
		case e = <-a.events:
			to = a
		case e = <-b.events:
			to = b
		case <-late:
			a.t.Fatal("no offer came")
		}
		if e == nil {
			a.t.Fatal("a stream ended without an offer")
		}
		to.stash = append(to.stash, e)
	}
}

// TestUnreachableInOrder: frameworks hear of the tasks of an agent that is
// lost, then of its offers, then of the agent.
func TestUnreachableInOrder(t *testing.T) {
	c, _ := chaosCluster(t, 1)
	s, other := subscribe(t, c, codecProtobuf, modern), subscribe(t, c, codecJSON, plain)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"), command1("t2", o, "sleep 1000"))
	for _, id := range []string{"t1", "t2"} {
		s.until(id, mesos.TASK_RUNNING)
	}
	s.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
	holder := eitherOffered(s, other) // the rest
	if err := c.HangAgent(0); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range s.upTo(scheduler.Event_FAILURE) {
		switch e.Type {
		case scheduler.Event_UPDATE:
			kinds = append(kinds, e.Update.Status.TaskID.Value)
			if st := e.Update.Status; st.GetState() != mesos.TASK_UNREACHABLE || st.UnreachableTime == nil || len(st.UUID) > 0 {
				t.Errorf("%v", st)
			}
		case scheduler.Event_RESCIND, scheduler.Event_FAILURE:
			kinds = append(kinds, e.Type.String())
		}
	}
	want := []string{"t1", "t2", "FAILURE"}
	if holder == s {
		want = []string{"t1", "t2", "RESCIND", "FAILURE"}
	} else {
		other.wait(scheduler.Event_RESCIND, nil)
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("the events are %v, want %v", kinds, want)
	}
	if e := other.wait(scheduler.Event_FAILURE, nil).Failure; e.AgentID.Value != o.AgentID.Value || e.ExecutorID != nil {
		t.Errorf("FAILURE is %v", e)
	}
	state := get[map[string]any](t, "http://"+c.Addr()+"/state")
	if state["unreachable_slaves"] != 1.0 || state["activated_slaves"] != 0.0 {
		t.Errorf("unreachable %v, activated %v", state["unreachable_slaves"], state["activated_slaves"])
	}
	if n := get[map[string]float64](t, "http://"+c.Addr()+"/metrics/snapshot")["master/tasks_unreachable"]; n != 2 {
		t.Errorf("%v tasks are unreachable", n)
	}
	if err := c.ResumeAgent(0); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"t1", "t2"} {
		if st := s.update(id); st.GetState() != mesos.TASK_RUNNING || st.GetReason() != mesos.REASON_AGENT_REREGISTERED || st.ContainerStatus == nil {
			t.Errorf("%v", st)
		}
	}
}

// TestKilledAgentOfForgetful: without checkpoint, tasks are LOST as soon as the
// agent is, and what they run ends; others go on.
func TestKilledAgentOfForgetful(t *testing.T) {
	c, ends := chaosCluster(t, 1)
	lost, kept := subscribe(t, c, codecProtobuf, forgetful()), subscribe(t, c, codecProtobuf, modern)
	o := lost.offer()
	lost.accept(0, []mesos.Offer{o}, command1("lost", o, "trap '' TERM; while :; do sleep 1000; done"))
	lost.until("lost", mesos.TASK_RUNNING)
	lost.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS})
	o = kept.offer()
	gate := newGate(t, 0)
	kept.accept(0, []mesos.Offer{o}, command1("kept", o, "read line < '"+gate.path+"'"))
	kept.until("kept", mesos.TASK_RUNNING)
	if err := c.KillAgent(0); err != nil {
		t.Fatal(err)
	}
	if st := lost.update("lost"); st.GetState() != mesos.TASK_LOST || st.GetReason() != mesos.REASON_AGENT_DISCONNECTED ||
		st.GetMessage() != "Agent 127.0.0.1 disconnected" || len(st.UUID) > 0 {
		t.Errorf("%v", st)
	}
	ends.await(t, "lost") // by SIGKILL: it ignores SIGTERM
	if _, err := http.Get("http://" + c.agents[0].addr.String() + "/health"); err == nil {
		t.Error("a dead agent answers")
	}
	if err := c.StartAgent(0, false); err != nil {
		t.Fatal(err)
	}
	if _, err := gate.file.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	kept.until("kept", mesos.TASK_FINISHED)
	if id := c.Agents()[0].ID; id != o.AgentID.Value {
		t.Errorf("the agent is %s and was %s", id, o.AgentID.Value)
	}
}

// TestStartAnew: an agent without its directory gets a new id; its tasks are
// LOST, and end.
func TestStartAnew(t *testing.T) {
	c, ends := chaosCluster(t, 2)
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	i, err := c.FindAgent(o.AgentID.Value)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{c.KillAgent(i), c.StartAgent(i, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if st := s.update("t1"); st.GetState() != mesos.TASK_LOST || st.GetReason() != mesos.REASON_AGENT_REMOVED ||
		st.GetMessage() != "Agent 127.0.0.1 removed: a new agent registered at the same address" {
		t.Errorf("%v", st)
	}
	s.wait(scheduler.Event_FAILURE, nil)
	ends.await(t, "t1")
	s.wait(scheduler.Event_OFFERS, func(e *scheduler.Event) bool {
		return strings.HasSuffix(e.Offers.Offers[0].AgentID.Value, "-S2")
	})
	if _, err := c.FindAgent(o.AgentID.Value); err == nil {
		t.Error("the old id is still there")
	}
}

// TestGone: an agent that is marked gone does not come back, and its tasks are
// gone by operator.
func TestGone(t *testing.T) {
	c, ends := chaosCluster(t, 1)
	s, old := subscribe(t, c, codecProtobuf, modern), subscribe(t, c, codecProtobuf, plain)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	s.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS})
	o = old.offer()
	old.accept(0, []mesos.Offer{o}, command1("t2", o, "sleep 1000"))
	old.until("t2", mesos.TASK_RUNNING)
	if err := c.MarkAgentGone(0); err != nil {
		t.Fatal(err)
	}
	if st := s.update("t1"); st.GetState() != mesos.TASK_GONE_BY_OPERATOR || st.GetReason() != mesos.REASON_AGENT_REMOVED_BY_OPERATOR || st.UnreachableTime != nil {
		t.Errorf("%v", st)
	}
	if st := old.update("t2"); st.GetState() != mesos.TASK_LOST || st.GetReason() != mesos.REASON_AGENT_REMOVED {
		t.Errorf("%v", st)
	}
	ends.await(t, "t1")
	ends.await(t, "t2")
	s.reconcile("t1", &o.AgentID)
	if st := s.update("t1"); st.GetState() != mesos.TASK_GONE_BY_OPERATOR || st.GetReason() != mesos.REASON_RECONCILIATION {
		t.Errorf("%v", st)
	}
	var fault *FaultError
	if err := c.KillAgent(0); err != nil {
		t.Error(err)
	}
	if err := c.MarkAgentGone(0); err != nil && !(errors.As(err, &fault) && fault.Known) {
		t.Error(err)
	}
}

func (s *client) reconcile(task string, agent *mesos.AgentID) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{
		Tasks: []scheduler.Call_Reconcile_Task{{TaskID: mesos.TaskID{Value: task}, AgentID: agent}}}})
}

// TestMasterForgets: a new master knows its agents, and of frameworks only what
// they have on agents.
func TestMasterForgets(t *testing.T) {
	c, _ := chaosCluster(t, 1)
	torn := subscribe(t, c, codecProtobuf, modern)
	torn.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	torn.closed()
	info := modern
	info.ID = &mesos.FrameworkID{Value: torn.id}
	if e := subscribe(t, c, codecProtobuf, info).closed(); e.Type != scheduler.Event_ERROR {
		t.Fatalf("a framework that was torn down is back: %v", e)
	}
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	c.agents[0].box.call(func() {}) // the acknowledgement has come
	if err := c.HangAgent(0); err != nil {
		t.Fatal(err)
	}
	was := get[map[string]any](t, "http://"+c.Addr()+"/state")["id"]
	if err := c.RestartMaster(); err != nil {
		t.Fatal(err)
	}
	s.closed()
	http.DefaultClient.CloseIdleConnections()
	state := get[map[string]any](t, "http://"+c.Addr()+"/state")
	if recovered := state["recovered_slaves"].([]any); state["id"] == was || len(recovered) != 1 || len(state["frameworks"].([]any)) != 0 {
		t.Errorf("the new master's state is %v", state)
	}
	if again := subscribe(t, c, codecProtobuf, info); again.id != torn.id {
		t.Error("the new master remembers who was torn down")
	}
	if err := c.ResumeAgent(0); err != nil {
		t.Fatal(err)
	}
	again := func() (frameworks []any) {
		return get[map[string]any](t, "http://"+c.Addr()+"/frameworks?framework_id="+s.id)["frameworks"].([]any)
	}
	eventually(t, "the framework, which the agent brings", func() bool { return len(again()) > 0 })
	if f := again()[0].(map[string]any); f["recovered"] != true || f["connected"] != false || len(f["tasks"].([]any)) != 1 {
		t.Errorf("the recovered framework is %v", f)
	}
	if status := s.tryCall(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != http.StatusForbidden {
		t.Errorf("a call of a framework that has not come back: %d", status)
	}
	info.ID = &mesos.FrameworkID{Value: s.id}
	back := subscribe(t, c, codecProtobuf, info)
	back.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{}})
	if st := back.update("t1"); st.GetState() != mesos.TASK_RUNNING || st.GetReason() != mesos.REASON_RECONCILIATION || st.GetAgentID().GetValue() != o.AgentID.Value {
		t.Errorf("%v", st)
	}
	back.kill("t1", 0)
	for {
		if st := back.update("t1"); st.GetState() == mesos.TASK_KILLED {
			break
		}
	}
}

// TestShutdownWhileAway: a framework that is removed while an agent is dead is
// ended there when it comes back.
func TestShutdownWhileAway(t *testing.T) {
	c, ends := chaosCluster(t, 1)
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	if err := c.KillAgent(0); err != nil {
		t.Fatal(err)
	}
	s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	s.closed()
	if err := c.StartAgent(0, false); err != nil {
		t.Fatal(err)
	}
	ends.await(t, "t1")
}

// TestKillWhileAway: a KILL that a dead agent could not hear takes effect when
// it comes back.
func TestKillWhileAway(t *testing.T) {
	c, _ := chaosCluster(t, 1)
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(600, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	if err := c.KillAgent(0); err != nil {
		t.Fatal(err)
	}
	s.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS})
	c.master.box.call(func() {}) // the break is known
	s.kill("t1", 0)
	if err := c.StartAgent(0, false); err != nil {
		t.Fatal(err)
	}
	for {
		if st := s.update("t1"); st.GetState() == mesos.TASK_KILLED {
			break
		}
	}
}

// TestGraceEndsWhileHung: SIGKILL after the grace is not the agent's to give.
func TestGraceEndsWhileHung(t *testing.T) {
	c, ends := chaosCluster(t, 1)
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(600, []mesos.Offer{o}, command1("t1", o, "trap 'touch there' TERM; touch ready; while :; do sleep 0.01; done"))
	s.until("t1", mesos.TASK_RUNNING)
	dir := Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1")
	awaitFile(t, filepath.Join(dir, "ready"))
	s.kill("t1", 500*time.Millisecond)
	awaitFile(t, filepath.Join(dir, "there"))
	if err := c.HangAgent(0); err != nil {
		t.Fatal(err)
	}
	ends.await(t, "t1")
}

// TestExecutorsOfRestartedAgent: an executor that comes back in time goes on;
// the tasks of another one are gone.
func TestExecutorsOfRestartedAgent(t *testing.T) {
	c, ends := chaosCluster(t, 1)
	c.agents[0].box.call(func() { c.agents[0].timing.reregistration = time.Second })
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(600, []mesos.Offer{o}, taskOn("t1", o, idleExecutor("back", "sleep 1000"), ""), taskOn("t2", o, idleExecutor("silent", "sleep 1000"), ""))
	back, subscribeBack := posing(t, c, codecJSON, s.id, "back")
	_, subscribeSilent := posing(t, c, codecJSON, s.id, "silent")
	first, other := subscribeBack(&executor.Call_Subscribe{}), subscribeSilent(&executor.Call_Subscribe{})
	wantEvent(t, first, executor.Event_SUBSCRIBED)
	wantEvent(t, first, executor.Event_LAUNCH)
	wantEvent(t, other, executor.Event_SUBSCRIBED)
	mustSend(t, back, updateCall(statusOf("t1", mesos.TASK_RUNNING)))
	s.until("t1", mesos.TASK_RUNNING)
	if err := c.KillAgent(0); err != nil {
		t.Fatal(err)
	}
	for nextOf(t, other) != nil {
	}
	http.DefaultClient.CloseIdleConnections()
	if err := c.StartAgent(0, false); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, subscribeBack(&executor.Call_Subscribe{}), executor.Event_SUBSCRIBED)
	if st := s.update("t2"); st.GetState() != mesos.TASK_GONE || st.GetReason() != mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT || st.GetSource() != mesos.SOURCE_AGENT {
		t.Errorf("%v", st)
	}
	ends.await(t, "silent")
	mustSend(t, back, updateCall(statusOf("t1", mesos.TASK_FINISHED)))
	s.until("t1", mesos.TASK_FINISHED)
}

// TestChaosOverHTTP: what the paths answer, and that they are not there unless
// they are asked for.
func TestChaosOverHTTP(t *testing.T) {
	c, _ := chaosCluster(t, 2)
	base := "http://" + c.Addr()
	id := c.AgentStates()[1].ID
	for _, x := range []struct {
		method, path string
		status       int
		holds        string
	}{
		{"GET", "/chaos", 200, `"index":1,"id":"` + id + `"`},
		{"POST", "/chaos", 405, ""},
		{"POST", "/chaos/agents/1/resume", 409, "cannot resume agent 1: it is running"},
		{"POST", "/chaos/agents/1/start", 409, "it is running"},
		{"GET", "/chaos/agents/1/hang", 405, ""},
		{"POST", "/chaos/agents/" + id + "/hang", 200, `"state":"hung"`},
		{"POST", "/chaos/agents/1/hang", 409, "it is hung"},
		{"POST", "/chaos/agents/1/shutdown", 409, "it is hung"},
		{"POST", "/chaos/agents/1/resume", 200, `"state":"running"`},
		{"POST", "/chaos/agents/1/kill", 200, `"state":"dead"`},
		{"POST", "/chaos/agents/1/kill", 409, "it is dead"},
		{"GET", "/chaos", 200, `"state":"dead"`},
		{"POST", "/chaos/agents/1/start?new=true", 200, `"state":"running"`},
		{"POST", "/chaos/agents/0/shutdown", 200, `"state":"left"`},
		{"POST", "/chaos/agents/2/hang", 404, "there is no agent"},
		{"POST", "/chaos/agents/-1/hang", 404, "there is no agent"},
		{"POST", "/chaos/agents/x/hang", 404, "there is no agent"},
		{"POST", "/chaos/agents/0/explode", 404, ""},
		{"POST", "/chaos/executors/kill?framework_id=F&executor_id=E", 404, "has no executor"},
		{"GET", "/chaos/executors/kill", 405, ""},
		{"GET", "/chaos/master/restart", 405, ""},
		{"POST", "/chaos/master/restart", 200, `"addr":"` + c.Addr() + `"`},
		{"GET", "/chaos", 200, `"master"`},
	} {
		status, _, body := ask(t, x.method, base+x.path, "")
		if status != x.status || !strings.Contains(string(body), x.holds) {
			t.Errorf("%s %s: %d %s, want %d %s", x.method, x.path, status, body, x.status, x.holds)
		}
		if x.path == "/chaos/master/restart" {
			http.DefaultClient.CloseIdleConnections()
		}
	}
	calm := startCluster(t, Config{})
	for _, path := range []string{"/chaos", "/chaos/agents/0/hang", "/chaos/executors/kill", "/chaos/master/restart"} {
		if status, _, _ := ask(t, http.MethodPost, "http://"+calm.Addr()+path, ""); status != http.StatusNotFound {
			t.Errorf("%s without chaos: %d", path, status)
		}
	}
}
