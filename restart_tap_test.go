package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// tap stands between cmdq and a master. It counts calls, keeps some of them for
// itself, and can be cut like a cable.
type tap struct {
	t      *testing.T
	server *httptest.Server
	addr   string

	mu    sync.Mutex
	calls map[sched.Call_Type]int
	held  map[sched.Call_Type]bool // are neither passed on nor answered
	isCut bool
	more  chan struct{} // closed and renewed at every call
}

func startTap(t *testing.T, m *mesos) *tap {
	t.Helper()
	x := &tap{t: t, calls: map[sched.Call_Type]int{}, held: map[sched.Call_Type]bool{}, more: make(chan struct{})}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: m.addr}) },
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	x.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var call sched.Call
		if err == nil {
			err = call.Unmarshal(body)
		}
		if err != nil || !x.passes(call.Type) {
			<-r.Context().Done() // until the caller has gone, or the cable is cut
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	x.addr = strings.TrimPrefix(x.server.URL, "http://")
	t.Cleanup(func() { x.server.CloseClientConnections(); x.server.Close() })
	return x
}

// passes counts a call, and ends a connection that should not be.
func (x *tap) passes(call sched.Call_Type) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.isCut {
		panic(http.ErrAbortHandler)
	}
	x.calls[call]++
	close(x.more)
	x.more = make(chan struct{})
	return !x.held[call]
}

func (x *tap) count(call sched.Call_Type) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.calls[call]
}

// waitFor waits until a call has come so many times.
func (x *tap) waitFor(call sched.Call_Type, times int) {
	x.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		x.mu.Lock()
		n, more := x.calls[call], x.more
		x.mu.Unlock()
		if n >= times {
			return
		}
		select {
		case <-more:
		case <-deadline:
			x.t.Fatalf("%s came %d times, want %d", call, n, times)
		}
	}
}

func (x *tap) hold(call sched.Call_Type, held bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held[call] = held
}

// cut ends every connection, and those to come.
func (x *tap) cut(cut bool) {
	x.mu.Lock()
	x.isCut = cut
	x.mu.Unlock()
	if cut {
		x.server.CloseClientConnections()
	}
}
