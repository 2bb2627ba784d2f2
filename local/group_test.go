package local

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// defaultExecutor is the least that Mesos lets it have.
func defaultExecutor(s *client, id string) mesos.ExecutorInfo {
	return mesos.ExecutorInfo{
		Type: mesos.ExecutorInfo_DEFAULT, ExecutorID: mesos.ExecutorID{Value: id}, FrameworkID: &mesos.FrameworkID{Value: s.id},
		Resources: []mesos.Resource{scalarResource("cpus", 0.1), scalarResource("mem", 32), scalarResource("disk", 10)},
	}
}

func (s *client) launchGroup(o mesos.Offer, x mesos.ExecutorInfo, tasks ...mesos.TaskInfo) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: &scheduler.Call_Accept{
		OfferIDs: []mesos.OfferID{o.ID}, Filters: &mesos.Filters{RefuseSeconds: new(0.0)},
		Operations: []mesos.Offer_Operation{{Type: mesos.Offer_Operation_LAUNCH_GROUP, LaunchGroup: &mesos.Offer_Operation_LaunchGroup{
			Executor: x, TaskGroup: mesos.TaskGroupInfo{Tasks: tasks}}}},
	}})
}

// TestGroup: each task is a process with a sandbox of its own; the executor
// ends with the last of them.
func TestGroup(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		s := subscribe(t, c, cdc, modern)
		o := s.offer()
		s.launchGroup(o, defaultExecutor(s, "g"), command1("a", o, "echo from a; env > env"), command1("b", o, "echo from b >&2; until [ -e ../../tasks/a/env ]; do sleep 0.01; done; sleep 1000"))
		for id, want := range map[string]string{"a": "STARTING RUNNING FINISHED", "b": "STARTING RUNNING"} {
			all := s.until(id, map[string]mesos.TaskState{"a": mesos.TASK_FINISHED, "b": mesos.TASK_RUNNING}[id])
			if states(all) != want {
				t.Errorf("%s: %s, want %s", id, states(all), want)
			}
			for _, st := range all {
				if id := st.ContainerStatus.GetContainerID(); st.ExecutorID.GetValue() != "g" || st.GetSource() != mesos.SOURCE_EXECUTOR || st.Reason != nil || id.GetParent().GetValue() == "" {
					t.Errorf("the update is %v", st)
				}
			}
		}
		o = s.offerWith(3.8)
		if len(o.ExecutorIDs) != 1 || offered(o, "mem") != 4096-64 || offered(o, "disk") != 990 {
			t.Errorf("the offer is %v", o)
		}
		dir := filepath.Join(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "g"), "tasks")
		for file, want := range map[string]string{"a/stdout": "from a\n", "b/stderr": "from b\n"} {
			if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
				t.Errorf("%s is %q, %v", file, got, err)
			}
		}
		env, err := os.ReadFile(filepath.Join(dir, "a/env"))
		if err != nil || !strings.Contains(string(env), "MESOS_ALLOCATION_ROLE=*\n") || !strings.Contains(string(env), "MESOS_CONTAINER_IP=127.0.0.1\n") || strings.Contains(string(env), "MESOS_AGENT_ENDPOINT") {
			t.Errorf("the environment is %q, %v", env, err)
		}
		body := fetchText(t, "http://"+c.Agents()[0].Addr+"/files/download?path="+url.QueryEscape("/frameworks/"+s.id+"/executors/g/runs/latest/tasks/a/stdout"))
		if body != "from a\n" {
			t.Errorf("downloaded %q", body)
		}
		// Another group on the same executor.
		s.launchGroup(o, defaultExecutor(s, "g"), command1("c", o, "true"))
		s.until("c", mesos.TASK_FINISHED)
		s.kill("b", -1)
		s.until("b", mesos.TASK_KILLED)
		if f := s.failure(); f.ExecutorID.Value != "g" || f.GetStatus() != 0 {
			t.Errorf("the failure is %v", f)
		}
		s.offerWith(4)
	})
}

func fetchText(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestGroupFate: what one task of a group does to the others.
func TestGroupFate(t *testing.T) {
	const (
		ready    = "touch ready; sleep 1000"
		stubborn = "trap '' TERM; touch ready; sleep 1000 & wait; sleep 1000"
	)
	tests := []struct {
		name     string
		commands []string
		limit    time.Duration // of the first
		uri      string        // of the first
		late     bool          // the first starts when the second is ready
		kill     bool          // the first, when it runs
		want     []string
	}{
		{name: "all well", commands: []string{"true", "true"}, want: []string{"STARTING RUNNING FINISHED", "STARTING RUNNING FINISHED"}},
		{name: "one fails", commands: []string{"exit 3", ready, "true"}, late: true,
			want: []string{"STARTING RUNNING FAILED", "STARTING RUNNING KILLING KILLED", ""}},
		{name: "one is killed", commands: []string{"sleep 1000", ready}, late: true, kill: true,
			want: []string{"STARTING RUNNING KILLING KILLED", "STARTING RUNNING KILLING KILLED"}},
		{name: "one takes too long", commands: []string{"sleep 1000", ready}, late: true, limit: 50 * time.Millisecond,
			want: []string{"STARTING RUNNING FAILED", "STARTING RUNNING KILLING KILLED"}},
		{name: "one cannot be fetched", commands: []string{"true", "sleep 1000"}, uri: "/no/such/file",
			want: []string{"STARTING FAILED", ""}},
		{name: "the other ignores it", commands: []string{"exit 1", stubborn}, late: true,
			want: []string{"STARTING RUNNING FAILED", "STARTING RUNNING KILLING KILLED"}},
	}
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			o := s.offerWith(4)
			var tasks []mesos.TaskInfo
			for i, line := range tt.commands {
				x := command1(string(rune('a'+i)), o, line)
				x.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(100 * time.Millisecond)}}
				tasks = append(tasks, x)
			}
			if tt.limit > 0 {
				tasks[0].MaxCompletionTime = &mesos.DurationInfo{Nanoseconds: int64(tt.limit)}
			}
			if tt.uri != "" {
				tasks[0].Command.URIs = []mesos.CommandInfo_URI{{Value: tt.uri}}
			}
			file, open := held(t)
			if tt.late {
				tasks[0].Command.URIs = []mesos.CommandInfo_URI{{Value: file}}
			}
			s.launchGroup(o, defaultExecutor(s, "g"), tasks...)
			told := make([][]mesos.TaskStatus, len(tasks))
			if tt.late {
				told[1] = s.until("b", mesos.TASK_RUNNING)
				awaitFile(t, filepath.Join(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "g"), "tasks", "b", "ready"))
				open()
			}
			if tt.kill {
				told[0] = s.until("a", mesos.TASK_RUNNING)
				s.kill("a", -1)
			}
			for i := range tasks {
				id, all := tasks[i].TaskID.Value, told[i]
				for len(all) == 0 || !terminal(all[len(all)-1].GetState()) {
					all = append(all, s.update(id))
				}
				if tt.want[i] != "" && states(all) != tt.want[i] {
					t.Errorf("%s: %s, want %s", id, states(all), tt.want[i])
				}
				if last := all[len(all)-1]; last.GetSource() != mesos.SOURCE_EXECUTOR || (last.Reason != nil) != (tt.limit > 0 && i == 0) {
					t.Errorf("%s: %v", id, last)
				}
			}
			if f := s.failure(); f.GetStatus() != 0 {
				t.Errorf("the failure is %v", f)
			}
		})
	}
	s.t = t
}

// held is the address of a file that nobody gets before it is opened.
func held(t *testing.T) (address string, open func()) {
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate }))
	open = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(func() { open(); server.Close() })
	return server.URL + "/held", open
}

// TestGroupShutdown: a default executor that is shut down kills its tasks.
func TestGroupShutdown(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.launchGroup(o, defaultExecutor(s, "g"), command1("a", o, "sleep 1000"), command1("b", o, "sleep 1000"))
	s.until("a", mesos.TASK_RUNNING)
	s.until("b", mesos.TASK_RUNNING)
	s.shutdownExecutor(o, "g")
	for _, id := range []string{"a", "b"} {
		if all := s.until(id, mesos.TASK_KILLED); states(all) != "KILLING KILLED" {
			t.Errorf("%s: %s", id, states(all))
		}
	}
	s.failure()
}

// TestShutdownCommand: a command has an executor of its name, which can be shut
// down like any other.
func TestShutdownCommand(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	s.shutdownExecutor(o, "t1")
	if all := s.until("t1", mesos.TASK_KILLED); states(all) != "KILLING KILLED" {
		t.Error(states(all))
	}
}

// TestGroupErrors: a group is launched whole or not at all.
func TestGroupErrors(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	tests := []struct {
		name     string
		task     func(*mesos.TaskInfo)
		executor func(*mesos.ExecutorInfo)
		want     string
	}{
		{"task", func(x *mesos.TaskInfo) { x.AgentID.Value = "other" }, nil, "Task 'bad' is invalid: Task uses invalid agent other"},
		{"twice", func(x *mesos.TaskInfo) { x.TaskID.Value = "good" }, nil, "Task 'good' is invalid: Task has duplicate ID: good"},
		{"limits", func(x *mesos.TaskInfo) { x.Limits = map[string]mesos.Value_Scalar{"cpus": {Value: 1}} }, nil, "Task 'bad' is invalid: Resource limits may only be set"},
		{"no command", func(x *mesos.TaskInfo) { x.Command = nil }, nil, "Task 'bad' is invalid: 'TaskInfo.command' must be set"},
		{"other executor", func(x *mesos.TaskInfo) { x.Executor = idleExecutor("e", "x") }, nil, "The `ExecutorInfo` of task 'bad' is different from executor 'g'"},
		{"large", func(x *mesos.TaskInfo) { x.Resources[0].Scalar.Value = 4 }, nil, "Total resources cpus:4.2;disk:10;mem:96 required by task group and its executor are more than available"},
		{"type", nil, func(x *mesos.ExecutorInfo) { x.Type = mesos.ExecutorInfo_UNKNOWN }, "'ExecutorInfo.type' must be set"},
		{"command", nil, func(x *mesos.ExecutorInfo) { x.Command = &mesos.CommandInfo{} }, "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"},
		{"framework", nil, func(x *mesos.ExecutorInfo) { x.FrameworkID = nil }, "'ExecutorInfo.framework_id' must be set"},
		{"cpus", nil, func(x *mesos.ExecutorInfo) { x.Resources[0].Scalar.Value = 0.001 }, "Executor 'g' uses less CPUs (0.001) than the minimum required (0.01)"},
		{"mem", nil, func(x *mesos.ExecutorInfo) { x.Resources[1].Scalar.Value = 31 }, "Executor 'g' uses less memory (31) than the minimum required (32)"},
		{"disk", nil, func(x *mesos.ExecutorInfo) { x.Resources = x.Resources[:2] }, "Executor 'g' uses no disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			o := s.offerWith(4)
			good, bad, x := command1("good", o, "true"), command1("bad", o, "true"), defaultExecutor(s, "g")
			if tt.task != nil {
				tt.task(&bad)
			}
			if tt.executor != nil {
				tt.executor(&x)
			}
			s.launchGroup(o, x, good, bad)
			for _, id := range []string{"good", bad.TaskID.Value} {
				if st := s.peek(id); st.GetState() != mesos.TASK_ERROR || st.GetReason() != mesos.REASON_TASK_GROUP_INVALID || st.GetSource() != mesos.SOURCE_MASTER || !strings.HasPrefix(st.GetMessage(), tt.want) {
					t.Errorf("%s: %v %v %q, want %q", id, st.GetState(), st.GetReason(), st.GetMessage(), tt.want)
				}
			}
		})
	}
	s.t = t
	o := s.offerWith(4)
	s.call(&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: &scheduler.Call_Accept{OfferIDs: []mesos.OfferID{o.ID}, Operations: []mesos.Offer_Operation{
		{Type: mesos.Offer_Operation_LAUNCH_GROUP, ID: &mesos.OperationID{Value: "op"}, LaunchGroup: &mesos.Offer_Operation_LaunchGroup{
			Executor: defaultExecutor(s, "g"), TaskGroup: mesos.TaskGroupInfo{Tasks: []mesos.TaskInfo{command1("a", o, "true")}}}},
	}}})
	if st := s.peek("a"); st.GetReason() != mesos.REASON_TASK_GROUP_INVALID || !strings.Contains(st.GetMessage(), "`id`") {
		t.Errorf("%v", st)
	}
}

// TestGroupOnCustomExecutor: an executor gets a group in one event, and a kill
// before that ends all of it.
func TestGroupOnCustomExecutor(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	x := *idleExecutor("e1", "sleep 1000")
	x.FrameworkID = &mesos.FrameworkID{Value: s.id}
	x.Resources = append(x.Resources, scalarResource("disk", 1))
	s.launchGroup(o, x, command1("a", o, "true"), command1("b", o, "true"))
	o = s.offerWith(3.7)
	s.launchGroup(o, x, command1("c", o, "true"), command1("d", o, "true"))
	s.kill("d", -1)
	for _, id := range []string{"c", "d"} {
		if st := s.update(id); st.GetState() != mesos.TASK_KILLED || st.GetReason() != mesos.REASON_TASK_KILLED_DURING_LAUNCH || !strings.Contains(st.GetMessage(), "group") {
			t.Errorf("%v", st)
		}
	}
	_, subscribe := posing(t, c, codecJSON, s.id, "e1")
	events := subscribe(&executor.Call_Subscribe{})
	wantEvent(t, events, executor.Event_SUBSCRIBED)
	group := wantEvent(t, events, executor.Event_LAUNCH_GROUP).LaunchGroup.TaskGroup.Tasks
	if len(group) != 2 || group[0].TaskID.Value != "a" || group[1].Executor.ExecutorID.Value != "e1" {
		t.Errorf("the group is %v", group)
	}
}

// TestExecutorsInState: both sides show executors and whose the tasks are.
func TestExecutorsInState(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	x := idleExecutor("e1", "sleep 1000")
	x.Name, x.Source, x.Labels = new("name"), new("source"), &mesos.Labels{Labels: []mesos.Label{{Key: "k"}}}
	x.Command.URIs = []mesos.CommandInfo_URI{{Value: "/etc/hosts", Executable: new(true)}}
	s.accept(0, []mesos.Offer{o}, taskOn("t1", o, x, ""), command1("t2", o, "sleep 1000"))
	s.until("t2", mesos.TASK_RUNNING)
	s.launchGroup(s.offerWith(3.7), defaultExecutor(s, "g"), command1("t3", o, "sleep 1000"), command1("t4", o, "true"))
	s.until("t4", mesos.TASK_FINISHED)
	s.until("t3", mesos.TASK_RUNNING)

	var state struct {
		Frameworks []struct {
			Used      map[string]any   `json:"used_resources"`
			Executors []map[string]any `json:"executors"`
			Tasks     []struct {
				ID       string `json:"id"`
				Executor string `json:"executor_id"`
			} `json:"tasks"`
		} `json:"frameworks"`
	}
	parse(t, fetchText(t, "http://"+c.Addr()+"/state"), &state)
	f := state.Frameworks[0]
	if f.Used["cpus"] != 0.5 || f.Used["disk"] != 10.0 {
		t.Errorf("used are %v", f.Used)
	}
	of := map[string]string{}
	for _, x := range f.Tasks {
		of[x.ID] = x.Executor
	}
	if of["t1"] != "e1" || of["t2"] != "" || of["t3"] != "g" {
		t.Errorf("the tasks' executors are %v", of)
	}
	if len(f.Executors) != 2 || f.Executors[0]["executor_id"] != "e1" || f.Executors[0]["name"] != "name" || f.Executors[0]["type"] != "CUSTOM" || f.Executors[1]["type"] != "DEFAULT" {
		t.Errorf("the executors are %v", f.Executors)
	}
	command, _ := json.Marshal(f.Executors[0]["command"])
	if string(command) != `{"argv":[],"shell":true,"uris":[{"executable":true,"value":"/etc/hosts"}],"value":"sleep 1000"}` {
		t.Errorf("the command is %s", command)
	}

	type named struct {
		ID       string `json:"id"`
		Executor string `json:"executor_id"`
	}
	var agent struct {
		Frameworks []struct {
			Executors []struct {
				ID, Type, Source, Directory string
				Resources                   map[string]any
				Tasks                       []named
				Queued                      []named `json:"queued_tasks"`
				Completed                   []named `json:"completed_tasks"`
			}
		}
	}
	parse(t, fetchText(t, "http://"+c.Agents()[0].Addr+"/state"), &agent)
	var seen []string
	for _, x := range agent.Frameworks[0].Executors {
		seen = append(seen, x.ID)
		switch x.ID {
		case "e1":
			if len(x.Queued) != 1 || x.Queued[0] != (named{"t1", "e1"}) || x.Source != "source" || x.Resources["cpus"] != 0.2 || !strings.HasPrefix(x.Directory, c.cfg.WorkDir) {
				t.Errorf("e1 is %v", x)
			}
		case "t2":
			if len(x.Tasks) != 1 || x.Tasks[0] != (named{"t2", ""}) {
				t.Errorf("t2 is %v", x)
			}
		case "g":
			if len(x.Tasks) != 1 || x.Tasks[0] != (named{"t3", "g"}) || len(x.Completed) != 1 || x.Completed[0].ID != "t4" || x.Type != "DEFAULT" {
				t.Errorf("g is %v", x)
			}
		}
	}
	slices.Sort(seen)
	if strings.Join(seen, " ") != "e1 g t2" {
		t.Errorf("the agent has %v", seen)
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// TestTeardownEndsExecutors: nothing of a framework that is gone runs on.
func TestTeardownEndsExecutors(t *testing.T) {
	c := startCluster(t, Config{ExecutorShutdownGrace: 50 * time.Millisecond})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, taskOn("t1", o, customExecutor(t, "e1", codecJSON, "CMDQ_TEST_DEAF"), "hold"), taskOn("t2", o, customExecutor(t, "e2", codecJSON), "hold"))
	s.until("t1", mesos.TASK_RUNNING)
	s.until("t2", mesos.TASK_RUNNING)
	s.launchGroup(s.offerWith(3.6), defaultExecutor(s, "g"), command1("t3", o, "sleep 1000"))
	s.until("t3", mesos.TASK_RUNNING)
	s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	a := c.agents[0]
	eventually(t, "the end of the framework's three executors", func() bool { // the agent tells nobody
		var live, done int
		a.box.call(func() {
			live = len(a.frameworks)
			for _, f := range a.completed {
				done += len(f.done)
			}
		})
		return live == 0 && done == 3
	})
	c.master.box.call(func() {
		if a := c.master.agents[0]; len(a.executors) != 0 || len(a.used) != 0 {
			t.Errorf("executors %v, used %v", a.executors, a.used)
		}
	})
}
