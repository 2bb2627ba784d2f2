package local

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// plug is a listener whose process can be made to look hung or gone, while the
// port stays ours: a real one would be started again on the same port.
type plug struct {
	net.Listener

	mu      sync.Mutex
	state   plugState
	changed chan struct{} // closed at the next change of state
	conns   map[net.Conn]struct{}
}

type plugState uint8

const (
	plugged   plugState = iota
	stalled             // connections wait, and so does what is asked on them
	unplugged           // connections are closed as they come
)

func newPlug(l net.Listener) *plug {
	return &plug{Listener: l, changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
}

// Accept returns the next connection that is not cut at once.
func (p *plug) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p.waits(context.Background()) {
			if own := p.keep(c); own != nil {
				return own, nil
			}
		}
		_ = c.Close() // nobody is there to hear of it
	}
}

// keep notes a connection; nil if it came too late.
func (p *plug) keep(c net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == unplugged {
		return nil
	}
	own := &pluggedConn{Conn: c, plug: p}
	p.conns[own] = struct{}{}
	return own
}

// Close ends the listener, and whatever waits for it.
func (p *plug) Close() error {
	p.set(unplugged)
	return p.Listener.Close()
}

// waits until the plug is not stalled; false if it is not in.
func (p *plug) waits(ctx context.Context) bool {
	for {
		p.mu.Lock()
		state, changed := p.state, p.changed
		p.mu.Unlock()
		if state != stalled {
			return state == plugged
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (p *plug) set(state plugState) {
	p.mu.Lock()
	p.state = state
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if state == unplugged {
		p.cut(nil)
	}
}

// cut closes all connections but one.
func (p *plug) cut(but net.Conn) {
	p.mu.Lock()
	var doomed []net.Conn
	for c := range p.conns {
		if c != but {
			doomed = append(doomed, c)
		}
	}
	p.mu.Unlock()
	for _, c := range doomed {
		_ = c.Close() // the other end may have closed it first
	}
}

// has tells whether a connection is still there. One that is not the plug's,
// such as that of a test without a listener, is.
func (p *plug) has(c net.Conn) bool {
	own, ok := c.(*pluggedConn)
	if !ok {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.conns[own]
	return there
}

// guard holds back what is asked on connections that are there while the plug
// is stalled.
func (p *plug) guard(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.waits(r.Context()) {
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	})
}

// pluggedConn is a connection that its plug knows.
type pluggedConn struct {
	net.Conn
	plug *plug
}

// Close closes the connection; more than once does no harm.
func (c *pluggedConn) Close() error {
	c.plug.mu.Lock()
	delete(c.plug.conns, c)
	c.plug.mu.Unlock()
	return c.Conn.Close()
}

// connKey is the key of a request's own connection in its context.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf is the connection that a request came on.
func connOf(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}
