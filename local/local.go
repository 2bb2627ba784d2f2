// Package local is a Mesos in one process: a master and agents, each on an HTTP
// port of its own, speaking the APIs that Apache Mesos speaks. Frameworks run
// against it unchanged; their commands run for real, as processes of our own
// user.
//
// The master and each agent are actors: one goroutine owns its state, and
// everybody else, HTTP handlers and the other actors, posts to its mailbox.
// They know of each other only what they say over their line.
//
// It is for one machine. It keeps nothing over its end, never runs a command as
// another user, and never lets in a request that does not know its secret, if
// it has one, or that another site's page sent.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Config is what a cluster is started with.
type Config struct {
	IP        string // the master and agents listen on it; default 127.0.0.1
	Port      int    // the master's; 0 takes a free one, as agents always do
	Agents    int    // default 1
	Resources string // one agent's, in Mesos' notation; default: the machine's, shared evenly

	// AllocationInterval is from one allocation to the next; default 1 s.
	AllocationInterval time.Duration

	// MinAllocatable is the least that is offered of an agent, in the notation
	// of Mesos' flag --min_allocatable_resources: sets of scalars, of which one
	// must be there; default cpus:0.01|mem:32.
	MinAllocatable string

	// Eager also allocates at once when resources come back. Only what was
	// refused for 0 s still waits for the interval: else a framework that has
	// no use for it would be asked without end.
	Eager bool

	// WorkDir holds the sandboxes:
	// slaves/AID/frameworks/FID/executors/EID/runs/<uuid>.
	WorkDir string

	// Secret guards every path but /health and /version: it must come as
	// "Authorization: Bearer SECRET" or in the cookie that GET /?secret=… sets.
	// Empty: open.
	Secret string

	// Credentials, if not nil, guard every path but /health and /version: they
	// must come as HTTP's Basic authentication. Executors have tokens.
	Credentials *Credentials

	// AllowRemote lets IP be an address that other machines reach. It needs
	// Credentials.
	AllowRemote bool

	// ExecutorRegistrationTimeout is what an executor has to subscribe, the
	// fetching of its URIs included; default 1 min.
	ExecutorRegistrationTimeout time.Duration

	// ExecutorShutdownGrace is from an executor's SHUTDOWN to SIGKILL, if its
	// ExecutorInfo says nothing else; default 5 s.
	ExecutorShutdownGrace time.Duration

	// MaxUnpacked bounds what one archive among the URIs of a command may
	// unpack to, in bytes; default 4 GB.
	MaxUnpacked int64

	// AgentPingTimeout is from one ping of an agent to the next; default 15 s.
	// MaxAgentPingTimeouts of them in a row without an answer, default 5, make
	// the agent unreachable.
	AgentPingTimeout     time.Duration
	MaxAgentPingTimeouts int

	// AgentReregisterTimeout is what an agent has to come back after its
	// connection broke, or after the master was restarted; default 10 min.
	AgentReregisterTimeout time.Duration

	// Chaos serves /chaos on the master's port: faults on purpose.
	Chaos bool

	// Log gets one line a change; nil: none.
	Log *logrus.Entry

	timing   timing
	access   *access
	fetcher  fetcher
	least    minAllocatable
	launcher launcher // nil: the guardian
}

// AgentInfo is what there is to know of an agent from outside.
type AgentInfo struct {
	ID        string
	Addr      string // ip:port
	Resources Resources
}

// Cluster is a running master with its agents.
type Cluster struct {
	cfg      Config
	master   *master
	agents   []*agent
	launcher launcher
	lock     *workLock
	servers  []*http.Server
	actors   sync.WaitGroup
	serving  sync.WaitGroup
	requests requests

	stop    sync.Once
	stopped chan struct{}
	stopErr error
}

// Start starts a cluster. When it returns, the master listens and all agents
// are registered. On an error nothing is left running. It is a *LockedError if
// another cluster has the work directory.
func Start(cfg Config) (*Cluster, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, stopped: make(chan struct{})}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Stop(context.Background()))
	}
	return c, nil
}

// complete checks a configuration and sets the defaults.
func (cfg *Config) complete() error {
	if cfg.IP == "" {
		cfg.IP = "127.0.0.1"
	}
	if err := cfg.checkIP(); err != nil {
		return fmt.Errorf("start a cluster: %w", err)
	}
	if cfg.MinAllocatable == "" {
		cfg.MinAllocatable = defaultMinAllocatable
	}
	var err error
	if cfg.least, err = parseMinAllocatable(cfg.MinAllocatable); err != nil {
		return fmt.Errorf("start a cluster: the least to offer: %w", err)
	}
	cfg.access = newAccess(cfg.Secret, cfg.Credentials)
	if cfg.Agents == 0 {
		cfg.Agents = 1
	}
	if cfg.Agents < 0 || cfg.Agents > 1000 {
		return fmt.Errorf("start a cluster: %d agents; 1 to 1000 are possible", cfg.Agents)
	}
	if cfg.Port < 0 || cfg.Port > 65535 {
		return fmt.Errorf("start a cluster: %d is not a port", cfg.Port)
	}
	if cfg.AllocationInterval < 0 {
		return fmt.Errorf("start a cluster: the allocation interval %s is negative", cfg.AllocationInterval)
	}
	if err := cfg.checkTimeouts(); err != nil {
		return fmt.Errorf("start a cluster: %w", err)
	}
	if cfg.WorkDir == "" {
		return errors.New("start a cluster: no work directory")
	}
	if cfg.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		quiet.SetLevel(logrus.PanicLevel)
		cfg.Log = logrus.NewEntry(quiet)
	}
	setDefault(&cfg.AllocationInterval, time.Second)
	cfg.timing.allocation = cfg.AllocationInterval
	setDefault(&cfg.timing.heartbeat, heartbeatSeconds*time.Second)
	setDefault(&cfg.timing.retry, 10*time.Second)
	setDefault(&cfg.timing.retryMax, 10*time.Minute)
	setDefault(&cfg.ExecutorRegistrationTimeout, time.Minute)
	setDefault(&cfg.ExecutorShutdownGrace, 5*time.Second)
	cfg.timing.registration, cfg.timing.shutdownGrace = cfg.ExecutorRegistrationTimeout, cfg.ExecutorShutdownGrace
	setDefault(&cfg.timing.reregistration, 2*time.Second)
	setDefault(&cfg.timing.backoff, time.Second)
	setDefault(&cfg.AgentPingTimeout, 15*time.Second)
	setDefault(&cfg.AgentReregisterTimeout, 10*time.Minute)
	if cfg.MaxAgentPingTimeouts == 0 {
		cfg.MaxAgentPingTimeouts = 5
	}
	cfg.timing.ping, cfg.timing.maxPings, cfg.timing.reregister = cfg.AgentPingTimeout, cfg.MaxAgentPingTimeouts, cfg.AgentReregisterTimeout
	if err := cfg.makeWorkDir(); err != nil {
		return err
	}
	cfg.fetcher = newFetcher(cfg)
	return nil
}

// checkIP lets nobody but this machine in, unless that is wished for and whoever
// comes has to say who they are. Agents tell frameworks their address, so it
// must be a real one.
func (cfg *Config) checkIP() error {
	ip, err := netip.ParseAddr(cfg.IP)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an IP address", cfg.IP)
	case ip.IsUnspecified() || ip.IsMulticast():
		return fmt.Errorf("%s is not the address of one network interface", ip)
	case cfg.AllowRemote && cfg.Credentials == nil:
		return errors.New("whoever reaches it runs commands: remote access needs credentials")
	case !ip.Unmap().IsLoopback() && !cfg.AllowRemote:
		return fmt.Errorf("%s is not a loopback address and remote access is not allowed", ip)
	}
	return nil
}

// checkTimeouts refuses what is less than no time.
func (cfg *Config) checkTimeouts() error {
	for _, d := range []time.Duration{
		cfg.AgentPingTimeout, cfg.AgentReregisterTimeout, cfg.ExecutorRegistrationTimeout, cfg.ExecutorShutdownGrace,
	} {
		if d < 0 {
			return fmt.Errorf("the timeout %s is negative", d)
		}
	}
	if cfg.MaxAgentPingTimeouts < 0 {
		return fmt.Errorf("%d ping timeouts; at least 1 is possible", cfg.MaxAgentPingTimeouts)
	}
	return nil
}

func setDefault(d *time.Duration, preset time.Duration) {
	if *d == 0 {
		*d = preset
	}
}

// makeWorkDir makes the directory, and its path one without links, as a shell
// in a sandbox sees it.
func (cfg *Config) makeWorkDir() error {
	dir, err := filepath.Abs(cfg.WorkDir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return fmt.Errorf("make the work directory: %w", err)
	}
	cfg.WorkDir = dir
	return nil
}

// resources are those of agent i.
func (cfg *Config) resources(i int) (Resources, error) {
	if cfg.Resources != "" {
		return ParseResources(cfg.Resources)
	}
	r, err := MachineResources(cfg.WorkDir, cfg.Agents)
	return r.plus(portsOf(i, cfg.Agents)), err
}

func (c *Cluster) start() error {
	lock, err := lockWorkDir(c.cfg.WorkDir)
	if err != nil {
		return err
	}
	c.lock = lock
	c.launcher = c.cfg.launcher
	if c.launcher == nil {
		g, err := startGuardian(c.cfg.WorkDir, c.cfg.Log)
		if err != nil {
			return fmt.Errorf("start the guardian: %w", err)
		}
		c.launcher = g
	}
	l, addr, err := listenOn(c.cfg.IP, c.cfg.Port)
	if err != nil {
		return err
	}
	c.master = newMaster(addr, &c.cfg)
	c.master.plug = newPlug(l)
	c.actors.Go(c.master.run)
	for i := range c.cfg.Agents {
		if err := c.startAgent(i); err != nil {
			l.Close()
			return err
		}
	}
	for _, a := range c.agents {
		<-a.ready
	}
	routes := c.master.handler()
	if c.cfg.Chaos {
		c.addChaos(routes)
	}
	c.serve(c.master.plug, addr, sideMaster, routes)
	return nil
}

func (c *Cluster) startAgent(i int) error {
	resources, err := c.cfg.resources(i)
	if err != nil {
		return err
	}
	l, addr, err := listenOn(c.cfg.IP, 0)
	if err != nil {
		return err
	}
	a := newAgent(addr, c.cfg.WorkDir, resources, &c.cfg, c.launcher)
	a.line, a.plug = newLine(c.master, a), newPlug(l)
	c.agents = append(c.agents, a)
	c.actors.Go(a.run)
	c.serve(a.plug, addr, sideAgent, a.handler())
	return nil
}

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
	s := &http.Server{Handler: l.guard(counted), ConnContext: withConn, MaxHeaderBytes: 64 << 10, ErrorLog: stdlog.New(httpLog{c.cfg.Log}, "", 0)}
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

// Addr is where the master listens, ip:port.
func (c *Cluster) Addr() string { return c.master.addr.String() }

// PageURL is the address for a browser; it holds the secret, if there is one.
func (c *Cluster) PageURL() string {
	page := "http://" + c.Addr() + "/"
	if c.cfg.Secret != "" {
		page += "?secret=" + url.QueryEscape(c.cfg.Secret)
	}
	return page
}

// Agents lists the agents in the order of their registration.
func (c *Cluster) Agents() []AgentInfo {
	var out []AgentInfo
	c.master.box.call(func() {
		for _, a := range c.master.agents {
			out = append(out, AgentInfo{ID: a.id, Addr: a.addr.String(), Resources: a.total})
		}
	})
	return out
}

// Stop ends the cluster and all its commands, which get SIGKILL. It waits until
// everything is gone or ctx is done; then the rest ends on its own. It may be
// called more than once.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stop.Do(func() {
		go func() {
			defer close(c.stopped)
			c.stopErr = c.shutdown()
		}()
	})
	select {
	case <-c.stopped:
		return c.stopErr
	case <-ctx.Done():
		return fmt.Errorf("stop the cluster: %w", ctx.Err())
	}
}

// shutdown ends, in this order: whoever could ask for something, the commands,
// the actors.
func (c *Cluster) shutdown() error {
	var errs []error
	c.requests.close()
	for _, s := range c.servers {
		errs = append(errs, s.Close())
	}
	c.serving.Wait()
	if c.launcher != nil {
		errs = append(errs, c.launcher.Close())
	}
	for _, a := range c.agents {
		a.box.close()
	}
	if c.master != nil {
		c.master.box.close()
	}
	c.actors.Wait()
	c.requests.running.Wait()
	if c.lock != nil {
		errs = append(errs, c.lock.unlock())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop the cluster: %w", err)
	}
	return nil
}
