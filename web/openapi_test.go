package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
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
	{"GET", "/v1/version", "version", "Who answers, and whether who asks may change anything.", nil, nil, Version{}, ""},
	{"GET", "/v1/openapi.json", "description", "This description.", nil, nil, jsonDoc, ""},
	{"GET", "/v1/status", "status", "How far the queue is.", nil, nil, Status{}, ""},
	{"GET", "/v1/tasks", "tasks", "Tasks, page by page.", []param{
		{"query", "state", "string", "Only tasks in one of these states, with commas between them, or given several times: " + strings.Join(StateNames, ", ") + "."},
		{"query", "label", "string", "KEY=VALUE: only tasks with this label. Given several times, they have all of them."},
		{"query", "group", "string", "Only tasks of this group."},
		{"query", "agent", "string", "Only tasks whose last launch was on this agent, by its id or host."},
		{"query", "match", "string", "Only tasks whose id matches this pattern: * for any text, ? for a character, [a-z] for one of several."},
		{"query", "sort", "string", "What the list is sorted by: " + or(SortNames) + ". A - before it turns the order around. The default is order: by priority, then as they came."},
		{"query", "offset", "integer", "How many of them to leave out at the beginning."},
		{"query", "limit", "integer", "How many to list: 1 to 1000, by default 100."},
	}, nil, Tasks{}, "bad_request"},
	{"GET", "/v1/tasks/{id}", "task", "All there is to know of a task.", []param{inPath}, nil, Task{}, "not_found"},
	{"GET", "/v1/tasks/{id}/explain", "explain", "Why a task is where it is.", []param{inPath}, nil, Explanation{}, "not_found"},
	{"GET", "/v1/tasks/{id}/logs", "logs", "What a command wrote, byte by byte, as it comes. The trailer Cmdq-End says \"whole\" behind all of it, and is an error if that was not all.", []param{
		inPath,
		{"query", "stream", "string", "stdout, the default, or stderr."},
		{"query", "attempt", "integer", "Which launch, from 1; by default the last one."},
		{"query", "tail", "integer", "Only that many lines from the end, and what follows."},
		{"query", "follow", "string", "1: go on until the command has ended."},
	}, nil, rawAnswer, "bad_request not_found"},
	{"GET", "/v1/failures", "failures", "The tasks that failed or were killed, those alike together.", nil, nil, Failures{}, ""},
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

// object is JSON in this order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value := bytes.TrimSpace(marshal(m.value))
		fmt.Fprintf(&b, "%s:%s", marshal(m.name), value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// words are the comments of the types of this package, and of their fields.
type words map[string]string

func readWords(t *testing.T) words {
	w := words{}
	for _, name := range []string{"view.go", "api.go", "errors.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			general, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range general.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					w[s.Name.Name] = sentence(general.Doc.Text())
					if st, ok := s.Type.(*ast.StructType); ok {
						for _, f := range st.Fields.List {
							for _, n := range f.Names {
								w[s.Name.Name+"."+n.Name] = sentence(f.Comment.Text())
							}
						}
					}
				case *ast.ValueSpec:
					if strings.HasPrefix(s.Names[0].Name, "Code") && len(s.Values) == 1 {
						code, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
						if err != nil {
							t.Fatal(err)
						}
						w["code "+code] = strings.TrimSpace(s.Comment.Text())
					}
				}
			}
		}
	}
	return w
}

func sentence(text string) string { return strings.Join(strings.Fields(text), " ") }

// schemas describes types and all that is in them.
type schemas struct {
	words words
	done  map[string]object
}

func (s *schemas) of(t reflect.Type) object {
	switch t.Kind() {
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Int, reflect.Int64:
		return object{{"type", "integer"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{{"type", "array"}, {"items", s.of(t.Elem())}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", s.of(t.Elem())}}
	case reflect.Struct:
		if _, ok := s.done[t.Name()]; !ok {
			s.done[t.Name()] = nil
			s.done[t.Name()] = s.ofStruct(t)
		}
		return object{{"$ref", "#/components/schemas/" + t.Name()}}
	}
	panic(t)
}

func (s *schemas) ofStruct(t reflect.Type) object {
	var properties object
	var required []string
	s.fields(t, &properties, &required)
	o := object{{"type", "object"}}
	if d := s.words[t.Name()]; d != "" {
		o = append(o, member{"description", d})
	}
	o = append(o, member{"properties", properties})
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	if t == reflect.TypeFor[Selection]() {
		o = append(o, member{"additionalProperties", false})
	}
	return o
}

func (s *schemas) fields(t reflect.Type, properties *object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			s.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		schema := s.of(f.Type)
		if options == "" {
			*required = append(*required, name)
			if f.Type.Kind() == reflect.Pointer {
				schema = object{{"type", []string{schema[0].value.(string), "null"}}}
			}
		}
		if d := s.words[t.Name()+"."+f.Name]; d != "" {
			schema = append(schema, member{"description", d})
		}
		*properties = append(*properties, member{name, schema})
	}
}

// describe makes openapi.json of the operations and the types.
func describe(t *testing.T) []byte {
	s := &schemas{words: readWords(t), done: map[string]object{}}
	var paths object
	for _, op := range operations {
		o := s.operation(op)
		if i := slices.IndexFunc(paths, func(m member) bool { return m.name == op.path }); i >= 0 {
			paths[i].value = append(paths[i].value.(object), o)
		} else {
			paths = append(paths, member{op.path, object{o}})
		}
	}
	s.of(reflect.TypeFor[Event]())
	var all object
	for _, name := range slices.Sorted(maps.Keys(s.done)) {
		all = append(all, member{name, s.done[name]})
	}
	var codes []string
	var errors object
	list := "One of these codes:"
	for _, code := range slices.SortedFunc(maps.Keys(statuses), func(a, b string) int {
		if statuses[a] != statuses[b] {
			return statuses[a] - statuses[b]
		}
		return strings.Compare(a, b)
	}) {
		codes = append(codes, code)
		if name := errorName(statuses[code]); len(errors) == 0 || errors[len(errors)-1].name != name {
			errors = append(errors, member{name, object{{"description", http.StatusText(statuses[code])},
				{"content", object{{jsonDoc, object{{"schema", object{{"$ref", "#/components/schemas/Error"}}}}}}}}})
		}
		list += fmt.Sprintf(" %s (%d): %s;", code, statuses[code], s.words["code "+code])
	}
	all = append(all, member{"Error", object{{"type", "object"}, {"required", []string{"error"}}, {"properties", object{{"error", object{
		{"type", "object"}, {"required", []string{"code", "message"}}, {"properties", object{
			{"code", object{{"type", "string"}, {"enum", codes}, {"description", strings.TrimSuffix(list, ";") + "."}}},
			{"message", object{{"type", "string"}, {"description", "What is wrong, for people: one line of at most 1,500 bytes."}}}}}}}}}}})
	doc := object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", "cmdq"}, {"version", "1"}, {"description", about}, {"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
		{"security", []object{{{"token", []string{}}}, {{"cookie", []string{}}}, {}}},
		{"paths", paths},
		{"components", object{{"schemas", all}, {"responses", errors}, {"securitySchemes", object{
			{"token", object{{"type", "http"}, {"scheme", "bearer"}}},
			{"cookie", object{{"type", "apiKey"}, {"in", "cookie"}, {"name", "cmdq-token-PORT"}, {"description", "Set by GET /?token=TOKEN; PORT is that of --listen."}}},
		}}}},
	}
	var b bytes.Buffer
	if err := json.Indent(&b, marshal(doc), "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (s *schemas) operation(op operation) member {
	o := object{{"operationId", op.id}, {"summary", op.summary}}
	if len(op.params) > 0 {
		var params []object
		for _, p := range op.params {
			schema := object{{"type", p.kind}}
			if p.name == "state" || p.name == "label" {
				schema = object{{"type", "array"}, {"items", schema}}
			}
			params = append(params, object{{"name", p.name}, {"in", p.in}, {"required", p.in == "path"}, {"description", p.description}, {"schema", schema}})
		}
		o = append(o, member{"parameters", params})
	}
	if op.body != nil {
		o = append(o, member{"requestBody", object{{"required", true}, {"content", s.content(op.body)}}})
	}
	responses := object{{"200", object{{"description", "It is answered."}, {"content", s.content(op.answer)}}}}
	var found []int
	for _, code := range strings.Fields(op.codes + everywhere) {
		if !slices.Contains(found, statuses[code]) {
			found = append(found, statuses[code])
		}
	}
	slices.Sort(found)
	for _, status := range found {
		responses = append(responses, member{strconv.Itoa(status), object{{"$ref", "#/components/responses/" + errorName(status)}}})
	}
	return member{strings.ToLower(op.method), append(o, member{"responses", responses})}
}

func errorName(status int) string { return "Error" + strconv.Itoa(status) }

// content is a body: a media type, or a type in JSON.
func (s *schemas) content(body any) object {
	if media, ok := body.(string); ok {
		return object{{media, object{}}}
	}
	return object{{jsonDoc, object{{"schema", s.of(reflect.TypeOf(body))}}}}
}

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
	values := map[string]string{"state": "idle", "label": "a=b", "sort": "id", "offset": "1", "limit": "1", "stream": "stdout", "attempt": "1", "tail": "1", "follow": "1", "folder": "/"}
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
