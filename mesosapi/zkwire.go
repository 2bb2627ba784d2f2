package mesosapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	maxZKFrame = 4 << 20         // bytes; ZooKeeper itself stays at 1 MiB
	zkDial     = 3 * time.Second // for one server, its name looked up
)

// zkSockets are the connections of one ZooKeeper client: one at a time, and none
// after the one on which a session began.
type zkSockets struct {
	ctx  context.Context // ends with close
	stop context.CancelFunc
	lost chan struct{} // closed when the connection with the session is

	mu      sync.Mutex   // protects what follows
	last    error        // of the last dial; nil if it was good
	session *checkedConn // where a session began, or nil
}

func newZKSockets() *zkSockets {
	s := &zkSockets{lost: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// dial is the library's dialer. Its timeout of a second is not ours: it has to
// do for the name of the server too.
func (s *zkSockets) dial(network, address string, _ time.Duration) (net.Conn, error) {
	s.mu.Lock()
	begun := s.session != nil
	s.mu.Unlock()
	if begun {
		return nil, errLost
	}
	dialer := &net.Dialer{Timeout: zkDial, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(s.ctx, network, address)
	s.mu.Lock()
	s.last = err
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	checked := &checkedConn{Conn: conn, of: s}
	checked.forget = context.AfterFunc(s.ctx, func() { conn.Close() })
	return checked, nil
}

func (s *zkSockets) close() { s.stop() }

func (s *zkSockets) begin(c *checkedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = c
}

func (s *zkSockets) end(c *checkedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == c {
		close(s.lost)
	}
}

// explain says what is behind an error of the library, which only tells that no
// server could be had.
func (s *zkSockets) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil || !errors.Is(err, zk.ErrNoServer):
		return err
	case s.session != nil:
		return errLost
	case s.last != nil:
		return s.last
	}
	return errors.New("its servers take connections, but no session")
}

// checkedConn is a connection to a ZooKeeper server whose frames were looked at.
// The library believes the lengths in them, and one that is wrong makes it panic
// in a goroutine of its own, which would be our end.
type checkedConn struct {
	net.Conn
	of      *zkSockets
	forget  func() bool // the end of of
	greeted bool        // the answer to the connect request has come; owned by the reader, as rest is
	rest    []byte      // of the frame that is being read
	ended   sync.Once
}

// Close may come more than once.
func (c *checkedConn) Close() error {
	c.forget()
	c.ended.Do(func() { c.of.end(c) })
	return c.Conn.Close()
}

// SetReadDeadline shortens a deadline that would wait for a server which says
// nothing: the library's first one is 66 s.
func (c *checkedConn) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(zkSession); t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *checkedConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		frame, err := readZKFrame(c.Conn, !c.greeted)
		if err != nil {
			return 0, err
		}
		if !c.greeted {
			c.of.begin(c)
		}
		c.greeted, c.rest = true, frame
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// readZKFrame reads a frame: its length in 4 bytes, then that much. All that a
// server sends has 16 bytes first (xid, zxid and error; or, as the greeting,
// version, timeout and session) and a length or a count behind them, except for
// the news of a watch (xid -1) and for answers that end there.
func readZKFrame(r io.Reader, greeting bool) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 16 || size > maxZKFrame {
		return nil, fmt.Errorf("read from ZooKeeper: a frame of %d bytes", size)
	}
	frame := make([]byte, 4+size)
	copy(frame, head)
	body := frame[4:]
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if greeting {
		// The pings go by the timeout; a session of 0 is one that has expired.
		timeout, session := int32(binary.BigEndian.Uint32(body[4:])), binary.BigEndian.Uint64(body[8:])
		if session != 0 && (timeout < 100 || timeout > math.MaxInt32/100) {
			return nil, fmt.Errorf("read from ZooKeeper: a session timeout of %d ms", timeout)
		}
	}
	news := !greeting && int32(binary.BigEndian.Uint32(body)) == -1
	if size < 20 || news {
		return frame, nil
	}
	switch n := binary.BigEndian.Uint32(body[16:]); {
	case n == math.MaxUint32: // -1: no data at all, which is as good as empty
		binary.BigEndian.PutUint32(body[16:], 0)
	case n > size:
		return nil, fmt.Errorf("read from ZooKeeper: %d things in a frame of %d bytes", n, size)
	}
	return frame, nil
}
