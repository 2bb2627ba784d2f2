package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/zookeeper"
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

	// ZooKeeper, if not nil, is where this master and others elect the one that
	// leads. Only that one has agents and takes frameworks; the others point to
	// it. A session there lasts for ZooKeeperTimeout, default 10 s.
	ZooKeeper        *zookeeper.Address
	ZooKeeperTimeout time.Duration

	// Chaos serves /chaos on the master's port: faults on purpose.
	Chaos bool

	// Log gets one line a change; nil: none.
	Log *logrus.Entry

	timing   timing
	access   *access
	fetcher  fetcher
	least    minAllocatable
	launcher launcher // nil: the guardian

	dialGroup func(ctx context.Context, timeout time.Duration, notify func(error)) (group, error) // nil: ZooKeeper itself
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
	setDefault(&cfg.ZooKeeperTimeout, 10*time.Second)
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
		cfg.ZooKeeperTimeout,
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
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "slaves"), 0o700)
	}
	if err != nil {
		return fmt.Errorf("make the work directory: %w", err)
	}
	if err := spread(filepath.Join(dir, "slaves")); err != nil {
		cfg.Log.Debug(err) // it only makes things faster, on one file system
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
