// Package web is what cmdq answers over HTTP. At --listen it is a Site: to agents
// the files and the executor that it offers them (Artifacts), and to people the
// API and the page, behind a Guard. On the control socket of the state directory
// (ListenControl) it is the API alone; Client is the other end of that one.
//
// A Server owns its connections, Artifacts what is offered, and a Hub the events
// that are under way to their readers, each guarded by a mutex; there is no other
// state. The package knows nothing of tasks: what is behind the API are
// interfaces that its caller implements (Queue, Changes, Logs). It never serves a
// file that was not offered, follows no link that came after the offer, lets
// nobody change anything over TCP who has no token, and bounds every request in
// time and size, but for what a person reads on the control socket. Nobody who
// publishes an event waits for those who read it.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Bounds of a Server. Who knows no path can hold one of its connections for
// headerTimeout and idleTimeout.
const (
	maxConnections = 512
	maxHeader      = 16 << 10 // bytes
	headerTimeout  = 10 * time.Second
	bodyTimeout    = time.Second // of a body that nobody wants, of which net/http reads some; readBody gives more
	idleTimeout    = 15 * time.Second
	writeTimeout   = time.Minute // of an answer; handlers with long ones move it
	closeTimeout   = time.Second
)

// errEnding is why the context of a request ends when its Server is closed.
var errEnding = &Error{CodeEnding, "cmdq is ending"}

// Server answers the requests of one listener.
type Server struct {
	http   *http.Server
	end    context.CancelCauseFunc
	accept sync.WaitGroup

	mu      sync.RWMutex // guards closed: once it is set, running grows no more
	closed  bool
	running sync.WaitGroup // requests
}

// Serve answers requests with h until Close; the listener is its own from now
// on. Beyond 512 connections it accepts none until one has ended.
func Serve(l net.Listener, h http.Handler, log *logrus.Entry) *Server {
	ctx, end := context.WithCancelCause(context.Background())
	s := &Server{end: end}
	s.http = &http.Server{
		Handler: s.bounded(h), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, ErrorLog: stdlog.New(httpLog{log}, "", 0),
	}
	var limited net.Listener = limit(l, maxConnections)
	if ours, ok := l.(*Listener); ok && ours.tls != nil {
		limited = tls.NewListener(limited, ours.tls) // outermost: net/http bounds its handshake
	}
	s.accept.Go(func() {
		if err := s.http.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).WithField("addr", l.Addr()).Error("an HTTP server has ended")
		}
	})
	return s
}

// bounded gives every request its time, and counts it.
func (s *Server) bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler) // the connection is about to be closed
		}
		defer s.running.Done()
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails where writing will
		if r.ContentLength != 0 {
			_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		h.ServeHTTP(w, r)
	})
}

func (s *Server) enter() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

// Drain takes no new requests and lets answers that are under way come to their
// end, for at most so long. Close comes after it.
func (s *Server) Drain(most time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	_ = s.http.Shutdown(ctx) // what has not ended by then is for Close
}

// Close ends the context of every request, gives the answers a second to end,
// cuts off those that did not, and returns when all handlers have.
func (s *Server) Close() error {
	s.end(errEnding)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	s.accept.Wait()
	return err
}

// httpLog is where net/http says what went wrong in a handler, a panic above all.
type httpLog struct{ log *logrus.Entry }

func (l httpLog) Write(text []byte) (int, error) {
	l.log.Warn(strings.TrimSpace(string(text)))
	return len(text), nil
}
