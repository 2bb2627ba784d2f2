// Package mesosapi speaks the v1 scheduler API of a Mesos master: it keeps one
// event stream, watches its heartbeats, and sends calls. The messages are
// mesos-go's; the HTTP side is our own, on net/http. An ExecutorConn does the
// same for an executor and its agent.
//
// Everything belongs to an epoch: one SUBSCRIBE, its stream, and the calls that
// were queued after it. A call never leaves in another epoch than the one it was
// queued in, so it never carries the stream id of another. The state of an epoch
// is owned by its goroutines and ends with them.
//
// Where the leading master is belongs to a list, or to a goroutine that follows
// ZooKeeper; an epoch ends when another master leads.
//
// The package decides nothing: it does not subscribe again by itself, repeats
// no call whose repetition could do harm, and acknowledges nothing. It never
// logs what a call or an event holds.
//
// Proxies of the environment (HTTP_PROXY) are not used: a master belongs to the
// cluster's own network, and a proxy would hold the stream back.
package mesosapi

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// DefaultCallTimeout is how long a call may take if the Config does not say.
const DefaultCallTimeout = 10 * time.Second

// Config is what a Conn needs to know.
type Config struct {
	// Master is where the masters are, as ParseMasters reads it. Each SUBSCRIBE
	// starts at the leader that ZooKeeper knows, or at the one of a list that
	// took the last; if that names another one as the leader, that other one is
	// subscribed with.
	Master string

	// TLS is for masters that are spoken to by https, nil for the defaults. It
	// is used from TLS 1.2 on. Behind zk:// anything but nil asks for https, as
	// ZooKeeper does not say what a master speaks.
	TLS *tls.Config

	// JSON puts JSON on the wire instead of protobuf, for debugging.
	JSON bool

	// Authorize sets the credentials on a request to a master; nil sets none.
	// It may be called by many goroutines at once. The credentials also go to
	// the leader that a master names in answer to SUBSCRIBE, if it is named as
	// Mesos does it (see leaderIn): the one who names it has just been given
	// them himself. A redirect of any other call is not followed.
	Authorize func(*http.Request)

	// CallTimeout bounds a call, all of it; 0 is DefaultCallTimeout. SUBSCRIBE
	// has 15 s to get its answer instead.
	CallTimeout time.Duration

	// Called hears how a call went, SUBSCRIBE too; any goroutine calls it. Nil:
	// nobody.
	Called func(kind scheduler.Call_Type, err error)

	// Log gets lines at debug level: types, addresses, errors. Nil: none.
	Log *logrus.Entry
}

// Incoming is one thing that came of an epoch: an event, the end, or the
// outcome of a call.
type Incoming struct {
	Epoch int
	At    time.Time // when it came

	// Event is an event of the stream, heartbeats too.
	Event *scheduler.Event

	// Down says that the stream ended or could not be opened: an *Unreachable,
	// or a *Refused if the master did not want the SUBSCRIBE. It comes once and
	// as the last of its epoch, but for Moved; and not for an epoch that Subscribe
	// or Close ended.
	Down error

	// Moved says, once and after Down, that ZooKeeper names a leader who was not
	// talked to in this epoch: to subscribe again is worth a try now.
	Moved bool

	// Call is a call that failed (Err is a *NotSubscribed, *Refused or
	// *Unreachable) or, if it is no acknowledgement, was answered well.
	Call *scheduler.Call
	Err  error
}

// limits are the bounds that tests make smaller.
type limits struct {
	leader   time.Duration // for a leader to be known
	answer   time.Duration // for the answer to a SUBSCRIBE
	interval time.Duration // of heartbeats, until SUBSCRIBED says it
	grace    time.Duration // for the calls in flight when the stream has ended
	calls    int           // queued calls
	acks     int           // queued acknowledgements
	workers  int           // acknowledgements in flight
}

var defaultLimits = limits{
	leader:   5 * time.Second,
	answer:   15 * time.Second,
	interval: 15 * time.Second,
	grace:    2 * time.Second,
	calls:    100_000,
	acks:     100_000,
	workers:  16,
}

// incoming is how many Incoming wait for a slow reader before the stream is
// held back.
const incoming = 128

// Conn is a scheduler's connection to the cluster. Its methods may be called by
// several goroutines.
type Conn struct {
	masters   Masters
	leaders   leaders
	scheme    string // http or https
	codec     codec
	authorize func(*http.Request)
	called    func(scheduler.Call_Type, error)
	timeout   time.Duration // of a call
	log       *logrus.Entry
	limits    limits
	transport *http.Transport
	incoming  chan Incoming

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu      sync.Mutex // protects current and closed
	current *epoch     // epoch 0, which never lived, before the first Subscribe
	closed  bool

	took atomic.Pointer[string] // host:port of the master that took the last SUBSCRIBE
}

// New makes a Conn. No master hears of it before Subscribe; ZooKeeper is asked
// from now on. The error is that of ParseMasters.
func New(cfg Config) (*Conn, error) {
	masters, err := ParseMasters(cfg.Master)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		masters:   masters,
		scheme:    "http",
		codec:     protobufCodec,
		authorize: cfg.Authorize,
		called:    cfg.Called,
		timeout:   cfg.CallTimeout,
		log:       cfg.Log,
		limits:    defaultLimits,
		incoming:  make(chan Incoming, incoming),
	}
	if cfg.JSON {
		c.codec = jsonCodec
	}
	if c.timeout <= 0 {
		c.timeout = DefaultCallTimeout
	}
	if c.log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		silent.SetLevel(logrus.PanicLevel)
		c.log = logrus.NewEntry(silent)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	c.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			// The transport goes on dialling for a request that was given up.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(c.ctx, cancel)()
			return dialer.DialContext(ctx, network, addr)
		},
		DisableCompression:     true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    defaultLimits.workers + 2,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if masters.secure || masters.ZooKeeper() && cfg.TLS != nil {
		c.scheme = "https"
		c.transport.TLSClientConfig = tlsConfig(cfg.TLS)
		c.transport.TLSHandshakeTimeout = 10 * time.Second
	}
	if masters.ZooKeeper() {
		c.leaders = followZooKeeper(c.ctx, masters.zk, c.scheme == "https", c.log)
	} else {
		c.leaders = &list{hosts: masters.hosts}
	}
	c.current = c.deadEpoch()
	return c, nil
}

// tlsConfig is a copy of cfg that asks for TLS 1.2 at least.
func tlsConfig(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		cfg = new(tls.Config)
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	return cfg
}

// Page is the address of the page of the master that took our last SUBSCRIBE, or
// of the first that was named as long as none did; empty if none is known.
func (c *Conn) Page() string {
	if at := c.took.Load(); at != nil {
		return c.scheme + "://" + *at + "/"
	}
	return c.masters.Page()
}

// Why says why there is no subscription, as far as that is known by now: who is
// waited for, or how the last try ended. It is nil while there is one, and before
// the first Subscribe if nobody has to be asked where the leader is.
func (c *Conn) Why() error {
	c.mu.Lock()
	e := c.current
	c.mu.Unlock()
	if why := e.reason.Load(); why != nil {
		return *why
	}
	return c.leaders.why()
}

// Incoming gives all that comes, in the order it came within an epoch. It is
// bounded: who does not read holds the stream back. It is never closed; after
// Close nothing comes any more, though what had come before may still be in it.
func (c *Conn) Incoming() <-chan Incoming { return c.incoming }

// Subscribe opens a stream and returns its epoch at once: 1, then 2, and so on;
// 0 after Close. An earlier epoch ends: its stream is closed and its calls are
// cancelled or dropped, without a word. What it put into Incoming before is
// told apart by its number. The call belongs to the Conn from here on.
//
// Calls of the new epoch wait until SUBSCRIBED came.
func (c *Conn) Subscribe(call *scheduler.Call) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0
	}
	before := c.current
	c.current = c.startEpoch(before, call)
	before.cancel()
	return c.current.n
}

// Send queues a call that is no acknowledgement and returns at once. Calls leave
// in the order of Send, each after the answer to the one before. The call
// belongs to the Conn from here on. Without a live stream it is dropped.
//
// A master that lets 100,000 calls pile up is given up: the epoch ends.
func (c *Conn) Send(call *scheduler.Call) { c.put(call, false) }

// Acknowledge is Send for acknowledgements: they leave in parallel, in no order,
// and are heard of again only if they fail. Up to 100,000 wait.
func (c *Conn) Acknowledge(call *scheduler.Call) { c.put(call, true) }

func (c *Conn) put(call *scheduler.Call, ack bool) {
	c.mu.Lock()
	e := c.current
	c.mu.Unlock()
	if err := e.outbox.put(call, ack); err != nil {
		e.end(err)
	}
}

// Flush waits until every call and acknowledgement of the current epoch is
// answered or dropped. Incoming need not be read meanwhile. It gives the first
// error among the calls it waited for; if all had been answered already, that
// of the last one, so that Send and then Flush tell how that call ended. A
// failed acknowledgement is no error here: Mesos sends its update again, and
// after a TEARDOWN it has to fail.
func (c *Conn) Flush(ctx context.Context) error {
	c.mu.Lock()
	e := c.current
	c.mu.Unlock()
	err := e.outbox.flush(ctx)
	if err == errDropped {
		return &Unreachable{Addr: e.addr(), Err: err}
	}
	return err
}

// Close ends the stream and drops what is queued. When it returns no goroutine
// of the Conn runs any more. It may be called again.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	e := c.current
	c.mu.Unlock()
	c.stop()
	<-e.done
	c.leaders.close()
	c.transport.CloseIdleConnections()
	return nil
}

// deliver hands one thing to the reader of Incoming, unless ctx ends first.
func (c *Conn) deliver(ctx context.Context, in Incoming) bool {
	if ctx.Err() != nil {
		return false
	}
	in.At = time.Now()
	select {
	case c.incoming <- in:
		return true
	case <-ctx.Done():
		return false
	}
}
