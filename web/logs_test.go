package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// fakeLogs lets a test be the output of a command.
type fakeLogs struct {
	open   func(ctx context.Context, r LogRequest) (io.ReadCloser, error)
	closed chan struct{} // gets one for each reader that was closed
}

func (f *fakeLogs) Log(ctx context.Context, r LogRequest) (*Output, error) {
	output, err := f.open(ctx, r)
	if err != nil {
		return nil, err
	}
	return &Output{closing{output, f.closed}, "of " + r.Task, r.From - int64(r.Attempt)}, nil
}

type closing struct {
	io.Reader
	closed chan<- struct{}
}

func (c closing) Close() error {
	c.closed <- struct{}{}
	return nil
}

// startLogs answers for a directory with output that open makes.
func startLogs(t *testing.T, open func(ctx context.Context, r LogRequest) (io.ReadCloser, error)) (*Client, *Server, *fakeLogs) {
	t.Helper()
	dir := stateDir(t, 0)
	f := &fakeLogs{open, make(chan struct{}, 100)}
	s := serveControl(t, dir, f)
	c, err := DialControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c, s, f
}

// piped is output that a test writes, or ends with an error. It ends with its
// context, as Logs asks for.
func piped(t *testing.T) (*io.PipeWriter, func(context.Context, LogRequest) (io.ReadCloser, error)) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return w, func(ctx context.Context, _ LogRequest) (io.ReadCloser, error) {
		context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
		return r, nil
	}
}

// TestLog: every byte comes, and only they, and the request as it was made.
func TestLog(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	large := make([]byte, 3<<20)
	random.Read(large)
	for _, want := range [][]byte{nil, []byte("a\n"), []byte("no end\x00\xff\r\n\r"), large} {
		for _, asked := range []LogRequest{
			{Task: "a", Stream: Stdout, Tail: All}, {Task: "a.b-1", Stream: Stderr, Attempt: 3, Tail: 0, Follow: true},
			{Task: "no/id ?#%2f", Stream: Stdout, Tail: 10},
			{Task: "a", Stream: Stdout, Tail: All, Launch: "F-1/2&x", From: 1 << 40, Follow: true},
		} {
			var got LogRequest
			c, _, f := startLogs(t, func(_ context.Context, r LogRequest) (io.ReadCloser, error) {
				got = r
				return io.NopCloser(bytes.NewReader(want)), nil
			})
			output, err := c.Log(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			if from := max(asked.From-int64(asked.Attempt), -1); output.Launch != "of "+asked.Task || output.From != from {
				t.Errorf("%+v began at %d of %q", asked, output.From, output.Launch)
			}
			text, err := io.ReadAll(output)
			if err != nil || !bytes.Equal(text, want) || got != asked {
				t.Errorf("%+v was %+v: %d bytes of %d, %v", asked, got, len(text), len(want), err)
			}
			if err := output.Close(); err != nil {
				t.Error(err)
			}
			<-f.closed
		}
	}
}

// TestFollow: what a command writes comes when it writes it.
func TestFollow(t *testing.T) {
	w, open := piped(t)
	c, _, _ := startLogs(t, open)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := c.Log(ctx, LogRequest{Task: "a", Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	for _, text := range []string{"one\n", "t", "wo\n"} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text)) // before there is more
		if _, err := io.ReadFull(output, got); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	w.Close()
	if n, err := output.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
}

// TestClientGoes: nobody goes on reading for a client that has gone.
func TestClientGoes(t *testing.T) {
	for _, how := range []string{"close", "cancel"} {
		_, open := piped(t)
		c, _, f := startLogs(t, open)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		output, err := c.Log(ctx, LogRequest{Task: "a", Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if how == "cancel" {
			cancel()
			if _, err := output.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		} else if err := output.Close(); err != nil {
			t.Error(err)
		}
		within(t, f.closed, "the output is closed after "+how)
	}
}

// TestLogBroken: whatever ends the output before its end is an error of its
// reader.
func TestLogBroken(t *testing.T) {
	nasty := "line\nwith \x7f \x1b[31m \"quotes\" \xff ünïcode " + strings.Repeat("é", maxMessage)
	tests := []struct {
		name string
		end  func(w *io.PipeWriter, s *Server)
		want func(err error) bool
	}{
		{"error", func(w *io.PipeWriter, _ *Server) { w.CloseWithError(errors.New("the agent has gone")) },
			func(err error) bool { return said(err, CodeInternal, "the agent has gone") }},
		{"not found", func(w *io.PipeWriter, _ *Server) { w.CloseWithError(NotFound("the sandbox is %s", "gone")) },
			func(err error) bool { return said(err, CodeNotFound, "the sandbox is gone") }},
		{"nasty text", func(w *io.PipeWriter, _ *Server) { w.CloseWithError(errors.New(nasty)) },
			func(err error) bool {
				return said(err, CodeInternal, cut(nasty, maxMessage)) && len(err.Error()) > maxMessage-100 && !strings.ContainsAny(err.Error(), "\n\x7f\x1b")
			}},
		{"quotes", func(w *io.PipeWriter, _ *Server) { w.CloseWithError(errors.New(strings.Repeat(`"`, 1<<20))) },
			func(err error) bool { return said(err, CodeInternal, strings.Repeat(`"`, maxMessage)) }},
		{"cmdq ends", func(_ *io.PipeWriter, s *Server) { s.Close() },
			func(err error) bool { return said(err, CodeEnding, "cmdq is ending") }},
		{"cut", func(w *io.PipeWriter, s *Server) { s.http.Close() },
			func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, open := piped(t)
			c, s, f := startLogs(t, open)
			output, err := c.Log(t.Context(), LogRequest{Task: "a", Follow: true})
			if err != nil {
				t.Fatal(err)
			}
			defer output.Close()
			if _, err := io.WriteString(w, "begin"); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(output, got); err != nil || string(got) != "begin" {
				t.Fatalf("%q, %v", got, err)
			}
			tt.end(w, s)
			if n, err := output.Read(got); n != 0 || !tt.want(err) {
				t.Errorf("%d bytes, %v", n, err)
			}
			within(t, f.closed, "the output is closed")
		})
	}
}

// said tells whether an error is this word of cmdq.
func said(err error, code, message string) bool {
	var e *Error
	return errors.As(err, &e) && *e == Error{code, message}
}

// TestNoTrailer: an answer that is whole to HTTP but does not say so is not
// whole.
func TestNoTrailer(t *testing.T) {
	dir := stateDir(t, 0)
	l, err := ListenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") }), silent())
	defer s.Close()
	c, err := DialControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.Log(t.Context(), LogRequest{Task: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	if text, err := io.ReadAll(output); string(text) != "text" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", text, err)
	}
}

// TestErrors: every error has a status and the one shape.
func TestErrors(t *testing.T) {
	dir := stateDir(t, 0)
	opened := 0
	s := serveControl(t, dir, &fakeLogs{open: func(_ context.Context, r LogRequest) (io.ReadCloser, error) {
		opened++
		if r.Task == "broken" {
			return nil, errors.New("read the journal: it is broken")
		}
		return nil, NotFound("there is no task %s", r.Task)
	}})
	defer s.Close()
	tests := []struct {
		request string
		status  int
		code    string
		message string // begins with it
	}{
		{"GET /v1/tasks/x/logs", 404, CodeNotFound, "there is no task x"},
		{"GET /v1/tasks/a%2fb/logs", 404, CodeNotFound, "there is no task a/b"},
		{"GET /v1/tasks/broken/logs", 500, CodeInternal, "read the journal: it is broken"},
		{"GET /v1/tasks/x/logs HTTP/1.0", 400, CodeBadRequest, "HTTP/1.1 is needed"},
		{"GET /v1/tasks/x/logs?stream=both", 400, CodeBadRequest, "stream=both makes no sense"},
		{"GET /v1/tasks/x/logs?stream=", 400, CodeBadRequest, "stream= makes no sense"},
		{"GET /v1/tasks/x/logs?attempt=0", 400, CodeBadRequest, "attempt=0 makes no sense"},
		{"GET /v1/tasks/x/logs?attempt=99999999999999999999", 400, CodeBadRequest, "attempt=9999"},
		{"GET /v1/tasks/x/logs?tail=-1", 400, CodeBadRequest, "tail=-1 makes no sense"},
		{"GET /v1/tasks/x/logs?follow=yes", 400, CodeBadRequest, "follow=yes makes no sense"},
		{"GET /v1/tasks/x/logs?folow=1", 400, CodeBadRequest, "there is no parameter folow"},
		{"GET /v1/tasks/x/logs?tail=1&tail=2", 400, CodeBadRequest, "tail is given 2 times"},
		{"GET /v1/tasks/x/logs?%zz", 400, CodeBadRequest, "the query cannot be read"},
		{"GET /", 404, CodeNotFound, "there is no GET /"},
		{"GET /v2/version", 404, CodeNotFound, "there is no GET /v2/version"},
		{"GET /artifacts/", 404, CodeNotFound, "there is no GET /artifacts/"},
		{"GET /v1/tasks/x", 404, CodeNotFound, "there is no GET"},
		{"POST /v1/version", 405, CodeMethod, "/v1/version takes GET, HEAD, not POST"},
		{"DELETE /v1/tasks/x/logs", 405, CodeMethod, "/v1/tasks/x/logs takes GET, not DELETE"},
		{"GET /" + strings.Repeat("a", 9000), 404, CodeNotFound, "there is no GET /aaa"},
		{"GET /%0a%1b", 404, CodeNotFound, "there is no GET /  "},
	}
	for _, tt := range tests {
		answer, text := overControl(t, dir, tt.request, "", false)
		var got struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || answer.StatusCode != tt.status || got.Error.Code != tt.code || !strings.HasPrefix(got.Error.Message, tt.message) ||
			len(text) > 3*maxMessage || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%.60s: %s %s", tt.request, answer.Status, text)
		}
	}
	if opened != 3 {
		t.Error(opened, "outputs were opened for 3 good requests")
	}
}

// TestClientErrors: an error of the API comes back as it is; no task has a name
// that a path cannot say.
func TestClientErrors(t *testing.T) {
	c, _, _ := startLogs(t, func(_ context.Context, r LogRequest) (io.ReadCloser, error) {
		return nil, NotFound("there is no task %s", r.Task)
	})
	if _, err := c.Log(t.Context(), LogRequest{Task: "x"}); !said(err, CodeNotFound, "there is no task x") {
		t.Error(err)
	}
	for _, id := range []string{"ok/", "/", "/ok", ".", "..", "../", "a/../b", "%2f", "%2e", "ok/logs", "a//b", " ", "a\x00b", "\xff"} {
		if _, err := c.Log(t.Context(), LogRequest{Task: id}); !said(err, CodeNotFound, cut("there is no task "+id, 100)) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := c.Log(t.Context(), LogRequest{}); !said(err, CodeNotFound, `there is no task ""`) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Log(ctx, LogRequest{Task: "x"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// FuzzLogRequest: a request that makes sense is the same after a round trip; any
// other is a bad one.
func FuzzLogRequest(f *testing.F) {
	for _, q := range []string{"", "stream=stderr&attempt=2&tail=0&follow=1", "tail=-1", "follow=0", "a=b", "tail=1;follow=1", "stream=stdout"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r, err := parseLogRequest("x", query)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeBadRequest {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		if r.Attempt < 0 || r.Tail < All || r.Stream != Stdout && r.Stream != Stderr {
			t.Errorf("%q is %+v", query, r)
		}
		if again, err := parseLogRequest("x", r.query()); err != nil || again != r {
			t.Errorf("%q is %+v, and then %+v, %v", query, r, again, err)
		}
	})
}
