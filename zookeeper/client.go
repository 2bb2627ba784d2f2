package zookeeper

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	dialWait   = 3 * time.Second  // for one server, its name looked up
	answerWait = 20 * time.Second // for an answer to our credentials
)

// ErrLost says that the connection of a session has ended.
var ErrLost = errors.New("the connection was lost")

// Config is what a Client needs to know.
type Config struct {
	At      Address
	Timeout time.Duration // of a session; the server may set another one

	// Once says that the client is of no use any more when the connection with
	// its session is lost. Otherwise it connects again, to the same session if
	// that still lasts.
	Once bool

	// Event, if not nil, hears what the library has to tell: watches, and the
	// states of the session. It must not wait.
	Event zk.EventCallback
}

// Client is one client of a ZooKeeper, and so one session, or some in a row. It
// asks for no more than this; whatever is asked fails once the client is closed.
type Client struct {
	conn   *zk.Conn
	cfg    Config
	events <-chan zk.Event // closed when nothing of the library runs any more
	ctx    context.Context // of its connections
	cut    context.CancelFunc
	forget func() bool // the end of the context that Connect was given
	lost   chan struct{}
	warm   sync.Once // see ChildrenW

	mu      sync.Mutex // protects what follows
	why     error      // what was wrong with the last connection, or nil
	session *checkedConn
	timeout time.Duration // of the session, as the server has it
}

// Connect makes a client, which ends with ctx, or with Close. It connects by
// itself and goes on until it can. The error is that of the library, which does
// not take the address.
func Connect(ctx context.Context, cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, lost: make(chan struct{}), timeout: cfg.Timeout}
	c.ctx, c.cut = context.WithCancel(context.Background())
	var err error
	c.conn, c.events, err = zk.Connect(cfg.At.Servers, cfg.Timeout, zk.WithHostProvider(new(turns)), zk.WithDialer(c.dial),
		zk.WithLogger(silence{}), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxFrame), zk.WithMaxConnBufferSize(64<<10),
		zk.WithEventCallback(cfg.Event))
	if err != nil {
		c.cut()
		return nil, err
	}
	c.forget = context.AfterFunc(ctx, c.end)
	return c, nil
}

// silence is the log of the library: what counts comes back as errors.
type silence struct{}

func (silence) Printf(string, ...any) {}

// Close ends the session, and waits until nothing of the client runs any more.
func (c *Client) Close() {
	c.forget()
	c.end()
	for range c.events {
	}
}

// end says goodbye, for a second as a rule. Again it does no harm.
func (c *Client) end() {
	c.conn.Close()
	c.cut()
}

// Cut ends all connections without a word, and with them whatever is being
// waited for.
func (c *Client) Cut() { c.cut() }

// Lost is closed when the connection with the session is. Only with Once.
func (c *Client) Lost() <-chan struct{} { return c.lost }

// Timeout is that of the session, as the server has it.
func (c *Client) Timeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timeout
}

// dial is the library's dialer. Its timeout of a second is not ours: it has to
// do for the name of the server too.
func (c *Client) dial(network, address string, _ time.Duration) (net.Conn, error) {
	c.mu.Lock()
	begun := c.session != nil
	c.mu.Unlock()
	if begun && c.cfg.Once {
		return nil, ErrLost
	}
	dialer := &net.Dialer{Timeout: dialWait, KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(c.ctx, network, address)
	if err != nil {
		c.failed(err)
		return nil, err
	}
	checked := &checkedConn{Conn: conn, of: c}
	checked.forget = context.AfterFunc(c.ctx, func() { conn.Close() })
	return checked, nil
}

func (c *Client) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = err
}

// begun hears that a session began, or goes on, with a connection. A timeout of
// 0 is the word that the session has expired.
func (c *Client) begun(with *checkedConn, timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.why = with, nil
	if timeout > 0 {
		c.timeout = timeout
	}
}

func (c *Client) ended(conn *checkedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == conn && c.cfg.Once {
		close(c.lost)
	}
}

// explain says what is behind an error of the library, which only tells that
// there is no connection.
func (c *Client) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !errors.Is(err, zk.ErrNoServer) && !errors.Is(err, zk.ErrConnectionClosed):
		return err
	case c.why != nil:
		return c.why
	case c.session != nil:
		return ErrLost
	}
	return err
}
