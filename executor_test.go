package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	lib "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/executor"
	"cmdq/local"
	"cmdq/mesosapi"
)

// executorPatience is how long these tests wait for what has to come.
const executorPatience = 2 * time.Minute // a race detector on a busy machine is slow

// testFramework is a framework that runs tasks with cmdq's executor on an
// embedded Mesos. It acknowledges what it is told.
type testFramework struct {
	t       *testing.T
	cluster *local.Cluster // nil: another one
	master  string         // host:port
	work    string         // the cluster's directory
	conn    *mesosapi.Conn
	id      lib.FrameworkID
	offers  []lib.Offer
	told    map[string][]lib.TaskStatus // of each task
	failed  map[string]int              // exit status of executors that are gone, as wait(2) says
	deaf    bool                        // acknowledges nothing

	connected bool
	authorize func(*http.Request)
}

// startFramework starts an embedded Mesos and subscribes with it. With
// $CMDQ_TEST_MASTER that is used instead; its agent, of at least 4 cpus, has its
// work directory on this machine: $CMDQ_TEST_AGENT_DIR.
func startFramework(t *testing.T, cfg local.Config, authorize ...func(*http.Request)) *testFramework {
	t.Helper()
	f := &testFramework{t: t, told: map[string][]lib.TaskStatus{}, failed: map[string]int{}}
	if len(authorize) > 0 {
		f.authorize = authorize[0]
	}
	if f.master, f.work = os.Getenv("CMDQ_TEST_MASTER"), os.Getenv("CMDQ_TEST_AGENT_DIR"); f.master != "" {
		if cfg.Chaos || cfg.Secret != "" {
			t.Skip("only the embedded Mesos does this")
		}
		t.Cleanup(func() {
			f.conn.Send(&scheduler.Call{Type: scheduler.Call_TEARDOWN, FrameworkID: &f.id})
			ctx, cancel := context.WithTimeout(context.Background(), executorPatience)
			defer cancel()
			if err := f.conn.Flush(ctx); err != nil {
				t.Error(err)
			}
			f.conn.Close()
		})
		f.connect()
		return f
	}
	cfg.WorkDir = t.TempDir()
	cfg.AllocationInterval = 20 * time.Millisecond
	cfg.Resources = "cpus:100;mem:100000;disk:1000"
	cluster, err := local.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.cluster, f.master, f.work = cluster, cluster.Addr(), cfg.WorkDir
	t.Cleanup(func() {
		f.conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), executorPatience)
		defer cancel()
		if err := cluster.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	f.connect()
	return f
}

// connect subscribes, or does so again.
func (f *testFramework) connect() {
	f.t.Helper()
	conn, err := mesosapi.New(mesosapi.Config{Master: f.master, Authorize: f.authorize})
	if err != nil {
		f.t.Fatal(err)
	}
	f.conn, f.offers, f.connected = conn, nil, false
	info := &lib.FrameworkInfo{User: currentUser(), Name: f.t.Name(), Checkpoint: new(true), FailoverTimeout: new(3600.0), Roles: []string{"*"}}
	for _, c := range []lib.FrameworkInfo_Capability_Type{
		lib.FrameworkInfo_Capability_MULTI_ROLE, lib.FrameworkInfo_Capability_PARTITION_AWARE, lib.FrameworkInfo_Capability_TASK_KILLING_STATE,
	} {
		info.Capabilities = append(info.Capabilities, lib.FrameworkInfo_Capability{Type: c})
	}
	call := &scheduler.Call{Type: scheduler.Call_SUBSCRIBE, Subscribe: &scheduler.Call_Subscribe{FrameworkInfo: info}}
	if f.id.Value != "" {
		info.ID, call.FrameworkID = &f.id, &f.id
	}
	f.conn.Subscribe(call)
	f.wait("SUBSCRIBED", func() bool { return f.connected })
}

// wait takes events until something is so.
func (f *testFramework) wait(what string, so func() bool) {
	f.t.Helper()
	timeout := time.After(executorPatience)
	for !so() {
		select {
		case in := <-f.conn.Incoming():
			f.take(in)
		case <-timeout:
			f.t.Fatalf("no %s within %s; the updates are %s", what, executorPatience, f.said())
		}
	}
}

func (f *testFramework) take(in mesosapi.Incoming) {
	f.t.Helper()
	if in.Down != nil || in.Err != nil {
		f.t.Fatalf("the master is gone: %v %v", in.Down, in.Err)
	}
	switch e := in.Event; {
	case e == nil:
	case e.Type == scheduler.Event_SUBSCRIBED:
		f.id, f.connected = *e.Subscribed.FrameworkID, true
	case e.Type == scheduler.Event_OFFERS:
		f.offers = append(f.offers, e.Offers.Offers...)
	case e.Type == scheduler.Event_RESCIND:
		f.offers = slices.DeleteFunc(f.offers, func(o lib.Offer) bool { return o.ID == e.Rescind.OfferID })
	case e.Type == scheduler.Event_FAILURE && e.Failure.ExecutorID != nil:
		f.failed[e.Failure.ExecutorID.Value] = int(e.Failure.GetStatus())
	case e.Type == scheduler.Event_UPDATE:
		f.onUpdate(e.Update.Status)
	}
}

func (f *testFramework) onUpdate(s lib.TaskStatus) {
	id := s.TaskID.Value
	again := len(s.UUID) > 0 && slices.ContainsFunc(f.told[id], func(old lib.TaskStatus) bool { return string(old.UUID) == string(s.UUID) })
	if !again {
		f.told[id] = append(f.told[id], s)
	}
	if len(s.UUID) > 0 && !f.deaf {
		f.conn.Acknowledge(&scheduler.Call{Type: scheduler.Call_ACKNOWLEDGE, FrameworkID: &f.id,
			Acknowledge: &scheduler.Call_Acknowledge{AgentID: *s.AgentID, TaskID: s.TaskID, UUID: s.UUID}})
	}
}

// states are those of a task, as they came: "RUNNING FINISHED".
func (f *testFramework) states(id string) string {
	var list []string
	for _, s := range f.told[id] {
		list = append(list, strings.TrimPrefix(s.GetState().String(), "TASK_"))
	}
	return strings.Join(list, " ")
}

func (f *testFramework) said() string {
	var all []string
	for id := range f.told {
		all = append(all, id+": "+f.states(id))
	}
	slices.Sort(all)
	return strings.Join(all[:min(len(all), 20)], ", ")
}

// last is the last status of a task.
func (f *testFramework) last(id string) *lib.TaskStatus {
	if all := f.told[id]; len(all) > 0 {
		return &all[len(all)-1]
	}
	return &lib.TaskStatus{}
}

func (f *testFramework) ended(id string) bool {
	switch s := f.last(id); {
	case s.State == nil:
		return false
	default:
		return s.GetState() != lib.TASK_RUNNING && s.GetState() != lib.TASK_KILLING && s.GetState() != lib.TASK_STAGING
	}
}

func (f *testFramework) waitState(id string, state lib.TaskState) {
	f.t.Helper()
	f.wait(id+" "+state.String(), func() bool { return len(f.told[id]) > 0 && f.last(id).GetState() == state })
}

func amount(cpus, mem float64) lib.Resources {
	return lib.Resources{resources.NewCPUs(cpus).Resource, resources.NewMemory(mem).Resource}
}

func cpus(o lib.Offer) float64 {
	n, _ := resources.CPUs(o.Resources...)
	return n
}

// cmdqExecutor is "cmdq executor" with these flags.
func (f *testFramework) cmdqExecutor(id string, flags ...string) *lib.ExecutorInfo {
	path := cmdqBinary(f.t)
	return &lib.ExecutorInfo{
		Type: lib.ExecutorInfo_CUSTOM, ExecutorID: lib.ExecutorID{Value: id}, Resources: amount(0.1, 32),
		Command: &lib.CommandInfo{Shell: new(false), Value: &path, Arguments: append([]string{"cmdq", "executor"}, flags...),
			// The race detector would sleep for a second at the end.
			Environment: &lib.Environment{Variables: []lib.Environment_Variable{{Name: "GORACE", Value: new("atexit_sleep_ms=0")}}}},
	}
}

// run launches commands as tasks of an executor on one agent.
func (f *testFramework) run(x *lib.ExecutorInfo, commands map[string]executor.Command) {
	f.t.Helper()
	tasks := map[string][]byte{}
	for id, c := range commands {
		data, err := json.Marshal(c)
		if err != nil {
			f.t.Fatal(err)
		}
		tasks[id] = data
	}
	f.runData(x, tasks)
}

func (f *testFramework) runData(x *lib.ExecutorInfo, tasks map[string][]byte) {
	f.t.Helper()
	f.wait("offer", func() bool { // of most of an agent; one of what was just freed may come alone
		return slices.ContainsFunc(f.offers, func(o lib.Offer) bool { return cpus(o) > 3 })
	})
	agent := f.offers[slices.IndexFunc(f.offers, func(o lib.Offer) bool { return cpus(o) > 3 })].AgentID
	var offers []lib.OfferID
	f.offers = slices.DeleteFunc(f.offers, func(o lib.Offer) bool {
		if o.AgentID == agent {
			offers = append(offers, o.ID)
		}
		return o.AgentID == agent
	})
	launch := &lib.Offer_Operation_Launch{}
	for id, data := range tasks {
		own := *x
		launch.TaskInfos = append(launch.TaskInfos, lib.TaskInfo{
			Name: id, TaskID: lib.TaskID{Value: id}, AgentID: agent, Resources: amount(0.001, 1), Executor: &own, Data: data,
		})
	}
	f.conn.Send(&scheduler.Call{Type: scheduler.Call_ACCEPT, FrameworkID: &f.id, Accept: &scheduler.Call_Accept{
		OfferIDs: offers, Filters: &lib.Filters{RefuseSeconds: new(0.0)},
		Operations: []lib.Offer_Operation{{Type: lib.Offer_Operation_LAUNCH, Launch: launch}},
	}})
}

func (f *testFramework) kill(id string) {
	f.conn.Send(&scheduler.Call{Type: scheduler.Call_KILL, FrameworkID: &f.id, Kill: &scheduler.Call_Kill{TaskID: lib.TaskID{Value: id}}})
}

// shutDown ends an executor and waits until it is gone.
func (f *testFramework) shutDown(id, task string) {
	f.t.Helper()
	f.conn.Send(&scheduler.Call{Type: scheduler.Call_SHUTDOWN, FrameworkID: &f.id, Shutdown: &scheduler.Call_Shutdown{
		ExecutorID: lib.ExecutorID{Value: id}, AgentID: *f.last(task).AgentID}})
	f.wait("end of "+id, func() bool { _, gone := f.failed[id]; return gone })
}

// waitOutput waits until a task has written a text. Mesos tells nobody of that.
func (f *testFramework) waitOutput(executorID, id, text string) {
	f.t.Helper()
	for end := time.Now().Add(executorPatience); f.output(executorID, id, "stdout") != text; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%s wrote %q, never %q", id, f.output(executorID, id, "stdout"), text)
		}
	}
}

// output is what a task wrote.
func (f *testFramework) output(executorID, id, name string) string {
	f.t.Helper()
	found, err := filepath.Glob(filepath.Join(f.work, "slaves/*/frameworks", f.id.Value, "executors", executorID, "runs/latest/tasks", id, name))
	if err != nil || len(found) != 1 {
		f.t.Fatalf("%s of %s: %v %v", name, id, found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

// processesOf lists the processes of the tasks of ours whose ids begin so. Those
// of other tests may have the same ids.
func (f *testFramework) processesOf(task string) []string {
	return processesWith(f.id.Value, "/tasks/"+task)
}

// processesWith lists the processes whose environment has all these texts.
func processesWith(texts ...string) (pids []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		env, err := os.ReadFile(path) // it may have ended
		if err == nil && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(string(env), text) }) {
			pids = append(pids, strings.Split(path, "/")[2])
		}
	}
	return pids
}

// TestExecutorRuns is the main path: output, environment, exit statuses, what
// cannot be run.
func TestExecutorRuns(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{})
	x := f.cmdqExecutor("x1")
	grace := executor.Duration(0)
	f.run(x, map[string]executor.Command{
		"hello":   {Command: `echo "hello $WHO"; echo oops >&2; pwd`, Env: map[string]string{"WHO": "you"}},
		"argv":    {Argv: []string{"sh", "-c", "exit 7"}},
		"none":    {Argv: []string{"no-such-program"}},
		"signal":  {Command: "kill -KILL $$"},
		"slow":    {Command: "sleep 1000", Timeout: executor.Duration(200 * time.Millisecond)},
		"fetch":   {Command: "cat file", Files: []executor.CommandFile{{URL: "/etc/hostname", Name: "file"}}},
		"missing": {Command: "true", URIs: []executor.CommandURI{{Value: "/no/such/file"}}},
		"kill":    {Command: "trap '' TERM; echo up; while :; do sleep 0.05; done", KillGrace: &grace},
		"user":    {Command: "true", User: "no-such-user"},
		"token":   {Command: "env | grep -c AUTHENTICATION_TOKEN; setsid sleep 1000 & sleep 1000 &"},
	})
	f.waitState("kill", lib.TASK_RUNNING)
	f.waitOutput("x1", "kill", "up\n")
	f.kill("kill")
	for _, want := range []struct{ id, states, message string }{
		{"hello", "RUNNING FINISHED", "Command exited with status 0"},
		{"argv", "RUNNING FAILED", "Command exited with status 7"},
		{"none", "RUNNING FAILED", "Command exited with status 1"},
		{"signal", "RUNNING FAILED", "Command terminated with signal Killed"},
		{"slow", "RUNNING FAILED", "Command terminated with signal "},
		{"fetch", "RUNNING FINISHED", "Command exited with status 0"},
		{"missing", "FAILED", "Failed to launch the task: Failed to fetch all URIs for task 'missing'"},
		{"kill", "RUNNING KILLING KILLED", "Command terminated with signal Killed"},
		{"user", "ERROR", "no-such-user"},
		{"token", "RUNNING FINISHED", "Command exited with status 0"},
	} {
		f.wait("end of "+want.id, func() bool { return f.ended(want.id) })
		if got := f.states(want.id); got != want.states || !strings.Contains(f.last(want.id).GetMessage(), want.message) {
			t.Errorf("%s: %s %q, want %s %q", want.id, got, f.last(want.id).GetMessage(), want.states, want.message)
		}
	}
	if out := f.output("x1", "hello", "stdout"); !strings.HasPrefix(out, "hello you\n") || !strings.HasSuffix(out, "/tasks/hello\n") {
		t.Errorf("stdout is %q", out)
	}
	if out := f.output("x1", "hello", "stderr"); out != "oops\n" {
		t.Errorf("stderr is %q", out)
	}
	if out := f.output("x1", "none", "stderr"); out != "Failed to execute 'no-such-program': No such file or directory\n" {
		t.Errorf("stderr is %q", out)
	}
	if r := f.last("slow").Reason; r == nil || *r != lib.REASON_MAX_COMPLETION_TIME_REACHED {
		t.Errorf("slow: reason %v", r)
	}
	if left := f.processesOf("token"); left != nil {
		t.Errorf("left of a task that has ended: %v", left)
	}
	f.shutDown("x1", "hello")
	if left := processesWith(f.id.Value); left != nil {
		t.Errorf("left of the executor: %v", left)
	}
}
