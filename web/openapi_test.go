package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// operation describes a route.
type operation struct {
	method, path string
	id, summary  string
	params       []param
	body         any    // a value of the type that is sent, or the media type
	answer       any    // the same of what comes
	codes        string // beside those that every route has
}

type param struct {
	in, name, kind, description string
}

var inPath = param{"path", "id", "string", "The id of a task."}

const (
	yamlBody   = "application/yaml"
	textAnswer = "text/plain"
	rawAnswer  = "application/octet-stream"
	jsonDoc    = "application/json"
	streamed   = "text/event-stream"
)

// operations are all routes, in words.
var operations = []operation{
	{"GET", "/v1/version", "version", "Who answers, and whether who asks may change anything.", nil, nil, Version{}, "bad_request"},
	{"GET", "/v1/openapi.json", "description", "This description.", nil, nil, jsonDoc, "bad_request"},
	{"GET", "/v1/status", "status", "How far the queue is.", nil, nil, Status{}, "bad_request"},
	{"GET", "/v1/tasks", "tasks", "Tasks, page by page.", []param{
		{"query", "state", "string", "Only tasks in one of these states, with commas between them, or given several times: " + strings.Join(StateNames, ", ") + "."},
		{"query", "label", "string", "KEY=VALUE: only tasks with this label. Given several times, they have all of them."},
		{"query", "group", "string", "Only tasks of this group."},
		{"query", "agent", "string", "Only tasks whose last launch was on this agent, by its id or host."},
		{"query", "match", "string", "Only tasks whose id matches this pattern: * for any text, ? for a character, [a-z] for one of several."},
		{"query", "sort", "string", "What the list is sorted by: " + or(SortNames) + ". A - before it turns the order around. The default is order: by priority, then as they came."},
		{"query", "after", "string", "Only what comes after the task with this id, as it is sorted now; this is how a long list is read page by page."},
		{"query", "offset", "integer", "How many of them to leave out at the beginning."},
		{"query", "limit", "integer", "How many to list: 1 to 1000, by default 100."},
	}, nil, Tasks{}, "bad_request"},
	{"GET", "/v1/tasks/{id}", "task", "All there is to know of a task.", []param{inPath}, nil, Task{}, "bad_request not_found"},
	{"GET", "/v1/tasks/{id}/explain", "explain", "Why a task is where it is.", []param{inPath}, nil, Explanation{}, "bad_request not_found"},
	{"GET", "/v1/tasks/{id}/logs", "logs", "What a command wrote, byte by byte, as it comes. The trailer Cmdq-End says \"whole\" behind all of it, and is an error if that was not all. Cmdq-Launch names the launch, and Cmdq-From, where it is known, the byte of the file that it begins with.", []param{
		inPath,
		{"query", "stream", "string", "stdout, the default, or stderr."},
		{"query", "attempt", "integer", "Which launch, from 1; by default the last one."},
		{"query", "tail", "integer", "Only that many lines from the end, and what follows."},
		{"query", "follow", "string", "1: go on until the command has ended."},
		{"query", "launch", "string", "Only this launch, as the header Cmdq-Launch named it."},
		{"query", "from", "integer", "So many bytes are left out at the beginning: for who was cut off, those that Cmdq-From said and those that came."},
	}, nil, rawAnswer, "bad_request not_found"},
	{"GET", "/v1/failures", "failures", "The tasks that failed or were killed, those alike together.", nil, nil, Failures{}, "bad_request"},
	{"GET", "/v1/events", "events", "What changes, as server-sent events named task, status or reset, whose data is an Event. The first is the status. Changes of a task within a tenth of a second come as one. A reset says that some were left out: ask for all of it again; it comes to who was too slow, who comes back too late (Last-Event-ID), and to all when too much changes at once. A line with a colon comes every 15 seconds.", []param{
		{"header", "Last-Event-ID", "string", "The id of the last event that was seen."},
	}, nil, streamed, "bad_request"},
	{"POST", "/v1/submit", "submit", "Queues the tasks of a file as tasks.yaml is written, in YAML or JSON, of at most 64 MB. A task that is there and says the same is left alone; if one says something else, nothing is queued.", []param{
		{"query", "folder", "string", "Where paths in the file begin: an absolute path."},
	}, yamlBody, Outcome{}, "bad_request conflict too_large"},
	{"POST", "/v1/cancel", "cancel", "Ends tasks as killed.", nil, Selection{}, Outcome{}, "bad_request not_found too_large"},
	{"POST", "/v1/retry", "retry", "Queues ended tasks again.", nil, Selection{}, Outcome{}, "bad_request not_found too_large"},
	{"POST", "/v1/hold", "hold", "Holds idle tasks back until they are released.", nil, Selection{}, Outcome{}, "bad_request not_found too_large"},
	{"POST", "/v1/release", "release", "Lets tasks go that are held.", nil, Selection{}, Outcome{}, "bad_request not_found too_large"},
	{"GET", "/healthz", "healthz", "Answers if cmdq does. It needs no token.", nil, nil, textAnswer, ""},
	{"GET", "/readyz", "readyz", "Whether cmdq is subscribed with a master: 200 or 503. It needs no token.", nil, nil, textAnswer, ""},
	{"GET", "/metrics", "metrics", "What Prometheus asks for.", nil, nil, textAnswer, ""},
}

// everywhere are the codes that every route has.
const everywhere = " unauthorized forbidden method_not_allowed internal busy ending"

const about = "The API of cmdq: on its control socket, and at --listen. There, changes need the token of the state directory " +
	"(the file token), and so does reading if other machines reach the address. Requests for other hosts and from other sites are refused. " +
	"All errors of the API have one shape. Times are RFC 3339 with milliseconds, in UTC. Unknown parameters and fields are errors; answers may get new fields."

// TestDescription: openapi.json says what the types and the table of codes say.
func TestDescription(t *testing.T) {
	want := describe(t)
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(description, want) {
		t.Error("openapi.json is not what the code says; go test ./web -run TestDescription -update writes it anew")
	}
}

// spec is openapi.json, as somebody reads it who has only that.
type spec struct {
	Paths map[string]map[string]struct {
		Parameters []struct{ Name, In string }
		Responses  map[string]response
	}
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema schema }
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 any
	Properties           map[string]schema
	Required             []string
	Items                *schema
	Enum                 []any
	AdditionalProperties any
}

func readSpec(t *testing.T) *spec {
	t.Helper()
	var s spec
	if err := json.Unmarshal(description, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// valid checks a value, and that nothing is in it that is not described.
func (s *spec) valid(at string, v any, by schema) error {
	if name, ok := strings.CutPrefix(by.Ref, "#/components/schemas/"); ok {
		found, ok := s.Components.Schemas[name]
		if !ok {
			return fmt.Errorf("%s: there is no schema %s", at, name)
		}
		return s.valid(at, v, found)
	}
	kind := map[reflect.Kind]string{reflect.String: "string", reflect.Float64: "number", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Invalid: "null"}[reflect.ValueOf(v).Kind()]
	if allowed := fmt.Sprint(by.Type); !strings.Contains(strings.Replace(allowed, "integer", "number", 1), kind) {
		return fmt.Errorf("%s is a %s, want %s", at, kind, allowed)
	}
	if len(by.Enum) > 0 && !slices.Contains(by.Enum, v) {
		return fmt.Errorf("%s is %v, want one of %v", at, v, by.Enum)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if err := s.valid(fmt.Sprintf("%s[%d]", at, i), item, *by.Items); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range by.Required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s.%s is missing", at, name)
			}
		}
		for name, item := range v {
			p, ok := by.Properties[name]
			if !ok && by.AdditionalProperties == nil {
				return fmt.Errorf("%s.%s is not described", at, name)
			}
			if !ok {
				continue // labels, states
			}
			if err := s.valid(at+"."+name, item, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestDescribed: every route is described and there is no other; every answer is
// as it is described, full and empty, and so is every error.
func TestDescribed(t *testing.T) {
	s := readSpec(t)
	api := NewAPI(fullConfig(full(), NewHub()))
	described := 0
	for _, methods := range s.Paths {
		described += len(methods)
	}
	if n := len(api.routes()); n != described || n != len(operations) {
		t.Errorf("%d routes, of which %d are described", n, described)
	}
	for _, route := range api.routes() {
		op, ok := s.Paths[route.path][strings.ToLower(route.method)]
		if !ok {
			t.Errorf("%s %s is not described", route.method, route.path)
			continue
		}
		if route.path == "/v1/events" {
			continue // TestEventsDescribed
		}
		for name, f := range map[string]*fakeQueue{"full": full(), "empty": {status: Status{States: map[string]int{}}}, "error": {err: NotFound("x")}, "conflict": {err: Conflict("x")}, "internal": {err: io.ErrUnexpectedEOF}} {
			dir, _, _ := serveQueue(t, f, NewHub())
			body := ""
			if route.method == "POST" {
				body = `{"all":true}`
			}
			answer, text := overControl(t, dir, route.method+" "+strings.ReplaceAll(route.path, "{id}", "a"), body, false)
			response, ok := op.Responses[strconv.Itoa(answer.StatusCode)]
			if !ok && (answer.StatusCode == 404 || answer.StatusCode == 409) {
				continue // which a Queue has no reason to say here
			}
			if name, ok := strings.CutPrefix(response.Ref, "#/components/responses/"); ok {
				response = s.Components.Responses[name]
			}
			media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
			content, sent := response.Content[media]
			if !ok || !sent {
				t.Errorf("%s %s, %s: %s of %s is not described", route.method, route.path, name, answer.Status, media)
				continue
			}
			if media != jsonDoc || route.path == "/v1/openapi.json" {
				continue
			}
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			if err := s.valid(route.path, v, content.Schema); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestEventsDescribed: events are as they are described.
func TestEventsDescribed(t *testing.T) {
	s := readSpec(t)
	f := full()
	for _, e := range []Event{{Task: &f.task.Row}, {Status: &f.status}, {Reset: true}} {
		var v any
		if err := json.Unmarshal(marshal(e), &v); err != nil {
			t.Fatal(err)
		}
		if err := s.valid("event", v, s.Components.Schemas["Event"]); err != nil {
			t.Error(err)
		}
	}
}

// TestCodes: there is one table of codes, and the description has all of it.
func TestCodes(t *testing.T) {
	enum := readSpec(t).Components.Schemas["Error"].Properties["error"].Properties["code"].Enum
	if len(enum) != len(statuses) {
		t.Errorf("%d codes, of which %d are described", len(statuses), len(enum))
	}
	for _, code := range enum {
		if _, ok := statuses[code.(string)]; !ok {
			t.Error(code, "is not in the table")
		}
	}
	docs, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	words := readWords(t)
	for code, status := range statuses {
		if !strings.Contains(string(docs), fmt.Sprintf("\n| %s | %d | ", code, status)) {
			t.Error("docs/api.md does not have", code, status)
		}
		if words["code "+code] == "" || status < 400 || http.StatusText(status) == "" {
			t.Error(code, status, words["code "+code])
		}
	}
	if (&Error{Code: "new"}).status() != 500 {
		t.Error("a code that nobody knows")
	}
}

// TestParametersDescribed: every parameter that is described is taken, and an
// answer names all that are.
func TestParametersDescribed(t *testing.T) {
	s := readSpec(t)
	values := map[string]string{"state": "idle", "label": "a=b", "sort": "id", "after": "a", "offset": "1", "limit": "1", "stream": "stdout", "attempt": "1", "tail": "1", "follow": "1", "launch": "x", "from": "0", "folder": "/"}
	dir, _, _ := serveQueue(t, full(), NewHub())
	for path, methods := range s.Paths {
		for method, op := range methods {
			query := "?"
			for _, p := range op.Parameters {
				if p.In == "query" {
					query += p.Name + "=" + values[p.Name] + "&"
				}
			}
			if query == "?" {
				continue
			}
			request := strings.ToUpper(method) + " " + strings.ReplaceAll(path, "{id}", "a") + strings.TrimSuffix(query, "&")
			if answer, text := overControl(t, dir, request, "x", false); answer.StatusCode != 200 {
				t.Error(request, answer.Status, text)
			}
			_, text := overControl(t, dir, request+"&none=1", "x", false)
			for _, p := range op.Parameters {
				if p.In == "query" && !strings.Contains(text, p.Name) {
					t.Errorf("%s: %s does not name %s", path, text, p.Name)
				}
			}
		}
	}
}
