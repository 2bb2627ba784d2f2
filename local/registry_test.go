package local

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// pairEnv is a master and one agent whose goroutines do not run: what they say
// arrives when the test lets it.
type pairEnv struct {
	*masterEnv
	agent *agentEnv
}

func newPairEnv(t *testing.T) *pairEnv {
	t.Helper()
	e := &pairEnv{masterEnv: newMasterEnv(t), agent: newAgentEnv(t)}
	e.agent.id, e.agent.known = "", false
	e.agent.ready = make(chan struct{})
	e.agent.workDir = t.TempDir()
	e.agent.resources = mustResources(t, "cpus:2;mem:1024")
	e.agent.line = newLine(e.master, e.agent.agent)
	t.Cleanup(func() {
		e.agent.standing.stop()
		e.agent.stop()
		e.agent.helpers.Wait()
		for _, a := range e.agents {
			a.retire()
		}
	})
	e.agent.register(0)
	e.talk()
	return e
}

// talk lets both hear what was said, until they have nothing more to say.
func (e *pairEnv) talk() {
	for e.hear(e.box)+e.hear(e.agent.box) > 0 {
	}
}

func (e *pairEnv) hear(box *mailbox) int {
	batch, _ := box.take(nil)
	for _, f := range batch {
		f()
	}
	return len(batch)
}

// run is a task that runs, as far as master and agent know; there is no process.
func (e *pairEnv) run(f *framework, id string) *command {
	e.t.Helper()
	need := mustResources(e.t, "cpus:0.1;mem:32")
	info := &mesos.TaskInfo{
		Name: id, TaskID: mesos.TaskID{Value: id}, AgentID: mesos.AgentID{Value: e.agent.id}, Command: &mesos.CommandInfo{Value: new("true")},
		Resources: []mesos.Resource{scalarResource("cpus", 0.1), scalarResource("mem", 32)},
	}
	e.addTask(f, e.agents[0], "*", info, need)
	af := e.agent.framework(f.brief())
	c := e.agent.newCommand(af, runTask{framework: f.brief(), task: info, role: "*"})
	af.commands[id] = c
	e.agent.update(c, c.status(mesos.TASK_RUNNING, mesos.SOURCE_EXECUTOR, nil, ""))
	e.talk()
	return c
}

// heard empties a framework's stream.
func (e *pairEnv) heard(f *framework) (list []*scheduler.Event) {
	e.t.Helper()
	frames, _ := f.stream.take()
	for _, frame := range frames {
		f.stream.written(frame)
		list = append(list, decodeFrame(e.t, frame))
	}
	return list
}

func updatesOf(events []*scheduler.Event) (list []mesos.TaskStatus) {
	for _, e := range events {
		if e.Type == scheduler.Event_UPDATE {
			list = append(list, e.Update.Status)
		}
	}
	return list
}

func decodeFrame(t *testing.T, frame []byte) *scheduler.Event {
	t.Helper()
	e := &scheduler.Event{}
	if err := codecJSON.decode(frame[slices.Index(frame, '\n')+1:], e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRegisterTwice(t *testing.T) {
	e := newPairEnv(t)
	id := e.agent.id
	if id != e.id+"-S0" || !e.agent.standing.done {
		t.Fatalf("the agent is %q", id)
	}
	e.agent.id = "" // the answer was lost
	e.agent.register(0)
	e.talk()
	if e.agent.id != id || len(e.agents) != 1 || e.agents[0].line != e.agent.line || e.agent.line.record != e.agents[0] {
		t.Errorf("the agent is %q, of %d", e.agent.id, len(e.agents))
	}
}

// TestMissedLaunch: a task that an agent never got is dropped when the agent
// registers again.
func TestMissedLaunch(t *testing.T) {
	e := newPairEnv(t)
	f := e.join(modern)
	e.run(f, "t1")
	delete(e.agent.frameworks, f.id)
	e.agent.die()
	e.talk()
	if e.agents[0].connected || e.connectedAgents() != 0 {
		t.Fatal("the master has not noticed")
	}
	e.heard(f)
	e.agent.register(0)
	e.talk()
	if !e.agents[0].connected || len(e.agents) != 1 {
		t.Fatal("the agent is not back")
	}
	all := updatesOf(e.heard(f))
	if len(all) != 1 || all[0].GetState() != mesos.TASK_DROPPED || all[0].GetReason() != mesos.REASON_RECONCILIATION ||
		all[0].GetSource() != mesos.SOURCE_AGENT || all[0].GetMessage() != "Reconciliation: task unknown to the agent" || len(all[0].UUID) == 0 {
		t.Errorf("%v", all)
	}
	e.check()
}

// TestReregisterTimeout: an agent that answers pings but does not register
// again is unreachable after a while.
func TestReregisterTimeout(t *testing.T) {
	e := newPairEnv(t)
	e.timing.reregister = time.Nanosecond
	f := e.join(modern)
	e.run(f, "t1")
	e.agent.line.breakUp()
	e.hear(e.box)
	e.heard(f)
	for len(e.agents) > 0 { // the timer posts
		<-e.box.wake
		e.hear(e.box)
	}
	all := updatesOf(e.heard(f))
	if len(all) != 1 || all[0].GetState() != mesos.TASK_UNREACHABLE || all[0].GetMessage() != "agent did not reregister within 1ns after disconnecting" {
		t.Errorf("%v", all)
	}
	if v := e.viewFramework(f); len(v.UnreachableTasks) != 1 || len(v.Tasks) != 0 || v.UnreachableTasks[0].State != "TASK_UNREACHABLE" {
		t.Errorf("unreachable %v, active %v", v.UnreachableTasks, v.Tasks)
	}
	if !f.isUnreachable("t1") || f.isUnreachable("t2") {
		t.Error("t1 is not known to be unreachable")
	}
	// It comes back without the task.
	delete(e.agent.frameworks, f.id)
	e.agent.register(0)
	e.talk()
	if f.isUnreachable("t1") || len(e.registry.unreachable) != 0 {
		t.Error("what did not come back is still unreachable")
	}
	e.check()
}

// TestPings: any answer in time keeps an agent, and one that hears that it is
// not connected registers again.
func TestPings(t *testing.T) {
	e := newPairEnv(t)
	e.timing.maxPings = 3
	a := e.agents[0]
	for range 10 {
		for range 2 {
			e.onPingTimeout(a)
		}
		e.talk()
		e.onPingTimeout(a)
		e.talk()
	}
	if a.retired || a.timeouts != 0 {
		t.Fatalf("an agent that answers is gone; %d timeouts", a.timeouts)
	}
	a.connected = false
	e.onPingTimeout(a)
	e.hear(e.agent.box)
	if e.agent.standing.done {
		t.Error("the agent does not register again")
	}
	a.connected = true
	for range 3 {
		a.pinged = true
		e.onPingTimeout(a)
	}
	if !a.retired || len(e.agents) != 0 {
		t.Error("an agent that is silent is still there")
	}
	e.onPingTimeout(a) // of a timer that was late
	e.talk()
}

// TestUpdatesAcrossLoss: what an agent that was given up sends is passed over
// until it registers again, and then sent again.
func TestUpdatesAcrossLoss(t *testing.T) {
	e := newPairEnv(t)
	f := e.join(modern)
	c := e.run(f, "t1")
	e.agent.onAck(ackUpdate{framework: f.id, task: "t1", uuid: c.pending[0].UUID})
	e.markUnreachable(e.agents[0], "because")
	e.heard(f)
	e.agent.update(c, c.status(mesos.TASK_FINISHED, mesos.SOURCE_EXECUTOR, nil, ""))
	e.talk()
	if all := e.heard(f); len(all) != 0 {
		t.Errorf("an unreachable agent was heard: %v", all)
	}
	e.agent.register(0)
	e.talk()
	all := updatesOf(e.heard(f))
	if len(all) != 2 || all[0].GetReason() != mesos.REASON_AGENT_REREGISTERED || all[0].GetState() != mesos.TASK_FINISHED ||
		all[1].GetState() != mesos.TASK_FINISHED || string(all[1].UUID) != string(c.pending[0].UUID) {
		t.Errorf("%v", all)
	}
	e.check()
	e.acknowledge(f, &scheduler.Call_Acknowledge{AgentID: mesos.AgentID{Value: e.agent.id}, TaskID: mesos.TaskID{Value: "t1"}, UUID: all[1].UUID})
	e.talk()
	if len(f.tasks) != 0 || len(e.agent.frameworks[f.id].commands) != 0 {
		t.Error("an end that was acknowledged is not forgotten")
	}
}

// TestRecoveryEnds: an agent that does not come back to a new master is
// unreachable in the end, and may come back all the same.
func TestRecoveryEnds(t *testing.T) {
	e := newPairEnv(t)
	f := e.join(modern)
	e.run(f, "t1")
	id := e.agent.id
	ghost := mesos.AgentID{Value: "ghost"}
	e.restart()
	defer e.recovery.Stop()
	f = e.join(modern)
	e.heard(f)
	ask := func(agent *mesos.AgentID) string {
		e.reconcileTask(f, mesos.TaskID{Value: "t1"}, agent)
		all := updatesOf(e.heard(f))
		if len(all) == 0 {
			return "nothing"
		}
		return all[0].GetState().String()
	}
	own := mesos.AgentID{Value: id}
	for _, x := range []struct {
		agent *mesos.AgentID
		want  string
	}{{&own, "nothing"}, {nil, "nothing"}, {&ghost, "TASK_UNKNOWN"}} {
		if got := ask(x.agent); got != x.want {
			t.Errorf("in recovery: %s for %v, want %s", got, x.agent, x.want)
		}
	}
	e.endRecovery()
	if all := e.heard(f); len(all) != 1 || all[0].Type != scheduler.Event_FAILURE {
		t.Errorf("%v", all)
	}
	if got := ask(&own); got != "TASK_UNREACHABLE" {
		t.Errorf("after recovery: %s", got)
	}
	if got := ask(nil); got != "TASK_UNKNOWN" {
		t.Errorf("after recovery, without an agent: %s", got)
	}
	e.talk() // it hears of the break, and waits a while
	e.agent.ask(time.Second)
	e.talk()
	if got := ask(&own); got != "TASK_GONE" || e.agent.id != id {
		t.Errorf("after its return: %s, the agent is %s", got, e.agent.id)
	}
	e.markGone(id)
	if got := ask(&own); got != "TASK_GONE_BY_OPERATOR" {
		t.Errorf("marked gone: %s", got)
	}
	if e.markGone("nobody") || !e.markGone(id) {
		t.Error("who can be marked gone?")
	}
	e.check()
}

// TestGoneStaysGone: an agent that was marked gone while it was away is shut
// down when it comes back.
func TestGoneStaysGone(t *testing.T) {
	e := newPairEnv(t)
	e.markUnreachable(e.agents[0], "because")
	e.markGone(e.agent.id)
	e.agent.register(0)
	e.talk()
	if len(e.agents) != 0 || e.agent.fault != agentLeft || !e.agent.standing.fresh {
		t.Errorf("%d agents; the agent is %v", len(e.agents), e.agent.fault)
	}
}

// TestOldLines: nothing of an earlier connection, or for an earlier master, arrives.
func TestOldLines(t *testing.T) {
	e := newPairEnv(t)
	old := e.agent.line
	old.down(shutdownAgent{why: "too late"})
	old.up(unregisterAgent{})
	e.life.Add(1)
	old.cut.Store(true)
	e.talk()
	if len(e.agents) != 1 || e.agent.fault != agentRuns {
		t.Error("an old line was heard")
	}
}

func TestMissingExecutors(t *testing.T) {
	e := newPairEnv(t)
	f := e.join(modern)
	need := mustResources(t, "cpus:0.1;mem:32")
	for _, id := range []string{"kept", "lost"} {
		e.addExecutor(f, e.agents[0], "*", &mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: id}}, need)
	}
	e.reconnect(e.agents[0], newLine(e.master, e.agent.agent), reregisterAgent{
		id: e.agent.id, addr: netip.MustParseAddrPort("127.0.0.1:1"),
		executors: []heldExecutor{{framework: f.id, info: &mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: "kept"}}}},
	})
	if list := e.executorsOf(f); len(list) != 1 || list[0].id() != "kept" {
		t.Errorf("%d executors", len(list))
	}
}

// TestResendToNewScheduler: what one scheduler did not acknowledge, the next
// gets as soon as it subscribes.
func TestResendToNewScheduler(t *testing.T) {
	e := newPairEnv(t)
	f := e.join(modern)
	c := e.run(f, "t1")
	e.heard(f)
	info := modern
	info.ID, info.Name = &mesos.FrameworkID{Value: f.id}, "second"
	if again := e.join(info); again != f {
		t.Fatal("it is another framework")
	}
	e.talk()
	all := updatesOf(e.heard(f))
	if len(all) != 1 || string(all[0].UUID) != string(c.pending[0].UUID) {
		t.Errorf("%v", all)
	}
	if name := c.framework.brief.name; name != "second" {
		t.Errorf("the agent knows the framework as %q", name)
	}
}

// TestPingsOfADeadAgent: a process that has ended answers nothing, neither does
// the one that is started after it; but that answers before it has registered.
func TestPingsOfADeadAgent(t *testing.T) {
	e := newPairEnv(t)
	a := e.agents[0]
	e.onPingTimeout(a)
	e.agent.die()
	e.onPingTimeout(a)
	e.agent.life.Add(1) // it is started
	e.talk()
	if !a.pinged {
		t.Error("an agent answers what it was asked before its start")
	}
	e.onPingTimeout(a)
	e.talk()
	if a.pinged || a.timeouts != 0 {
		t.Error("an agent that is there does not answer")
	}
}
