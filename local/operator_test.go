package local

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib"
	pbagent "github.com/mesos/mesos-go/api/v1/lib/agent"
	pb "github.com/mesos/mesos-go/api/v1/lib/master"
)

// operate sends a call of the operator API, which must succeed, as JSON.
func operate(t *testing.T, addr, call string) object {
	t.Helper()
	status, header, body := ask(t, "POST", "http://"+addr+"/api/v1", call, "Content-Type", "application/json")
	if kind := header.Get("Content-Type"); status != 200 || len(body) > 0 && kind != "application/json" {
		t.Fatalf("%s: %d %s", call, status, body)
	}
	v := object{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("%s: %v: %s", call, err, body)
		}
	}
	return v
}

// at walks into JSON: names of members and indices of lists.
func at(t *testing.T, v any, steps ...any) any {
	t.Helper()
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			o, ok := v.(object)
			if !ok || o[s] == nil {
				t.Fatalf("no %v in %v", steps, v)
			}
			v = o[s]
		case int:
			list, ok := v.([]any)
			if !ok || len(list) <= s {
				t.Fatalf("no %v in %v", steps, v)
			}
			v = list[s]
		}
	}
	return v
}

func TestOperator(t *testing.T) {
	c := startCluster(t, Config{Agents: 2})
	s := subscribe(t, c, codecProtobuf, inRoles("eng/web"))
	o := s.offer()
	done := command1("done", o, "printf 'a\\377b'")
	done.Labels = &mesos.Labels{Labels: []mesos.Label{{Key: "k", Value: new("v")}}}
	s.accept(0, []mesos.Offer{o}, done, command1("live", o, "sleep 1000"))
	s.until("done", mesos.TASK_FINISHED)
	s.until("live", mesos.TASK_RUNNING)
	for _, kind := range []string{"GET_HEALTH", "GET_FLAGS", "GET_VERSION", "GET_MASTER", "GET_AGENTS", "GET_FRAMEWORKS", "GET_EXECUTORS", "GET_TASKS", "GET_ROLES", "GET_STATE"} {
		if v := operate(t, c.Addr(), `{"type":"`+kind+`"}`); v["type"] != kind || kind != "GET_EXECUTORS" && v[strings.ToLower(kind)] == nil {
			t.Errorf("%s: %v", kind, v)
		}
	}
	state := at(t, operate(t, c.Addr(), `{"type":"GET_STATE"}`), "get_state")
	for _, tt := range []struct {
		want any
		path []any
	}{
		{"live", []any{"get_tasks", "tasks", 0, "task_id", "value"}},
		{"TASK_RUNNING", []any{"get_tasks", "tasks", 0, "state"}},
		{"done", []any{"get_tasks", "completed_tasks", 0, "name"}},
		{"TASK_STARTING", []any{"get_tasks", "completed_tasks", 0, "statuses", 0, "state"}},
		{"v", []any{"get_tasks", "completed_tasks", 0, "labels", "labels", 0, "value"}},
		{s.id, []any{"get_frameworks", "frameworks", 0, "framework_info", "id", "value"}},
		{true, []any{"get_frameworks", "frameworks", 0, "connected"}},
		{"cpus", []any{"get_agents", "agents", 0, "total_resources", 0, "name"}},
		{true, []any{"get_agents", "agents", 1, "active"}},
	} {
		if got := at(t, state, tt.path...); got != tt.want {
			t.Errorf("%v is %v, want %v", tt.path, got, tt.want)
		}
	}
	metrics := at(t, operate(t, c.Addr(), `{"type":"GET_METRICS","get_metrics":{}}`), "get_metrics", "metrics")
	if len(metrics.([]any)) < 20 {
		t.Errorf("the metrics are %v", metrics)
	}

	var agent string
	for _, a := range c.Agents() {
		if a.ID == o.AgentID.Value {
			agent = a.Addr
		}
	}
	dir := "/frameworks/" + s.id + "/executors/done/runs/latest"
	files := at(t, operate(t, agent, `{"type":"LIST_FILES","list_files":{"path":"`+dir+`"}}`), "list_files", "file_infos")
	if len(files.([]any)) != 2 || at(t, files, 1, "path") != dir+"/stdout" || at(t, files, 1, "size") != 3.0 {
		t.Errorf("the files are %v", files)
	}
	for ask, want := range map[string]string{
		`"offset":0`: "a\xffb", `"offset":1,"length":1`: "\xff", `"offset":3`: "", `"offset":9`: "", `"offset":0,"length":0`: "",
	} {
		v := at(t, operate(t, agent, `{"type":"READ_FILE","read_file":{"path":"`+dir+`/stdout",`+ask+`}}`), "read_file").(object)
		if text, _ := v["data"].(string); v["size"] != 3.0 || text != base64.StdEncoding.EncodeToString([]byte(want)) {
			t.Errorf("%s: %v", ask, v)
		}
	}
	if v := operate(t, agent, `{"type":"GET_AGENT"}`); at(t, v, "get_agent", "agent_info", "id", "value") != o.AgentID.Value {
		t.Errorf("%v", v)
	}

	operate(t, c.Addr(), `{"type":"TEARDOWN","teardown":{"framework_id":{"value":"`+s.id+`"}}}`)
	s.closed()
	state = at(t, operate(t, c.Addr(), `{"type":"GET_STATE"}`), "get_state")
	if at(t, state, "get_frameworks", "completed_frameworks", 0, "framework_info", "id", "value") != s.id {
		t.Errorf("%v", state)
	}
}

// TestOperatorProtobuf: the same in the other form.
func TestOperatorProtobuf(t *testing.T) {
	c := startCluster(t, Config{})
	for addr, x := range map[string]struct{ call, answer proto.Message }{
		c.Addr():           {&pb.Call{Type: pb.Call_GET_STATE}, &pb.Response{}},
		c.Agents()[0].Addr: {&pbagent.Call{Type: pbagent.Call_GET_VERSION}, &pbagent.Response{}},
	} {
		body, err := proto.Marshal(x.call)
		if err != nil {
			t.Fatal(err)
		}
		status, header, data := ask(t, "POST", "http://"+addr+"/api/v1", string(body), "Content-Type", "application/x-protobuf", "Accept", "application/x-protobuf")
		if status != 200 || header.Get("Content-Type") != "application/x-protobuf" {
			t.Fatalf("%d %s", status, data)
		}
		if err := proto.Unmarshal(data, x.answer); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func TestBadOperatorCalls(t *testing.T) {
	c := startCluster(t, Config{})
	agent := c.Agents()[0].Addr
	kind := []string{"Content-Type", "application/json"}
	for _, tt := range []struct {
		name, method, addr, body string
		headers                  []string
		want                     int
	}{
		{"get", "GET", c.Addr(), "", nil, 405},
		{"no content type", "POST", c.Addr(), `{"type":"GET_HEALTH"}`, nil, 400},
		{"another content type", "POST", agent, `{"type":"GET_HEALTH"}`, []string{"Content-Type", "text/plain"}, 415},
		{"no JSON", "POST", c.Addr(), `{`, kind, 400},
		{"no type", "POST", agent, `{}`, kind, 400},
		{"unknown type", "POST", c.Addr(), `{"type":"DANCE"}`, kind, 400},
		{"no member", "POST", c.Addr(), `{"type":"TEARDOWN"}`, kind, 400},
		{"no member at an agent", "POST", agent, `{"type":"READ_FILE"}`, kind, 400},
		{"nobody's framework", "POST", c.Addr(), `{"type":"TEARDOWN","teardown":{"framework_id":{"value":"x"}}}`, kind, 400},
		{"xml", "POST", c.Addr(), `{"type":"GET_HEALTH"}`, append([]string{"Accept", "text/xml"}, kind...), 406},
		{"nobody's agent", "POST", c.Addr(), `{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"x"}}}`, kind, 404},
		{"no agent", "POST", c.Addr(), `{"type":"MARK_AGENT_GONE"}`, kind, 400},
		{"not built", "POST", c.Addr(), `{"type":"GET_WEIGHTS"}`, kind, 501},
		{"not built at an agent", "POST", agent, `{"type":"GET_CONTAINERS"}`, kind, 501},
		{"not attached", "POST", agent, `{"type":"LIST_FILES","list_files":{"path":"/etc"}}`, kind, 404},
		{"no file", "POST", agent, `{"type":"READ_FILE","read_file":{"path":"/frameworks/f/executors/e/runs/latest/x","offset":0}}`, kind, 404},
		{"out of the sandbox", "POST", agent, `{"type":"READ_FILE","read_file":{"path":"/frameworks/f/executors/e/runs/latest/../../x","offset":0}}`, kind, 400},
		{"a master has no files", "POST", c.Addr(), `{"type":"LIST_FILES","list_files":{"path":"/"}}`, kind, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, _, body := ask(t, tt.method, "http://"+tt.addr+"/api/v1", tt.body, tt.headers...); status != tt.want {
				t.Errorf("%d %s, want %d", status, body, tt.want)
			}
		})
	}
}

func TestTeardownForm(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	at := "http://" + c.Addr() + "/master/teardown"
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	good := url.Values{"frameworkId": {s.id}}.Encode()
	for _, tt := range []struct {
		method, body string
		headers      []string
		want         int
	}{
		{"GET", "", nil, 405}, {"POST", "", form, 400}, {"POST", "frameworkId=%zz", form, 400}, {"POST", "frameworkId=x", form, 400},
		{"POST", good, append([]string{"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, form...), 403},
		{"POST", good, append([]string{"Origin", "null"}, form...), 403},
		{"POST", good, append([]string{"Sec-Fetch-Site", "same-site"}, form...), 403},
		{"POST", good, form, 200}, {"POST", good, form, 400},
	} {
		if status, _, body := ask(t, tt.method, at, tt.body, tt.headers...); status != tt.want {
			t.Errorf("%s %q %q: %d %s, want %d", tt.method, tt.body, tt.headers, status, body, tt.want)
		}
	}
	s.closed()
}

// TestTooLarge sends a body that is too large wherever a body is read.
func TestTooLarge(t *testing.T) {
	c := startCluster(t, Config{Chaos: true})
	large := `{"type":"` + strings.Repeat(" ", maxBody)
	tried := 0
	for _, address := range allRoutes(c) {
		status, _, _ := ask(t, "POST", address, large, "Content-Type", "application/json")
		switch u := split(t, address); {
		case strings.Contains(u.Path, "/api/v1"), strings.HasSuffix(u.Path, "/teardown"):
			tried++
			if status != 413 {
				t.Errorf("%s: %d, want 413", address, status)
			}
		case status != 405 && status != 404 && status != 400 && !strings.HasPrefix(u.Path, "/chaos/"):
			t.Errorf("%s: %d", address, status)
		}
	}
	if tried < 10 {
		t.Errorf("only %d routes take a body", tried)
	}
}

// TestRolesEndpoint: a role holds what the roles below it do.
func TestRolesEndpoint(t *testing.T) {
	e := newMasterEnv(t, "cpus:4;mem:100;ports:[1-9]", "cpus:2;mem:100")
	e.join(inRoles("eng/web"))
	e.allocateWanted()
	got := string(marshal(e.viewRoles()))
	want := `{"roles":[` +
		`{"name":"eng","weight":1,"quota":{"role":"eng","guarantee":{},"limit":{},"consumed":{}},"resources":{"cpus":6.0,"mem":200.0},"allocated":{},"offered":{"cpus":6.0,"mem":200.0},"reserved":{},"frameworks":[]},` +
		`{"name":"eng/web","weight":1,"quota":{"role":"eng/web","guarantee":{},"limit":{},"consumed":{}},"resources":{"cpus":6.0,"mem":200.0},"allocated":{},"offered":{"cpus":6.0,"mem":200.0},"reserved":{},"frameworks":["` + e.sortedFrameworks()[0].id + `"]}]}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSlavesInFull(t *testing.T) {
	e := newMasterEnv(t, "cpus:4;mem:100;ports:[1-9]")
	e.join(modern)
	e.allocateWanted()
	var v object
	if err := json.Unmarshal(marshal(e.viewAgentsInFull("")), &v); err != nil {
		t.Fatal(err)
	}
	a := at(t, v, "slaves", 0)
	if at(t, a, "unreserved_resources_full", 2, "ranges", "range", 0, "end") != 9.0 || at(t, a, "offered_resources_full", 0, "scalar", "value") != 4.0 ||
		len(at(t, a, "used_resources_full").([]any)) != 0 || at(t, a, "resources", "cpus") != 4.0 {
		t.Errorf("%v", a)
	}
	if got := e.viewAgentsInFull("x"); len(got.Agents) != 0 {
		t.Errorf("%v", got)
	}
}

// TestOperatorMarksAgentGone: its tasks are told to be gone, and so is the agent.
func TestOperatorMarksAgentGone(t *testing.T) {
	c := startCluster(t, Config{Eager: true})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	operate(t, c.Addr(), `{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"`+o.AgentID.Value+`"}}}`)
	all := s.until("t1", mesos.TASK_GONE_BY_OPERATOR)
	last := all[len(all)-1]
	if last.GetReason() != mesos.REASON_AGENT_REMOVED_BY_OPERATOR || last.UUID != nil {
		t.Errorf("the update is %v", last)
	}
	if left := get[map[string]any](t, "http://"+c.Addr()+"/slaves"); len(left["slaves"].([]any)) != 0 {
		t.Errorf("it is still there: %v", left["slaves"])
	}
}
