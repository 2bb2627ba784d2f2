package local

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// inBoth runs a test once with each codec.
func inBoth(t *testing.T, test func(t *testing.T, cdc *codec)) {
	t.Run("json", func(t *testing.T) { test(t, codecJSON) })
	t.Run("protobuf", func(t *testing.T) { test(t, codecProtobuf) })
}

func states(all []mesos.TaskStatus) string {
	var names []string
	for _, s := range all {
		names = append(names, strings.TrimPrefix(s.GetState().String(), "TASK_"))
	}
	return strings.Join(names, " ")
}

// TestCommand is the main path: an offer, a command, its updates and output.
func TestCommand(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		s := subscribe(t, c, cdc, modern)
		if beat := s.next(); beat.Type != scheduler.Event_HEARTBEAT {
			t.Errorf("the second event is %v, want HEARTBEAT", beat.Type)
		}
		o := s.offer()
		if offered(o, "cpus") != 4 || o.AllocationInfo.GetRole() != "*" || o.URL.Address.Port == 0 || o.Hostname != "127.0.0.1" {
			t.Errorf("the offer is %v", o)
		}
		s.accept(0, []mesos.Offer{o}, command1("t1", o, `echo out; echo err >&2; echo "$PWD"; exit 3`))
		all := s.until("t1", mesos.TASK_FAILED)
		if states(all) != "STARTING RUNNING FAILED" {
			t.Errorf("the updates are %s", states(all))
		}
		for _, st := range all {
			if st.GetSource() != mesos.SOURCE_EXECUTOR || st.Reason != nil || st.ExecutorID.GetValue() != "t1" || len(st.UUID) != 16 ||
				st.AgentID.GetValue() != o.AgentID.Value || st.GetTimestamp() == 0 || st.ContainerStatus.ContainerID.GetValue() == "" ||
				st.ContainerStatus.NetworkInfos[0].IPAddresses[0].GetIPAddress() != "127.0.0.1" {
				t.Errorf("the update is %v", st)
			}
		}
		if got := all[2].GetMessage(); got != "Command exited with status 3" {
			t.Errorf("the message is %q", got)
		}
		dir, err := filepath.EvalSymlinks(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1"))
		if err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{"stdout": "out\n" + dir + "\n", "stderr": "err\n"} {
			if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
				t.Errorf("%s is %q, %v; want %q", file, got, err, want)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the sandbox is %v, %v", info.Mode(), err)
		}
	})
}

// TestOutcomes runs commands that end in different ways.
func TestOutcomes(t *testing.T) {
	no := false
	direct := func(value string, args ...string) *mesos.CommandInfo {
		return &mesos.CommandInfo{Shell: &no, Value: &value, Arguments: args}
	}
	shell := func(line string) *mesos.CommandInfo { return &mesos.CommandInfo{Value: &line} }
	tests := []struct {
		name    string
		command *mesos.CommandInfo
		limit   time.Duration
		want    string // states
		message string
		reason  mesos.TaskStatus_Reason // -1: none
	}{
		{"finished", shell("true"), 0, "STARTING RUNNING FINISHED", "Command exited with status 0", -1},
		{"signal", shell("kill -9 $$"), 0, "STARTING RUNNING FAILED", "Command terminated with signal Killed", -1},
		{"not found by the shell", shell("no-such-command-anywhere"), 0, "STARTING RUNNING FAILED", "Command exited with status 127", -1},
		{"without a shell", direct("sh", "sh", "-c", "exit 7"), 0, "STARTING RUNNING FAILED", "Command exited with status 7", -1},
		{"without arguments", direct("true"), 0, "STARTING RUNNING FINISHED", "Command exited with status 0", -1},
		{"cannot be executed", direct("no-such-command-anywhere"), 0, "STARTING RUNNING FAILED", "Command exited with status 1", -1},
		{"too long", shell("sleep 1000"), 50 * time.Millisecond, "STARTING RUNNING KILLING FAILED",
			"Command terminated with signal Terminated", mesos.REASON_MAX_COMPLETION_TIME_REACHED},
		{"in time", shell("exit 2"), time.Hour, "STARTING RUNNING FAILED", "Command exited with status 2", -1},
		{"no value", &mesos.CommandInfo{}, 0, "FAILED", "Executor terminated: the command has no value", mesos.REASON_EXECUTOR_TERMINATED},
		{"limits", shell("true"), 0, "DROPPED", "", mesos.REASON_GC_ERROR},
		{"another user", &mesos.CommandInfo{Value: new("true"), User: new("nosuchuser")}, 0, "DROPPED", "", mesos.REASON_EXECUTOR_TERMINATED},
	}
	c := startCluster(t, Config{Eager: true})
	s := subscribe(t, c, codecProtobuf, modern)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			id := strings.ReplaceAll(tt.name, " ", "-")
			s.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
			o := s.offer()
			x := command1(id, o, "")
			x.Command = tt.command
			if tt.name == "limits" {
				x.Limits = map[string]mesos.Value_Scalar{"cpus": {Value: 1}}
			}
			if tt.limit > 0 {
				x.MaxCompletionTime = &mesos.DurationInfo{Nanoseconds: int64(tt.limit)}
			}
			s.accept(3600, []mesos.Offer{o}, x)
			var all []mesos.TaskStatus
			for len(all) == 0 || !terminal(all[len(all)-1].GetState()) {
				all = append(all, s.update(id))
			}
			last := all[len(all)-1]
			if states(all) != tt.want || (last.GetMessage() != tt.message && tt.message != "") {
				t.Errorf("%s, %q; want %s, %q", states(all), last.GetMessage(), tt.want, tt.message)
			}
			if (tt.reason < 0) != (last.Reason == nil) || tt.reason >= 0 && last.GetReason() != tt.reason {
				t.Errorf("the reason is %v, want %v", last.Reason, tt.reason)
			}
		})
	}
	s.t = t
}

// TestEnvironment: a command finds what Mesos sets and what it was given, and
// nothing of ours.
func TestEnvironment(t *testing.T) {
	t.Setenv("CMDQ_TEST_LEAK", "leaked")
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	x := command1("t1", o, "env > env.txt")
	x.Command.Environment = &mesos.Environment{Variables: []mesos.Environment_Variable{
		{Name: "GREETING", Value: new("a b=c")}, {Name: "MESOS_CHECKPOINT", Value: new("mine")}, {Name: "GREETING", Value: new("hi\nthere")},
	}}
	s.accept(0, []mesos.Offer{o}, x)
	s.until("t1", mesos.TASK_FINISHED)
	dir, err := filepath.EvalSymlinks(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "env.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text := "\n" + string(data)
	for _, want := range []string{
		"GREETING=hi\nthere", "MESOS_CHECKPOINT=mine", "MESOS_SANDBOX=" + dir, "MESOS_DIRECTORY=" + dir, "MESOS_EXECUTOR_ID=t1",
		"MESOS_FRAMEWORK_ID=" + s.id, "MESOS_SLAVE_ID=" + o.AgentID.Value, "MESOS_AGENT_ENDPOINT=" + c.Agents()[0].Addr,
		"MESOS_ALLOCATION_ROLE=*", "PATH=" + defaultPath, "MESOS_RECOVERY_TIMEOUT=15mins",
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("%s is not there", want)
		}
	}
	for _, bad := range []string{"CMDQ_TEST_LEAK", "HOME=", "MESOS_TASK_ID"} {
		if strings.Contains(text, "\n"+bad) {
			t.Errorf("%s is there", bad)
		}
	}
}

func (s *client) kill(task string, grace time.Duration) {
	s.t.Helper()
	k := &scheduler.Call_Kill{TaskID: mesos.TaskID{Value: task}}
	if grace >= 0 {
		k.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(grace)}}
	}
	s.call(&scheduler.Call{Type: scheduler.Call_KILL, Kill: k})
}

func TestKill(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		s := subscribe(t, c, cdc, modern)
		o := s.offer()
		s.accept(0, []mesos.Offer{o},
			command1("soft", o, "sleep 1000"),
			command1("hard", o, "trap '' TERM; touch ready; while :; do sleep 0.05; done"),
			command1("clean", o, "trap 'exit 0' TERM; touch ready; while :; do sleep 0.05; done"))
		for _, id := range []string{"soft", "hard", "clean"} {
			s.until(id, mesos.TASK_RUNNING)
		}
		for _, id := range []string{"hard", "clean"} {
			awaitFile(t, filepath.Join(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, id), "ready"))
		}
		s.kill("soft", -1)
		s.kill("clean", time.Hour)
		s.kill("hard", time.Hour)
		s.until("hard", mesos.TASK_KILLING)
		s.kill("hard", 2*time.Hour) // a later kill can only shorten the grace
		s.kill("hard", 10*time.Millisecond)
		for id, want := range map[string]string{
			"soft": "Command terminated with signal Terminated", "hard": "Command terminated with signal Killed", "clean": "Command exited with status 0",
		} {
			all := s.until(id, mesos.TASK_KILLED)
			if last := all[len(all)-1]; last.GetMessage() != want || last.Reason != nil {
				t.Errorf("%s: %v", id, last)
			}
			if id != "hard" && states(all) != "KILLING KILLED" {
				t.Errorf("%s: %s", id, states(all))
			}
		}
	})
}

// awaitFile waits for a file that a command makes; there is no other sign.
func awaitFile(t *testing.T, name string) {
	t.Helper()
	eventually(t, name, func() bool { _, err := os.Stat(name); return err == nil })
}

// TestPlainFramework: without TASK_KILLING_STATE, PARTITION_AWARE and
// MULTI_ROLE a framework hears nothing of them.
func TestPlainFramework(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, plain)
	o := s.offer()
	if o.AllocationInfo != nil || o.Resources[0].AllocationInfo != nil || o.Resources[0].GetRole() != "*" {
		t.Errorf("the offer is %v", o)
	}
	x := command1("other", o, "true")
	x.Command.User = new("nosuchuser")
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"), x)
	if st := s.update("other"); st.GetState() != mesos.TASK_LOST || len(st.UUID) != 16 || st.GetSource() != mesos.SOURCE_AGENT {
		t.Errorf("another user: %v", st)
	}
	s.until("t1", mesos.TASK_RUNNING)
	s.kill("t1", 0)
	if all := s.until("t1", mesos.TASK_KILLED); states(all) != "KILLED" {
		t.Errorf("the updates are %s", states(all))
	}
	s.accept(0, []mesos.Offer{o}, command1("t2", o, "true"))
	if st := s.update("t2"); st.GetState() != mesos.TASK_LOST || st.GetReason() != mesos.REASON_INVALID_OFFERS {
		t.Errorf("a used offer: %v", st)
	}
}

// TestUpdatesWaitForAcks: one update at a time, sent again until acknowledged.
func TestUpdatesWaitForAcks(t *testing.T) {
	c := startCluster(t, Config{timing: timing{retry: 20 * time.Millisecond, retryMax: 40 * time.Millisecond}})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "true"))
	first := s.peek("t1")
	for range 3 {
		again := s.peek("t1")
		if again.GetState() != mesos.TASK_STARTING || string(again.UUID) != string(first.UUID) {
			t.Fatalf("%v came before the acknowledgement of %v", again, first)
		}
	}
	wrong := first
	wrong.UUID = []byte("0123456\x410123456x")
	s.ack(wrong)
	s.ack(first)
	for {
		st := s.peek("t1")
		if string(st.UUID) == string(first.UUID) {
			continue // it was already under way again
		}
		if st.GetState() != mesos.TASK_RUNNING {
			t.Errorf("after STARTING comes %v", st.GetState())
		}
		break
	}
}

// TestTaskIDs: an id is taken until the end of its task is acknowledged.
func TestTaskIDs(t *testing.T) {
	c := startCluster(t, Config{Eager: true})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "true"), command1("t1", o, "true"))
	st := s.peek("t1")
	for st.GetState() != mesos.TASK_ERROR {
		s.ack(st)
		st = s.peek("t1")
	}
	if st.GetMessage() != "Task has duplicate ID: t1" || st.GetReason() != mesos.REASON_TASK_INVALID || len(st.UUID) > 0 || st.GetSource() != mesos.SOURCE_MASTER {
		t.Errorf("the second t1: %v", st)
	}
	for st.GetState() != mesos.TASK_FINISHED {
		st = s.peek("t1")
		if st.GetState() != mesos.TASK_FINISHED {
			s.ack(st)
		}
	}
	o = s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "true"))
	if again := s.peek("t1"); again.GetState() != mesos.TASK_ERROR {
		t.Errorf("t1 before its end is acknowledged: %v", again.GetState())
	}
	s.ack(st)
	s.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
	o = s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "exit 5"))
	s.until("t1", mesos.TASK_FAILED)
}

// TestReconcile asks for a task that lives and for those that do not.
func TestReconcile(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		for name, info := range map[string]mesos.FrameworkInfo{"modern": modern, "plain": plain} {
			s := subscribe(t, c, cdc, info)
			o := s.offer()
			s.accept(0, []mesos.Offer{o}, command1("live", o, "sleep 1000"))
			s.until("live", mesos.TASK_RUNNING)
			gone, unknown := mesos.TASK_GONE, mesos.TASK_UNKNOWN
			if name == "plain" {
				gone, unknown = mesos.TASK_LOST, mesos.TASK_LOST
			}
			s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{}})
			s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{Tasks: []scheduler.Call_Reconcile_Task{
				{TaskID: mesos.TaskID{Value: "live"}}, {TaskID: mesos.TaskID{Value: "ghost"}, AgentID: &o.AgentID},
				{TaskID: mesos.TaskID{Value: "nowhere"}}, {TaskID: mesos.TaskID{Value: "elsewhere"}, AgentID: &mesos.AgentID{Value: "no-such"}},
			}}})
			for _, want := range []struct {
				id    string
				state mesos.TaskState
			}{{"live", mesos.TASK_RUNNING}, {"live", mesos.TASK_RUNNING}, {"ghost", gone}, {"nowhere", unknown}, {"elsewhere", unknown}} {
				st := s.peek(want.id)
				if st.GetState() != want.state || st.GetReason() != mesos.REASON_RECONCILIATION || len(st.UUID) > 0 || st.ExecutorID != nil {
					t.Errorf("%s: %s: %v", name, want.id, st)
				}
			}
			s.kill("ghost", 0)
			if st := s.peek("ghost"); st.GetState() != unknown {
				t.Errorf("%s: the kill of an unknown task: %v", name, st)
			}
			s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
			s.closed()
		}
	})
}

// TestInvalidAccept: the tasks of an ACCEPT whose offers are no good never
// run, but its good offers are used up.
func TestInvalidAccept(t *testing.T) {
	c := startCluster(t, Config{Agents: 2})
	s := subscribe(t, c, codecProtobuf, modern)
	offers := s.wait(scheduler.Event_OFFERS, nil).Offers.Offers
	if len(offers) != 2 {
		t.Fatalf("%d offers, want 2", len(offers))
	}
	gone := offers[0]
	gone.ID.Value = "gone"
	for id, list := range map[string][]mesos.Offer{
		"twice": {offers[0], offers[0]}, "none": {}, "gone": {gone}, "agents": offers,
	} {
		if len(list) > 0 {
			s.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
		}
		s.accept(0, list, command1(id, offers[0], "true"))
		st := s.update(id)
		if st.GetState() != mesos.TASK_DROPPED || st.GetReason() != mesos.REASON_INVALID_OFFERS || !strings.HasPrefix(st.GetMessage(), "Task launched with invalid offers: ") {
			t.Errorf("%s: %v", id, st)
		}
	}
}

// TestTaskErrors: a bad task is refused with Mesos' words, the others run.
func TestTaskErrors(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	change := func(id string, f func(*mesos.TaskInfo)) mesos.TaskInfo {
		x := command1(id, o, "true")
		f(&x)
		return x
	}
	tests := []struct {
		task mesos.TaskInfo
		want string
	}{
		{change("a/b", func(*mesos.TaskInfo) {}), "'a/b' contains invalid characters"},
		{change(strings.Repeat("x", 256), func(*mesos.TaskInfo) {}), "ID must not be greater than 255 characters"},
		{change("agent", func(x *mesos.TaskInfo) { x.AgentID.Value = "other" }), "Task uses invalid agent other"},
		{change("grace", func(x *mesos.TaskInfo) {
			x.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: -1}}
		}), "Task's 'kill_policy.grace_period' must be non-negative"},
		{change("time", func(x *mesos.TaskInfo) { x.MaxCompletionTime = &mesos.DurationInfo{Nanoseconds: -1} }), "Task's 'max_completion_time' must be"},
		{change("nothing", func(x *mesos.TaskInfo) { x.Resources = nil }), "Task uses no resources"},
		{change("negative", func(x *mesos.TaskInfo) { x.Resources[0].Scalar.Value = -1 }), "Task uses invalid resources"},
		{change("value", func(x *mesos.TaskInfo) {
			x.Command.Environment = &mesos.Environment{Variables: []mesos.Environment_Variable{{Name: "N"}}}
		}), "Task's `CommandInfo` is invalid: Environment variable 'N' of type 'VALUE' must have a value set"},
		{change("limit", func(x *mesos.TaskInfo) { x.Limits = map[string]mesos.Value_Scalar{"disk": {Value: 1}} }), "Task limits are not allowed for resource 'disk'"},
		{change("both", func(x *mesos.TaskInfo) { x.Command = nil }), "Task should have at least one (but not both)"},
		{change("executor", func(x *mesos.TaskInfo) { x.Command, x.Executor = nil, &mesos.ExecutorInfo{} }), "ID must not be empty"},
		{change("large", func(x *mesos.TaskInfo) { x.Resources[0].Scalar.Value = 5 }), "Total resources cpus:5;mem:32 required by task and its executor is more than available"},
	}
	var tasks []mesos.TaskInfo
	for _, tt := range tests {
		tasks = append(tasks, tt.task)
	}
	s.accept(0, []mesos.Offer{o}, append(tasks, command1("good", o, "true"))...)
	for _, tt := range tests {
		st := s.peek(tt.task.TaskID.Value)
		if st.GetState() != mesos.TASK_ERROR || st.GetReason() != mesos.REASON_TASK_INVALID || !strings.HasPrefix(st.GetMessage(), tt.want) {
			t.Errorf("%.20s: %v %v %q, want %q", tt.task.TaskID.Value, st.GetState(), st.GetReason(), st.GetMessage(), tt.want)
		}
	}
	s.until("good", mesos.TASK_FINISHED)
}

// TestUpdateFramework changes what may be changed.
func TestUpdateFramework(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, inRoles("a"))
	o := s.offer()
	change := func(f func(*mesos.FrameworkInfo)) int {
		info := inRoles("a")
		info.ID = &mesos.FrameworkID{Value: s.id}
		f(&info)
		return s.tryCall(&scheduler.Call{Type: scheduler.Call_UPDATE_FRAMEWORK, UpdateFramework: &scheduler.Call_UpdateFramework{FrameworkInfo: info}})
	}
	for name, f := range map[string]func(*mesos.FrameworkInfo){
		"user": func(i *mesos.FrameworkInfo) { i.User = "eve" }, "checkpoint": func(i *mesos.FrameworkInfo) { i.Checkpoint = nil },
		"principal": func(i *mesos.FrameworkInfo) { i.Principal = new("eve") }, "role": func(i *mesos.FrameworkInfo) { i.Roles = []string{"a b"} },
		"id": func(i *mesos.FrameworkInfo) { i.ID.Value = "other" },
	} {
		if status := change(f); status != http.StatusBadRequest {
			t.Errorf("a changed %s: %d", name, status)
		}
	}
	if status := change(func(i *mesos.FrameworkInfo) { i.Roles = []string{"b"} }); status != http.StatusOK {
		t.Errorf("changed roles: %d", status)
	}
	if e := s.wait(scheduler.Event_RESCIND, nil); e.Rescind.OfferID.Value != o.ID.Value {
		t.Errorf("%v is rescinded", e.Rescind)
	}
	s.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
	if o := s.offer(); o.AllocationInfo.GetRole() != "b" {
		t.Errorf("offered to %v", o.AllocationInfo)
	}
}

func TestSuppressAndRevive(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern, "*")
	s.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
	o := s.offer()
	s.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS})
	s.decline(0, o)
	s.call(&scheduler.Call{Type: scheduler.Call_REVIVE, Revive: &scheduler.Call_Revive{Roles: []string{"*"}}})
	s.offer()
	if len(slices.DeleteFunc(s.stash, func(e *scheduler.Event) bool { return e.Type != scheduler.Event_OFFERS })) > 0 {
		t.Error("offers came while suppressed")
	}
}
