package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// full is a Queue in whose answers every field is set.
func full() *fakeQueue {
	f := &fakeQueue{}
	for _, v := range []any{&f.status, &f.tasks, &f.task, &f.explain, &f.failures, &f.outcome} {
		fill(reflect.ValueOf(v).Elem(), "x<&>\u202e\x1b[31m")
	}
	return f
}

// fill sets all that is in v.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(0.25)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, text)
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	default:
		panic(v.Kind())
	}
}

// TestCalls: every call of a Client reaches the Queue as it was made, and the
// answer comes back as it was given.
func TestCalls(t *testing.T) {
	f := full()
	_, c, _ := serveQueue(t, f, nil)
	ctx := patient(t)
	q := Query{States: []string{"running", "held"}, Labels: map[string]string{"a": "1=2&", "b": ""}, Group: "g/ü", Agent: "h1", Match: "a*[0-9]", Sort: "-ended", Offset: 5, Limit: 1000}
	s := Selection{IDs: []string{"a", "b<"}, Labels: map[string]string{"k": "v"}, All: true, Failed: true, Group: "k"}
	id := "no/id//a/../?#%2f../"
	tests := []struct {
		name  string
		call  func() (any, error)
		asked any
		want  any
	}{
		{"status", func() (any, error) { return c.Status(ctx) }, "status", f.status},
		{"tasks", func() (any, error) { return c.Tasks(ctx, q) }, q, f.tasks},
		{"all tasks", func() (any, error) { return c.Tasks(ctx, Query{}) }, Query{Limit: 100}, f.tasks},
		{"task", func() (any, error) { return c.Task(ctx, id) }, id, f.task},
		{"explain", func() (any, error) { return c.Explain(ctx, id) }, id, f.explain},
		{"failures", func() (any, error) { return c.Failures(ctx) }, "failures", f.failures},
		{"submit", func() (any, error) { return c.Submit(ctx, []byte("tasks: []"), "/a b&c") }, submitted{"tasks: []", "/a b&c"}, f.outcome},
		{"submit from nowhere", func() (any, error) { return c.Submit(ctx, []byte("x"), "") }, submitted{"x", ""}, f.outcome},
		{"cancel", func() (any, error) { return c.Cancel(ctx, s) }, changed{"cancel", s}, f.outcome},
		{"retry", func() (any, error) { return c.Retry(ctx, s) }, changed{"retry", s}, f.outcome},
		{"hold", func() (any, error) { return c.Hold(ctx, s) }, changed{"hold", s}, f.outcome},
		{"release", func() (any, error) { return c.Release(ctx, Selection{IDs: []string{"a"}}) }, changed{"release", Selection{IDs: []string{"a"}}}, f.outcome},
	}
	for i, tt := range tests {
		f.fail(nil)
		got, err := tt.call()
		asked, n := f.last()
		if err != nil || !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(asked, tt.asked) || n != 2*i+1 {
			t.Errorf("%s: asked %+v\n got %+v\nwant %+v, %v", tt.name, asked, got, tt.want, err)
		}
		f.fail(Conflict("task %s is there and says something else", "a"))
		if _, err := tt.call(); !said(err, CodeConflict, "task a is there and says something else") {
			t.Error(tt.name, err)
		}
	}
}

// TestEscapedID: what is escaped in a path is a part of an id and leads nowhere.
func TestEscapedID(t *testing.T) {
	f := full()
	dir, _, _ := serveQueue(t, f, nil)
	for path, want := range map[string]string{
		"ok%2f": "ok/", "ok%2F/explain": "ok/", "%2e%2e": "..", "%2e%2e/explain": "..", "%2e": ".", "..%2f..%2fstatus": "../../status",
		"%2e%2e%2fstatus": "../status", "%252f": "%2f", "a%2flogs": "a/logs", "%6fk": "ok", "a%2f%2fb": "a//b",
	} {
		answer, text := overControl(t, dir, "GET /v1/tasks/"+path, "", false)
		if asked, _ := f.last(); answer.StatusCode != 200 || asked != want {
			t.Errorf("%s: %s asked for %q, want %q: %.100s", path, answer.Status, asked, want, text)
		}
	}
}

// TestNoNull: no list in an answer is null, and no map.
func TestNoNull(t *testing.T) {
	f := &fakeQueue{}
	f.status.States = map[string]int{}
	_, c, _ := serveQueue(t, f, nil)
	for _, path := range []string{"/v1/status", "/v1/tasks", "/v1/tasks/a", "/v1/tasks/a/explain", "/v1/failures", "POST /v1/hold"} {
		a, err := c.ask(patient(t), "GET", path, nil, time.Minute)
		if rest, ok := strings.CutPrefix(path, "POST "); ok {
			a, err = c.ask(patient(t), "POST", rest, []byte(`{"all":true}`), time.Minute)
		}
		if err != nil {
			t.Fatal(path, err)
		}
		text, err := io.ReadAll(a)
		if err != nil || strings.Contains(strings.ReplaceAll(string(text), `"left":null`, ""), "null") {
			t.Errorf("%s: %s, %v", path, text, err)
		}
		a.Close()
	}
}

// TestBadRequests: what makes no sense is refused, with its place, and nobody
// hears of it.
func TestBadRequests(t *testing.T) {
	f := full()
	dir, _, _ := serveQueue(t, f, NewHub())
	long := strings.Repeat("a", 300)
	tests := []struct {
		request, body string
		status        int
		code, message string // begins with it
	}{
		{"GET /v1/tasks?state=ended", "", 400, CodeBadRequest, "there is no state ended; want idle, starting"},
		{"GET /v1/tasks?state=", "", 400, CodeBadRequest, "there is no state ;"},
		{"GET /v1/tasks?sort=size", "", 400, CodeBadRequest, "nothing is sorted by size"},
		{"GET /v1/tasks?sort=--id", "", 400, CodeBadRequest, "nothing is sorted by --id"},
		{"GET /v1/tasks?match=%5Ba", "", 400, CodeBadRequest, "match=[a is no pattern"},
		{"GET /v1/tasks?limit=0", "", 400, CodeBadRequest, "limit=0 makes no sense"},
		{"GET /v1/tasks?limit=1001", "", 400, CodeBadRequest, "limit=1001: want 1 to 1000"},
		{"GET /v1/tasks?limit=1e3", "", 400, CodeBadRequest, "limit=1e3 makes no sense"},
		{"GET /v1/tasks?offset=-1", "", 400, CodeBadRequest, "offset=-1 makes no sense"},
		{"GET /v1/tasks?offset=9999999999", "", 400, CodeBadRequest, "offset=9999999999 makes no sense"},
		{"GET /v1/tasks?limit=1&limit=2", "", 400, CodeBadRequest, "limit is given 2 times"},
		{"GET /v1/tasks?label=a", "", 400, CodeBadRequest, "label=a makes no sense"},
		{"GET /v1/tasks?label==a", "", 400, CodeBadRequest, "label==a makes no sense"},
		{"GET /v1/tasks?label=a=1&label=a=2", "", 400, CodeBadRequest, "label=a=2 makes no sense"},
		{"GET /v1/tasks?lable=a", "", 400, CodeBadRequest, "there is no parameter lable"},
		{"GET /v1/tasks?%zz", "", 400, CodeBadRequest, "the query cannot be read"},
		{"GET /v1/tasks/" + long, "", 404, CodeNotFound, "there is no task aaa"},
		{"GET /v1/tasks/" + long + "/explain", "", 404, CodeNotFound, "there is no task aaa"},
		{"GET /v1/tasks/", "", 404, CodeNotFound, "there is no GET /v1/tasks/"},
		{"GET /v1//status", "", 404, CodeNotFound, "there is no GET /v1//status"},
		{"GET /v1/./status", "", 404, CodeNotFound, "there is no GET"},
		{"GET /v1/tasks/../status", "", 404, CodeNotFound, "there is no GET"},
		{"GET /v1/tasks/%2e%2e/status", "", 404, CodeNotFound, "there is no GET"},
		{"GET /v1/tasks/a//explain", "", 404, CodeNotFound, "there is no GET"},
		{"GET /v1%2fstatus", "", 404, CodeNotFound, "there is no GET"},
		{"GET /v1/status?x=1", "", 400, CodeBadRequest, "there are no parameters"},
		{"GET /v1/version?x", "", 400, CodeBadRequest, "there are no parameters"},
		{"GET /v1/openapi.json?x", "", 400, CodeBadRequest, "there are no parameters"},
		{"GET /v1/failures?x", "", 400, CodeBadRequest, "there are no parameters"},
		{"GET /v1/tasks/a?x=1", "", 400, CodeBadRequest, "there are no parameters"},
		{"GET /v1/tasks/a/explain?x=1", "", 400, CodeBadRequest, "there are no parameters"},
		{"GET /v1/tasks/a/logs?x=1", "", 400, CodeBadRequest, "there is no parameter x"},
		{"GET //evil.example/", "", 404, CodeNotFound, "there is no GET"},
		{"GET /v1/events?since=1", "", 400, CodeBadRequest, "there are no parameters"},
		{"HEAD /v1/events", "", 405, CodeMethod, ""},
		{"HEAD /v1/tasks/a/logs", "", 405, CodeMethod, ""},
		{"PUT /v1/tasks/a", "x", 405, CodeMethod, "/v1/tasks/a takes GET, HEAD, not PUT"},
		{"GET /v1/cancel", "", 405, CodeMethod, "/v1/cancel takes POST, not GET"},
		{"OPTIONS /v1/cancel", "", 405, CodeMethod, "/v1/cancel takes POST, not OPTIONS"},
		{"POST /v1/cancel/x", "", 404, CodeNotFound, "there is no POST /v1/cancel/x"},

		{"POST /v1/cancel", "", 400, CodeBadRequest, "the body is empty"},
		{"POST /v1/cancel", " \n", 400, CodeBadRequest, "the body is empty"},
		{"POST /v1/cancel", "{}", 400, CodeBadRequest, "it selects nothing"},
		{"POST /v1/cancel", "null", 400, CodeBadRequest, "it selects nothing"},
		{"POST /v1/cancel", `{"ids":[]}`, 400, CodeBadRequest, "it selects nothing"},
		{"POST /v1/cancel", "all", 400, CodeBadRequest, "line 1, column 1: invalid character 'a'"},
		{"POST /v1/cancel", "{\n \"all\": tru }", 400, CodeBadRequest, "line 2, column 12: invalid character ' '"},
		{"POST /v1/cancel", `{"all":true`, 400, CodeBadRequest, "line 1, column 12: it ends too early"},
		{"POST /v1/cancel", `["a"]`, 400, CodeBadRequest, "line 1, column 1: a selection cannot be of the type array"},
		{"POST /v1/cancel", `{"ids":"a"}`, 400, CodeBadRequest, "line 1, column 10: ids cannot be of the type string"},
		{"POST /v1/cancel", `{"ids":["a",1]}`, 400, CodeBadRequest, "line 1, column 13: ids cannot be of the type number"},
		{"POST /v1/cancel", `{"al":true}`, 400, CodeBadRequest, `line 1, column 2: unknown field "al"`},
		{"POST /v1/cancel", `{"IDS":["a"]}`, 400, CodeBadRequest, `line 1, column 2: unknown field "IDS"`},
		{"POST /v1/hold", `{"ids":["a"], "ids":["b"]}`, 400, CodeBadRequest, `line 1, column 15: field "ids" is given twice`},
		{"POST /v1/retry", `{"labels":{"a":"1","a":"2"}}`, 400, CodeBadRequest, `line 1, column 20: field "a" is given twice`},
		{"POST /v1/cancel", `{"all":true} x`, 400, CodeBadRequest, "line 1, column 14: something stands behind"},
		{"POST /v1/cancel", `{"all":true}{"all":true}`, 400, CodeBadRequest, "line 1, column 13: something stands behind"},
		{"POST /v1/cancel", "\x00\xff", 400, CodeBadRequest, "line 1, column 1: invalid character"},
		{"POST /v1/cancel?id=a", `{"all":true}`, 400, CodeBadRequest, "there are no parameters"},
		{"POST /v1/retry", `{"ids":["` + strings.Repeat("a", maxSelection) + `"]}`, 413, CodeTooLarge, "the body is too large: more than 4 MB"},
		{"POST /v1/submit", "", 400, CodeBadRequest, "the body is empty"},
		{"POST /v1/submit?folder=a", "x", 400, CodeBadRequest, "folder=a: want an absolute path"},
		{"POST /v1/submit?folder=/a%00b", "x", 400, CodeBadRequest, "folder=/a b: want an absolute path"},
		{"POST /v1/submit?folder=/" + strings.Repeat("a", maxFolder), "x", 400, CodeBadRequest, "folder=/aaa"},
		{"POST /v1/submit?folder=/a&folder=/b", "x", 400, CodeBadRequest, "folder is given 2 times"},
		{"POST /v1/submit?dir=/a", "x", 400, CodeBadRequest, "there is no parameter dir"},
	}
	for _, tt := range tests {
		for _, chunked := range []bool{false, true} {
			answer, text := overControl(t, dir, tt.request, tt.body, chunked)
			var got errorBody
			if strings.HasPrefix(tt.request, "HEAD") {
				got.Error = &Error{tt.code, ""}
			} else if err := json.Unmarshal([]byte(text), &got); err != nil || got.Error == nil {
				t.Fatalf("%.60s: %s, %v", tt.request, text, err)
			}
			if answer.StatusCode != tt.status || got.Error.Code != tt.code || !strings.HasPrefix(got.Error.Message, tt.message) || answer.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%.60s %.60q: %s %s", tt.request, tt.body, answer.Status, text)
			}
			if (answer.StatusCode == 405) != (answer.Header.Get("Allow") != "") {
				t.Errorf("%s: Allow: %s", tt.request, answer.Header.Get("Allow"))
			}
		}
	}
	if asked, n := f.last(); n != 0 {
		t.Error("the queue was asked", asked)
	}
}

// overControl sends a request as it stands: method and path, and then a version
// of HTTP if that is not 1.1.
func overControl(t *testing.T, dir, request, body string, chunked bool) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(dir, "control"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if len(strings.Fields(request)) == 2 {
		request += " HTTP/1.1"
	}
	head, payload := fmt.Sprintf("Content-Length: %d\r\n", len(body)), body
	if chunked {
		head, payload = "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"
		if body != "" {
			payload = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
	}
	go func() { // it may answer before it has all
		_, _ = io.WriteString(conn, request+"\r\nHost: x\r\nConnection: close\r\n"+head+"\r\n"+payload)
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(request)[0]})
	if err != nil {
		t.Fatal(request, err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(request, err)
	}
	return answer, string(text)
}

// TestTooLarge: whoever sends too much hears of it, and is not called away.
func TestTooLarge(t *testing.T) {
	f := full()
	_, c, _ := serveQueue(t, f, nil)
	large := make([]byte, maxFile+1)
	if _, err := c.Submit(patient(t), large, ""); !said(err, CodeTooLarge, "the body is too large: more than 64 MB") {
		t.Error(err)
	}
	if _, err := c.change(patient(t), "/v1/submit", large); !said(err, CodeTooLarge, "the body is too large: more than 64 MB") {
		t.Error(err)
	}
	if _, err := c.Cancel(patient(t), Selection{IDs: []string{strings.Repeat("a", 20<<20)}}); !said(err, CodeTooLarge, "the body is too large: more than 4 MB") {
		t.Error(err)
	}
	if _, err := c.Submit(patient(t), large[:maxFile], ""); !said(err, CodeBadRequest, "the body is empty; want a tasks file") && err != nil {
		t.Error(err)
	}
}

// TestSlowBody: how a body may come. It is sent in so many parts of 100 bytes.
func TestSlowBody(t *testing.T) {
	tests := []struct {
		name   string
		parts  int // of 10, if not more
		pause  time.Duration
		status int
		most   time.Duration
	}{
		{"at once", 10, 0, 200, 0},
		{"slow but honest", 10, time.Second, 200, 9 * time.Second},
		{"stops", 3, time.Second, 400, 18 * time.Second},
		{"nothing", 0, 0, 400, 16 * time.Second},
		{"drips", 1000, 10 * time.Second, 400, 30 * time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			f := full()
			l := servePipes(t, NewAPI(fullConfig(f, nil)))
			conn := l.dial()
			defer conn.Close()
			began := time.Now()
			go func() {
				_, err := fmt.Fprintf(conn, "POST /v1/submit HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", max(1000, 100*tt.parts))
				for i := 0; i < tt.parts && err == nil; i++ {
					if i > 0 {
						time.Sleep(tt.pause) // the bubble's clock
					}
					_, err = io.WriteString(conn, strings.Repeat("a", 100))
				}
			}()
			answer, text := answerOf(t, conn)
			if took := time.Since(began); answer.StatusCode != tt.status || took > tt.most {
				t.Errorf("%s: %s %s after %v", tt.name, answer.Status, text, took)
			}
			conn.Close()
			time.Sleep(tt.pause) // who sends notices
		})
	}
}

// TestPatience: how long an answer may take, and that a change is not cut short
// by what was meant for its body.
func TestPatience(t *testing.T) {
	for request, most := range map[string]time.Duration{
		"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n":                                    readTimeout,
		"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n":                                    readTimeout,
		"POST /v1/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na":             changeTimeout,
		"POST /v1/hold HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"all\":true}": changeTimeout,
	} {
		synctest.Test(t, func(t *testing.T) {
			l := servePipes(t, NewAPI(fullConfig(&fakeQueue{block: true}, NewHub())))
			conn := l.dial()
			defer conn.Close()
			began := time.Now()
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			answer, text := answerOf(t, conn)
			if took := time.Since(began); answer.StatusCode != 503 || !strings.Contains(text, `"busy"`) || took != most {
				t.Errorf("%q: %s %s after %v", request, answer.Status, text, took)
			}
		})
	}
}

// TestSubmitsTakeTurns: no more files are held at a time than memory is meant
// for.
func TestSubmitsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := servePipes(t, NewAPI(fullConfig(&fakeQueue{block: true}, nil)))
		for range maxSubmits {
			conn := l.dial()
			defer conn.Close()
			if _, err := io.WriteString(conn, "POST /v1/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		conn := l.dial()
		defer conn.Close()
		go io.WriteString(conn, "POST /v1/submit HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
		if answer, text := answerOf(t, conn); answer.StatusCode != 503 || !strings.Contains(text, "busy with what others submit") {
			t.Error(answer.Status, text)
		}
	})
}

// TestEndsWhileAsked: who waits for an answer of a cmdq that ends hears so.
func TestEndsWhileAsked(t *testing.T) {
	f := &fakeQueue{block: true, waits: make(chan struct{}, 1)}
	_, c, s := serveQueue(t, f, nil)
	ctx := patient(t)
	errs := make(chan error, 1)
	go func() {
		_, err := c.Cancel(ctx, Selection{All: true})
		errs <- err
	}()
	within(t, f.waits, "the queue is asked")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; !said(err, CodeEnding, "cmdq is ending") {
		t.Error(err)
	}
	if _, err := c.Status(ctx); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
}

// TestNotServed: what the Config does not have is not there.
func TestNotServed(t *testing.T) {
	dir := stateDir(t, 0)
	serveControl(t, dir, nil)
	for _, r := range NewAPI(fullConfig(full(), NewHub())).routes() {
		answer, text := overControl(t, dir, r.method+" "+strings.ReplaceAll(r.path, "{id}", "a"), "", false)
		want := 404
		switch r.path {
		case "/v1/version", "/v1/openapi.json", "/healthz":
			want = 200
		}
		if answer.StatusCode != want {
			t.Error(r.method, r.path, answer.Status, text)
		}
	}
}

// FuzzQuery: a query that makes sense is the same after a round trip; any other
// is a bad request.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "state=running,held&state=idle&label=a=b&label=c=&group=g&agent=h&match=*&sort=-id&offset=1&limit=1000", "label==", "state=,", "a=b", "match=\\"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := parseQuery(query)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeBadRequest {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		if again, err := parseQuery(q.encode()); err != nil || fmt.Sprint(again) != fmt.Sprint(q) || q.Limit < 1 || q.Limit > MaxLimit || q.Offset < 0 {
			t.Errorf("%q is %+v, and then %+v, %v", query, q, again, err)
		}
	})
}

// FuzzSelection: the same for a selection.
func FuzzSelection(f *testing.F) {
	for _, s := range []string{"", "{}", `{"ids":["a"],"labels":{"a":"b"},"all":true,"failed":true,"group":"g"}`, `{"all":1}`, `{"IDS":["a"]}`, `{"all":true}}`, "[", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSelection(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeBadRequest || len(e.Message) > 300 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := parseSelection(marshal(s)); err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("%q is %+v, and then %+v, %v", text, s, again, err)
		}
	})
}
