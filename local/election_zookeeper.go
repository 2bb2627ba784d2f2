package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
)

// What is read of ZooKeeper is bounded: its own bound of a packet is 1 MiB.
const (
	maxPacket  = 4 << 20
	minTimeout = 100 // of a session, in ms; the client's pings go by it
)

// connectTimeout bounds one attempt to connect.
const connectTimeout = time.Second

// zkGroup is a group on a real ZooKeeper.
type zkGroup struct {
	at     *ZooKeeper
	conn   *zk.Conn
	events <-chan zk.Event // closed when the client has ended
	notify func(error)
	acl    []zk.ACL

	ctx    context.Context // done once the session is to end
	cancel context.CancelFunc

	timeout atomic.Int64 // of the session, in milliseconds, as the server has it

	mu   sync.Mutex
	wire net.Conn // the connection there is; nil: none yet
}

// dialZooKeeper begins a session. notify is told of changes, with an error of
// the session's end.
func dialZooKeeper(ctx context.Context, at *ZooKeeper, timeout time.Duration, log *logrus.Entry, notify func(error)) (group, error) {
	g := &zkGroup{at: at, notify: notify, acl: zk.WorldACL(zk.PermAll)}
	if at.digest != "" { // Mesos: EVERYONE_READ_CREATOR_ALL
		g.acl = append(zk.WorldACL(zk.PermRead), zk.AuthACL(zk.PermAll)...)
	}
	g.timeout.Store(timeout.Milliseconds())
	g.ctx, g.cancel = context.WithCancel(ctx)
	var err error
	g.conn, g.events, err = zk.Connect(at.servers, timeout,
		zk.WithLogger(zkLog{log}), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxPacket),
		zk.WithDialer(g.connect), zk.WithEventCallback(g.onEvent))
	if err != nil {
		g.cancel()
		return nil, fmt.Errorf("find ZooKeeper: %w", err)
	}
	context.AfterFunc(g.ctx, g.end)
	return g, nil
}

// onEvent is called by the client; it must not wait.
func (g *zkGroup) onEvent(e zk.Event) {
	switch {
	case e.State == zk.StateExpired && e.Type == zk.EventSession:
		g.notify(errExpired)
	case e.Type == zk.EventNodeChildrenChanged || e.Type == zk.EventNodeDeleted:
		g.notify(nil)
	}
}

// enter proves who we are, makes the path and then our node.
func (g *zkGroup) enter(data []byte) (string, time.Duration, error) {
	if g.at.digest != "" {
		if err := g.conn.AddAuth("digest", []byte(g.at.digest)); err != nil {
			return "", 0, failure("authenticate", err)
		}
	}
	for i := 1; i <= len(g.at.path); i++ {
		if i < len(g.at.path) && g.at.path[i] != '/' {
			continue
		}
		if err := g.make(g.at.path[:i]); err != nil {
			return "", 0, failure("make "+g.at.path[:i], err)
		}
	}
	node, err := g.conn.Create(g.at.path+"/"+announcementName+"_", data, zk.FlagEphemeral|zk.FlagSequence, g.acl)
	if err != nil {
		return "", 0, failure("make a node in "+g.at.path, err)
	}
	return path.Base(node), time.Duration(g.timeout.Load()) * time.Millisecond, nil
}

// make makes a part of the path, unless it is there. To look first spares the
// right to make it; one that we may not read is there.
func (g *zkGroup) make(node string) error {
	_, _, err := g.conn.Children(node)
	if errors.Is(err, zk.ErrNoAuth) {
		return nil
	}
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if _, err = g.conn.Create(node, nil, 0, g.acl); errors.Is(err, zk.ErrNodeExists) {
		return nil // somebody else was faster
	}
	return err
}

func (g *zkGroup) members(watch bool) (nodes []string, err error) {
	if watch {
		nodes, _, _, err = g.conn.ChildrenW(g.at.path)
	} else {
		nodes, _, err = g.conn.Children(g.at.path)
	}
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil // the path was removed, and our node with it
	}
	return nodes, failure("list "+g.at.path, err)
}

func (g *zkGroup) read(name string) ([]byte, error) {
	data, _, err := g.conn.Get(g.at.path + "/" + name)
	if errors.Is(err, zk.ErrNoNode) {
		return nil, errNoNode
	}
	return data, failure("read "+name, err)
}

// failure says what did not go well; a denial if it will not get better. nil
// stays nil.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("ZooKeeper: %s: %w", what, err)
	for _, final := range []error{
		zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidACL, zk.ErrBadArguments, zk.ErrInvalidPath,
		zk.ErrNoChildrenForEphemerals, zk.ErrAPIError, zk.ErrReconfigDisabled,
	} {
		if errors.Is(err, final) {
			return &denial{wrapped}
		}
	}
	return wrapped
}

// close ends the session and waits until nothing of the client is left.
func (g *zkGroup) close() {
	g.end()
	for range g.events { // closed at the end of the client
	}
}

// end ends the session; whatever waits for the server gets an error at once.
func (g *zkGroup) end() {
	g.conn.Close() // says goodbye, for a second or two; more than once does no harm
	g.cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wire != nil {
		_ = g.wire.Close() // the client may have closed it
	}
}

// connect is how the client connects.
func (g *zkGroup) connect(network, address string, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: min(timeout, connectTimeout)}
	conn, err := d.DialContext(g.ctx, network, address)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		_ = conn.Close() // nobody has used it
		return nil, g.ctx.Err()
	}
	g.wire = &frameConn{Conn: conn, timeout: &g.timeout}
	return g.wire, nil
}

// frameConn is a connection that reads whole packets and looks at them before
// the client does: it believes the lengths in them, and one that is wrong makes
// it panic in a goroutine of its own. The server's first packet has the timeout
// of the session, which the client does not tell.
type frameConn struct {
	net.Conn
	timeout *atomic.Int64

	known   bool   // the first packet has come
	pending []byte // read, and not yet given to the client
}

// Read is as that of net.Conn.
func (c *frameConn) Read(into []byte) (int, error) {
	if len(c.pending) == 0 {
		packet, err := readPacket(c.Conn, !c.known)
		if err != nil {
			return 0, err
		}
		if !c.known {
			timeout, session := int32(binary.BigEndian.Uint32(packet[8:])), binary.BigEndian.Uint64(packet[12:])
			if session != 0 { // 0: it knows no such session
				if timeout < minTimeout {
					return 0, fmt.Errorf("ZooKeeper: a session timeout of %d ms", timeout)
				}
				c.timeout.Store(int64(timeout))
			}
		}
		c.known, c.pending = true, packet
	}
	n := copy(into, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// readPacket reads a packet, its length in front:
//
//	first       length, protocol int32, timeout int32 in ms, session int64, length of the password, …
//	answers     length, xid int32, zxid int64, error int32, and a length or count for those we ask for, …
//	of watches  length, xid -1, …
//
// Its answer to exists would have something else in place of the count; we do
// not ask that.
func readPacket(r io.Reader, first bool) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 16 || size > maxPacket {
		return nil, fmt.Errorf("ZooKeeper: a packet of %d bytes", size)
	}
	packet := make([]byte, 4+size)
	copy(packet, head[:])
	if _, err := io.ReadFull(r, packet[4:]); err != nil {
		return nil, err
	}
	if size < 20 || !first && int32(binary.BigEndian.Uint32(packet[4:])) == -1 {
		return packet, nil
	}
	switch n := binary.BigEndian.Uint32(packet[20:]); {
	case n == 1<<32-1: // no data at all, which is as good as empty
		binary.BigEndian.PutUint32(packet[20:], 0)
	case n > size:
		return nil, fmt.Errorf("ZooKeeper: %d things in a packet of %d bytes", n, size)
	}
	return packet, nil
}

// zkLog is where the client says what went wrong. None of it holds
// credentials.
type zkLog struct{ log *logrus.Entry }

// Printf is as that of package log.
func (l zkLog) Printf(format string, args ...any) {
	l.log.Debug("zookeeper: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}
