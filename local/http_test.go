package local

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// ask sends a request and reads the answer; headers are name, value, …; Host
// is one of them.
func ask(t testing.TB, method, address, body string, headers ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	stay := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

// TestBadCalls: the status code of each way to be wrong, in the order in which
// they are looked at; the subscription lives through all of them.
func TestBadCalls(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecJSON, modern)
	at := "http://" + c.Addr() + "/master/api/v1/scheduler"
	id := `"framework_id":{"value":"` + s.id + `"}`
	good := `{"type":"REVIVE",` + id + `}`
	kind, stream := []string{"Content-Type", "application/json"}, []string{"Mesos-Stream-Id", s.streamID}
	both := append(slices.Clone(kind), stream...)
	tests := []struct {
		name, method, body string
		headers            []string
		want               int
	}{
		{"get", "GET", "", nil, 405},
		{"put", "PUT", good, both, 405},
		{"options", "OPTIONS", "", nil, 405},
		{"no content type", "POST", good, stream, 400},
		{"another content type", "POST", good, []string{"Content-Type", "application/json; charset=utf-8"}, 415},
		{"upper case", "POST", good, []string{"Content-Type", "Application/JSON"}, 415},
		{"no JSON", "POST", "{", both, 400},
		{"empty", "POST", "", both, 400},
		{"no type", "POST", "{" + id + "}", both, 400},
		{"unknown type", "POST", `{"type":"DANCE",` + id + `}`, both, 400},
		{"no framework id", "POST", `{"type":"REVIVE"}`, both, 400},
		{"no member", "POST", `{"type":"ACCEPT",` + id + `}`, both, 400},
		{"bad uuid", "POST", `{"type":"ACKNOWLEDGE",` + id + `,"acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"AAAA"}}`, both, 400},
		{"unknown framework", "POST", `{"type":"REVIVE","framework_id":{"value":"nobody"}}`, both, 400},
		{"no stream id", "POST", good, kind, 400},
		{"wrong stream id", "POST", good, append(slices.Clone(kind), "Mesos-Stream-Id", "x"), 400},
		{"subscribe on a stream", "POST", `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}`, both, 400},
		{"subscribe without a user", "POST", `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"name":"n"}}}`, kind, 400},
		{"subscribe with one id", "POST", `{"type":"SUBSCRIBE",` + id + `,"subscribe":{"framework_info":{"user":"u","name":"n"}}}`, kind, 400},
		{"subscribe for xml", "POST", `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}`, append(slices.Clone(kind), "Accept", "text/xml"), 406},
		{"too large", "POST", good + strings.Repeat(" ", maxBody), both, 413},
		{"good", "POST", good, both, 202},
		{"message to an executor", "POST", `{"type":"MESSAGE",` + id + `,"message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":""}}`, both, 202},
		{"request", "POST", `{"type":"REQUEST",` + id + `,"request":{}}`, both, 202},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := ask(t, tt.method, at, tt.body, tt.headers...)
			if status != tt.want {
				t.Errorf("%d %s, want %d", status, body, tt.want)
			}
			if status == 405 && header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q", header.Get("Allow"))
			}
			if status == 202 && len(body) > 0 {
				t.Errorf("the body is %q", body)
			}
		})
	}
	s.offer()
}

func TestReadEndpoints(t *testing.T) {
	c := startCluster(t, Config{Agents: 2})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("done", o, "true"), command1("live", o, "sleep 1000"))
	s.until("done", mesos.TASK_FINISHED)
	s.until("live", mesos.TASK_RUNNING)
	for path, want := range map[string]int{
		"/health": 200, "/master/health": 200, "/version": 200, "/state": 200, "/master/state": 200, "/state-summary": 200, "/slaves": 200,
		"/master/slaves": 200, "/frameworks": 200, "/tasks": 200, "/roles": 200, "/flags": 200, "/metrics/snapshot": 200, "/": 200,
		"/redirect": 307, "/master/redirect": 307, "/redirect/x": 404, "/no/such": 404, "/tasks?limit=x": 400, "/tasks?order=up": 400,
		"/state?jsonp=alert": 200,
	} {
		status, header, body := ask(t, "GET", "http://"+c.Addr()+path, "")
		if status != want || bytes.Contains(body, []byte("alert")) || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if path == "/redirect" && header.Get("Location") != "//"+c.Addr() {
			t.Errorf("redirected to %s", header.Get("Location"))
		}
	}
	for _, method := range []string{"POST", "OPTIONS", "DELETE"} {
		if status, _, _ := ask(t, method, "http://"+c.Addr()+"/state", ""); status != 405 {
			t.Errorf("%s: %d", method, status)
		}
	}
	checkState(t, c, s, o)
	checkTasks(t, c, s)
	checkAgentState(t, c, s)
}

func get[T any](t *testing.T, address string) T {
	t.Helper()
	status, _, body := ask(t, "GET", address, "")
	var v T
	if err := json.Unmarshal(body, &v); err != nil || status != 200 {
		t.Fatalf("%s: %d, %v: %s", address, status, err, body)
	}
	return v
}

// object is JSON as a reader sees it that does not know our types.
type object = map[string]any

func checkState(t *testing.T, c *Cluster, s *client, o mesos.Offer) {
	t.Helper()
	state := get[object](t, "http://"+c.Addr()+"/state")
	f := state["frameworks"].([]any)[0].(object)
	live, done := f["tasks"].([]any)[0].(object), f["completed_tasks"].([]any)[0].(object)
	if f["id"] != s.id || f["active"] != true || live["id"] != "live" || live["state"] != "TASK_RUNNING" || done["state"] != "TASK_FINISHED" || done["executor_id"] != "" {
		t.Errorf("the framework is %v", f)
	}
	used := f["used_resources"].(object)
	if used["cpus"] != 0.1 || used["mem"] != 32.0 || used["disk"] != 0.0 || used["gpus"] != 0.0 {
		t.Errorf("used are %v", used)
	}
	if n := len(done["statuses"].([]any)); n != 3 {
		t.Errorf("%d statuses", n)
	}
	if _, null := f["labels"]; null {
		t.Error("what is unset is written")
	}
	for _, a := range state["slaves"].([]any) {
		if a := a.(object); a["id"] == o.AgentID.Value {
			if a["resources"].(object)["ports"] != "[31000-31009]" || a["used_resources"].(object)["cpus"] != 0.1 || !strings.HasPrefix(a["pid"].(string), "slave(1)@127.0.0.1:") {
				t.Errorf("the agent is %v", a)
			}
		}
	}
	metrics := get[map[string]float64](t, "http://"+c.Addr()+"/metrics/snapshot")
	for name, want := range map[string]float64{"master/tasks_finished": 1, "master/tasks_running": 1, "master/slaves_active": 2,
		"master/frameworks_active": 1, "master/cpus_total": 8, "master/cpus_used": 0.1, "master/elected": 1} {
		if metrics[name] != want {
			t.Errorf("%s is %v, want %v", name, metrics[name], want)
		}
	}
}

func checkTasks(t *testing.T, c *Cluster, s *client) {
	t.Helper()
	ids := func(query string) string {
		var out []string
		for _, x := range get[tasksView2](t, "http://"+c.Addr()+"/tasks?"+query).Tasks {
			out = append(out, x.ID)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{
		"": "done live", "task_id=live": "live", "framework_id=" + s.id: "done live", "framework_id=x": "", "limit=0": "", "offset=2": "",
	} {
		if got := ids(query); got != want {
			t.Errorf("/tasks?%s: %q, want %q", query, got, want)
		}
	}
	if up, down := ids("limit=1&order=asc"), ids("limit=1&order=des"); up == down {
		t.Errorf("both orders begin with %s", up)
	}
	roles := get[object](t, "http://"+c.Addr()+"/roles")["roles"].([]any)
	if len(roles) != 1 || roles[0].(object)["name"] != "*" || roles[0].(object)["allocated"].(object)["cpus"] != 0.1 {
		t.Errorf("the roles are %v", roles)
	}
	summary := get[object](t, "http://"+c.Addr()+"/state-summary")["frameworks"].([]any)[0].(object)
	if summary["TASK_RUNNING"] != 1.0 || summary["TASK_FINISHED"] != 1.0 || summary["TASK_LOST"] != 0.0 {
		t.Errorf("the summary is %v", summary)
	}
}

type tasksView2 struct {
	Tasks []struct {
		ID string `json:"id"`
	} `json:"tasks"`
}

func checkAgentState(t *testing.T, c *Cluster, s *client) {
	t.Helper()
	found := 0
	for _, a := range c.Agents() {
		state := get[object](t, "http://"+a.Addr+"/slave(1)/state")
		if state["id"] != a.ID {
			t.Errorf("agent %s says it is %v", a.ID, state["id"])
		}
		for _, f := range state["frameworks"].([]any) {
			f := f.(object)
			for _, list := range []any{f["executors"], f["completed_executors"]} {
				for _, x := range list.([]any) {
					if f["id"] == s.id && strings.Contains(x.(object)["directory"].(string), "/frameworks/"+s.id+"/executors/"+x.(object)["id"].(string)+"/runs/") {
						found++
					}
				}
			}
		}
		if v := get[map[string]float64](t, "http://"+a.Addr+"/metrics/snapshot"); v["slave/cpus_total"] != 4 {
			t.Errorf("the agent's metrics are %v", v)
		}
	}
	if found != 2 {
		t.Errorf("the agents show %d executors, want 2", found)
	}
}

// TestPageURL: the address lets a browser in and hides the secret.
func TestPageURL(t *testing.T) {
	c := startCluster(t, Config{Secret: "a b&c"})
	status, header, _ := ask(t, "GET", c.PageURL(), "", "Sec-Fetch-Site", "none")
	if status != 303 || header.Get("Location") != "/" {
		t.Fatalf("%d to %q", status, header.Get("Location"))
	}
	cookie := header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "cmdq-" + strings.Split(c.Addr(), ":")[1] + "="} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q has no %s", cookie, want)
		}
	}
	value, _, _ := strings.Cut(cookie, ";")
	for _, address := range []string{"http://" + c.Addr() + "/", "http://" + c.Agents()[0].Addr + "/state"} {
		if status, _, _ := ask(t, "GET", address, "", "Cookie", value); status != 200 {
			t.Errorf("%s with the cookie: %d", address, status)
		}
	}
	if status, _, _ := ask(t, "GET", "http://"+c.Addr()+"/?secret=wrong", ""); status != 401 {
		t.Errorf("a wrong secret: %d", status)
	}
	if open := startCluster(t, Config{}); open.PageURL() != "http://"+open.Addr()+"/" {
		t.Errorf("without a secret the page is %s", open.PageURL())
	}
}

func TestAccept(t *testing.T) {
	tests := []struct {
		accept []string
		want   *codec
	}{
		{nil, codecJSON},
		{[]string{"*/*"}, codecJSON},
		{[]string{"application/*;q=0.1"}, codecJSON},
		{[]string{"application/x-protobuf"}, codecProtobuf},
		{[]string{"application/x-protobuf", "application/x-protobuf"}, codecProtobuf},
		{[]string{"application/x-protobuf, application/json"}, codecJSON},
		{[]string{"APPLICATION/JSON"}, codecJSON},
		{[]string{"application/json;q=0, application/x-protobuf"}, codecProtobuf},
		{[]string{"application/json; q=0.0"}, nil},
		{[]string{"text/html"}, nil},
		{[]string{""}, nil},
	}
	for _, tt := range tests {
		if got := acceptedCodec(http.Header{"Accept": tt.accept}); got != tt.want {
			t.Errorf("%q: %v", tt.accept, got)
		}
	}
}

func TestFrame(t *testing.T) {
	for _, cdc := range []*codec{codecJSON, codecProtobuf} {
		events := make(chan *scheduler.Event, 2)
		frame := append(mustFrame(cdc, errorEvent("what")), mustFrame(cdc, heartbeatEvent())...)
		readEvents(bytes.NewReader(frame), cdc, events)
		if len(events) != 2 || (<-events).Error.Message != "what" || (<-events).Type != scheduler.Event_HEARTBEAT {
			t.Errorf("%s: %q", cdc.contentType, frame)
		}
	}
}
