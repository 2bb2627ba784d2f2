package local

import (
	"errors"
	stdlog "log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
)

func listenOn(ip string, port int) (net.Listener, netip.AddrPort, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(port))))
	if err != nil {
		return nil, netip.AddrPort{}, err // it names the operation and the address
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	return l, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}

// serve answers HTTP on a listener. There are no timeouts on purpose: Mesos'
// own scheduler library opens a connection, leaves it idle until it needs it,
// and takes its loss for the loss of the master.
func (c *Cluster) serve(l *plug, at netip.AddrPort, side string, inner http.Handler) {
	guarded := newDoor(at, side, c.cfg.access, cookieName(c.master.addr.Port()), inner)
	guarded.home = at == c.master.addr
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.requests.enter() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		defer c.requests.running.Done()
		guarded.ServeHTTP(w, r)
	})
	s := &http.Server{
		Handler: l.guard(counted), DisableGeneralOptionsHandler: true, ConnContext: withConn,
		MaxHeaderBytes: 64 << 10, ErrorLog: stdlog.New(httpLog{c.cfg.Log}, "", 0),
	}
	c.servers = append(c.servers, s)
	c.serving.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.cfg.Log.WithError(err).WithField("addr", at).Error("an HTTP server has ended")
		}
	})
}

// httpLog is where net/http says what went wrong in a handler, a panic above all.
type httpLog struct{ log *logrus.Entry }

func (l httpLog) Write(text []byte) (int, error) {
	l.log.Warn(strings.TrimSpace(string(text)))
	return len(text), nil
}

// requests counts the HTTP requests that are being answered.
type requests struct {
	mu      sync.RWMutex
	closed  bool
	running sync.WaitGroup
}

func (r *requests) enter() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.closed {
		r.running.Add(1)
	}
	return !r.closed
}

func (r *requests) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}
