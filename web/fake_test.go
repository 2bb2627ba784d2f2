package web

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
)

// fakeQueue answers what a test says, and remembers what it was asked.
type fakeQueue struct {
	mu    sync.Mutex
	asked []any // Query, id, Selection with its verb, or submitted
	err   error // of every answer, if it is not nil
	block bool  // wait until ctx ends

	waits chan struct{} // gets one for each question that does; nil: nobody wants to know

	status   Status
	tasks    Tasks
	task     Task
	explain  Explanation
	failures Failures
	outcome  Outcome
}

type submitted struct{ file, folder string }

type changed struct {
	verb string
	Selection
}

func (f *fakeQueue) note(ctx context.Context, asked any) error {
	f.mu.Lock()
	f.asked = append(f.asked, asked)
	err, block := f.err, f.block
	f.mu.Unlock()
	if block {
		if f.waits != nil {
			f.waits <- struct{}{}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// last is what it was asked last, and how often in all.
func (f *fakeQueue) last() (any, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		return nil, 0
	}
	return f.asked[len(f.asked)-1], len(f.asked)
}

func (f *fakeQueue) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeQueue) Status(ctx context.Context) (Status, error) {
	return f.status, f.note(ctx, "status")
}

func (f *fakeQueue) Tasks(ctx context.Context, q Query) (Tasks, error) {
	return f.tasks, f.note(ctx, q)
}

func (f *fakeQueue) Task(ctx context.Context, id string) (Task, error) {
	return f.task, f.note(ctx, id)
}

func (f *fakeQueue) Explain(ctx context.Context, id string) (Explanation, error) {
	return f.explain, f.note(ctx, id)
}

func (f *fakeQueue) Failures(ctx context.Context) (Failures, error) {
	return f.failures, f.note(ctx, "failures")
}

func (f *fakeQueue) Submit(ctx context.Context, file []byte, folder string) (Outcome, error) {
	return f.outcome, f.note(ctx, submitted{string(file), folder})
}

func (f *fakeQueue) Cancel(ctx context.Context, s Selection) (Outcome, error) {
	return f.outcome, f.note(ctx, changed{"cancel", s})
}

func (f *fakeQueue) Retry(ctx context.Context, s Selection) (Outcome, error) {
	return f.outcome, f.note(ctx, changed{"retry", s})
}

func (f *fakeQueue) Hold(ctx context.Context, s Selection) (Outcome, error) {
	return f.outcome, f.note(ctx, changed{"hold", s})
}

func (f *fakeQueue) Release(ctx context.Context, s Selection) (Outcome, error) {
	return f.outcome, f.note(ctx, changed{"release", s})
}

// fullConfig serves everything there is.
func fullConfig(f *fakeQueue, h *Hub) Config {
	return Config{Version: "v1.2.3", Queue: f, Changes: f, Hub: h, Ready: func() bool { return true },
		Logs: &fakeLogs{func(context.Context, LogRequest) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader([]byte("output\n"))), nil
		}, make(chan struct{}, 1000)},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, 200, "cmdq_tasks 1\n") }),
		Log:     silent()}
}

// serveQueue answers on the control socket of a new directory.
func serveQueue(t testing.TB, f *fakeQueue, h *Hub) (dir string, c *Client, s *Server) {
	t.Helper()
	dir = stateDir(t, 0)
	l, err := ListenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	s = Serve(l, NewAPI(fullConfig(f, h)), silent())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if c, err = DialControl(dir); err != nil {
		t.Fatal(err)
	}
	return dir, c, s
}

// pipes is a listener within a bubble of synctest, where there are no sockets.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// servePipes answers within a bubble until its test ends.
func servePipes(t *testing.T, h http.Handler) *pipes {
	l := newPipes()
	s := Serve(l, h, silent())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// answerOf reads an answer, whole.
func answerOf(t testing.TB, conn net.Conn) (*http.Response, string) {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func ptr[T any](v T) *T { return &v }

// sample is a task in a list.
func sample(id string) Row {
	return Row{ID: id, State: "running", Command: "echo " + id, Labels: map[string]string{"team": "a"}, Submitted: "2026-11-21T17:00:00.000Z", Attempts: 1}
}

// patient is a context for what has to come soon.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// readHead reads the head of an answer; its body is read as it comes.
func readHead(conn net.Conn) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(conn), nil)
}

func logsOf(r io.Reader) func(context.Context, LogRequest) (io.ReadCloser, error) {
	return func(context.Context, LogRequest) (io.ReadCloser, error) { return io.NopCloser(r), nil }
}

func failingLogs(err error) func(context.Context, LogRequest) (io.ReadCloser, error) {
	return func(context.Context, LogRequest) (io.ReadCloser, error) { return nil, err }
}

// contextWith is a request's context where its connection came to this address.
func contextWith(r *http.Request, at netip.AddrPort) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(at)))
}
