package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sparse makes a file of a size that no kernel buffers.
func sparse(t *testing.T) string {
	t.Helper()
	file := put(t, t.TempDir(), "large", "begin")
	if err := os.Truncate(file, 1<<30); err != nil {
		t.Fatal(err)
	}
	return file
}

// begin asks for a URL and reads no more than the head of the answer.
func begin(t *testing.T, at string) (net.Conn, *bufio.Reader) {
	t.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(at, "http://"), "/")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			return conn, r
		}
	}
}

// observed tells when a handler has returned.
func observed(h http.Handler) (http.Handler, <-chan struct{}) {
	done := make(chan struct{}, 100)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { done <- struct{}{} }()
		h.ServeHTTP(w, r)
	}), done
}

func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("in vain waited until", what)
	}
}

// TestStalled: who stops reading is cut off, and others are served meanwhile.
func TestStalled(t *testing.T) {
	l, err := Listen("", "", true)
	if err != nil {
		t.Fatal(err)
	}
	a := newArtifacts(t, l.URL())
	a.pace.stall = 300 * time.Millisecond
	h, done := observed(a)
	s := Serve(l, h, silent())
	defer s.Close()
	at := offered(t, a, sparse(t), "large")
	_, r := begin(t, at)
	small := offered(t, a, put(t, t.TempDir(), "small", "x"), "small")
	if answer, _ := ask(t, "GET", small); answer.StatusCode != 200 {
		t.Error(answer.Status)
	}
	within(t, done, "the small file was sent")
	within(t, done, "a reader that has stopped is cut off")
	if n, err := io.Copy(io.Discard, r); n >= 1<<30 {
		t.Error("all of it came", n, err)
	}
}

// deadlines is a client that takes so long for each write, and fails those that
// come after their deadline.
type deadlines struct {
	http.ResponseWriter
	takes time.Duration
	due   time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { d.due = t; return nil }

func (d *deadlines) Write(p []byte) (int, error) {
	time.Sleep(min(d.takes, time.Until(d.due))) // the bubble's clock
	if !time.Now().Before(d.due) {
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

// TestPace: how long a reader of some speed gets for 20 MB.
func TestPace(t *testing.T) {
	const size, part = 20 << 20, 32 << 10
	tests := []struct {
		takes time.Duration // for 32 KB
		whole bool
		most  time.Duration
	}{
		{0, true, 0},
		{100 * time.Millisecond, true, 65 * time.Second}, // 320 KB/s
		{3 * time.Second, true, 32 * time.Minute},        // 11 KB/s
		{10 * time.Second, false, 2 * time.Minute},       // 3 KB/s
		{59 * time.Second, false, 2 * time.Minute},       // would be 10 hours
		{61 * time.Second, false, time.Minute}, {100 * time.Hour, false, time.Minute},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			w := defaultPace.writer(&deadlines{takes: tt.takes}, &http.Request{})
			var err error
			sent := 0
			for sent < size && err == nil {
				_, err = w.Write(make([]byte, part))
				sent += part
			}
			if took := time.Since(began); (err == nil) != tt.whole || took > tt.most {
				t.Errorf("%v for 32 KB: %v after %v", tt.takes, err, took)
			}
		})
	}
}

// TestPaceEnds: nothing more is written once the server ends.
func TestPaceEnds(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	d := &deadlines{takes: time.Millisecond}
	w := defaultPace.writer(d, (&http.Request{}).WithContext(ctx))
	if n, err := w.Write([]byte("x")); n != 1 || err != nil {
		t.Error(n, err)
	}
	end(errEnding)
	if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, errEnding) {
		t.Error(n, err)
	}
}

// TestEndOfRun: offers end at once; what is being sent ends with the server.
func TestEndOfRun(t *testing.T) {
	a, s := serveArtifacts(t)
	at := offered(t, a, sparse(t), "large")
	_, r := begin(t, at)
	program, err := a.OfferProgram()
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	for _, u := range []string{at, program} {
		if answer, _ := ask(t, "HEAD", u); answer.StatusCode != 404 {
			t.Error(answer.Status)
		}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	within(t, closed, "the server has closed, though a client reads nothing")
	if n, _ := io.Copy(io.Discard, r); n >= 1<<30 {
		t.Error("all of it came", n)
	}
	if _, err := http.Get(at); err == nil {
		t.Error("somebody still answers")
	}
}

// TestCloseWaits: Close returns when every handler has, and ends their contexts.
func TestCloseWaits(t *testing.T) {
	l, err := Listen("", "", true)
	if err != nil {
		t.Fatal(err)
	}
	entered, cause := make(chan struct{}), error(nil)
	s := Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		cause = context.Cause(r.Context())
	}), silent())
	go http.Get(l.URL())
	<-entered
	if err := s.Close(); err != nil || !errors.Is(cause, errEnding) {
		t.Error(err, cause)
	}
}

// TestCloseWaitsForAll: also for a handler that outlives its connection.
func TestCloseWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := newPipes()
		s := Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-release
		}), silent())
		conn := l.dial()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := readHead(conn)
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		if n, err := answer.Body.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("something came", n, err)
		}
		synctest.Wait()
		if len(closed) > 0 { // though the connection is cut
			t.Error("Close did not wait for the handler")
		}
		close(release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// TestUnwantedBody: a body that never ends is not waited for.
func TestUnwantedBody(t *testing.T) {
	a, _ := serveArtifacts(t)
	began := time.Now()
	for _, size := range []string{"Content-Length: 1000", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		answer, _ := raw(t, a.base[len("http://"):], "POST / HTTP/1.1\r\nHost: x\r\n"+size+"\r\n\r\n1")
		if answer.StatusCode != 404 || time.Since(began) > headerTimeout {
			t.Error(size, answer.Status, time.Since(began))
		}
	}
}

// endless is a listener to which somebody connects at once, always.
type endless struct {
	net.Listener
	accepted int
	closed   chan struct{}
}

func (e *endless) Accept() (net.Conn, error) {
	e.accepted++
	c, _ := net.Pipe()
	return c, nil
}

func (e *endless) Close() error { close(e.closed); return nil }

// TestConnections: beyond the limit nobody is accepted until somebody has gone.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &endless{closed: make(chan struct{})}
		l := limit(inner, 2)
		conns, ended := make(chan net.Conn, 10), make(chan error, 1)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				conns <- c
			}
		}()
		now := func(want int) {
			t.Helper()
			synctest.Wait()
			if inner.accepted != want {
				t.Errorf("%d connections were accepted, want %d", inner.accepted, want)
			}
		}
		now(2)
		first := <-conns
		for range 3 { // gives its slot back once
			if err := first.Close(); err != nil {
				t.Error(err)
			}
		}
		now(3)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-inner.closed
	})
}
