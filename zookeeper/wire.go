package zookeeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"time"
)

const (
	maxFrame     = 4 << 20          // bytes; ZooKeeper itself stays at 1 MiB
	greetingWait = 10 * time.Second // for a server's first word; the library would wait 66 s

	leastTimeout = 100                 // ms, of a session: the pings go by it
	mostTimeout  = math.MaxInt32 / 100 // ms
)

// checkedConn is a connection to a ZooKeeper server whose frames were looked at.
// The library believes the lengths in them, and one that is wrong makes it panic
// in a goroutine of its own, which would be our end.
type checkedConn struct {
	net.Conn
	of      *Client
	forget  func() bool // the end of of
	greeted bool        // the answer to the connect request has come; owned by the reader, as rest is
	rest    []byte      // of the frame that is being read
	ended   sync.Once
}

// Close may come more than once.
func (c *checkedConn) Close() error {
	c.forget()
	c.ended.Do(func() { c.of.ended(c) })
	return c.Conn.Close()
}

// SetReadDeadline shortens the deadline of a greeting.
func (c *checkedConn) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(greetingWait); !c.greeted && t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *checkedConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		frame, err := c.frame()
		if err != nil {
			return 0, err
		}
		c.rest = frame
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *checkedConn) frame() ([]byte, error) {
	frame, err := readFrame(c.Conn, !c.greeted)
	switch {
	case err == nil && !c.greeted:
		c.greeted = true
		c.of.begun(c, sessionTimeout(frame))
	case err != nil && (!c.greeted || errors.As(err, new(lie))):
		err = fmt.Errorf("%s does not answer as ZooKeeper does: %w", c.RemoteAddr(), err)
		c.of.failed(err)
	}
	return frame, err
}

// sessionTimeout reads it from a greeting; 0 if the session has expired.
func sessionTimeout(greeting []byte) time.Duration {
	if binary.BigEndian.Uint64(greeting[12:]) == 0 {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint32(greeting[8:])) * time.Millisecond
}

// lie is what is wrong with a frame.
type lie string

func (l lie) Error() string { return string(l) }

// readFrame reads a frame: its length in 4 bytes, then that much. All that a
// server sends to our questions has 16 bytes first (xid, zxid and error; or, as
// the greeting, version, timeout and session) and a length or a count behind
// them, except for the news of a watch (xid -1) and for answers that end there.
// What answers an exists has none, so a Client cannot ask that.
func readFrame(r io.Reader, greeting bool) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 16 || size > maxFrame {
		return nil, lie(fmt.Sprintf("a frame of %d bytes", size))
	}
	frame := make([]byte, 4+size)
	copy(frame, head)
	body := frame[4:]
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if greeting {
		// A session of 0 is one that has expired.
		timeout, session := int32(binary.BigEndian.Uint32(body[4:])), binary.BigEndian.Uint64(body[8:])
		if session != 0 && (timeout < leastTimeout || timeout > mostTimeout) {
			return nil, lie(fmt.Sprintf("a session timeout of %d ms", timeout))
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
		return nil, lie(fmt.Sprintf("%d things in a frame of %d bytes", n, size))
	}
	return frame, nil
}
