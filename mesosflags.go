package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"cmdq/local"
)

// mesosFlags are the flags of cmdq local that have Mesos' names, and --chaos.
type mesosFlags struct {
	ping, reregister, registration, grace time.Duration
	maxPings                              int
	maxUnpacked                           int64
	minAllocatable                        string
	chaos                                 bool
}

func (m *mesosFlags) register(f *pflag.FlagSet) {
	f.DurationVar(&m.ping, "agent-ping-timeout", 15*time.Second, "from one ping of an agent to the next")
	f.IntVar(&m.maxPings, "max-agent-ping-timeouts", 5, "pings without an answer that make an agent unreachable")
	f.DurationVar(&m.reregister, "agent-reregister-timeout", 10*time.Minute, "until an agent that lost its connection is unreachable")
	f.DurationVar(&m.registration, "executor-registration-timeout", time.Minute, "until an executor has to subscribe, fetching included")
	f.DurationVar(&m.grace, "executor-shutdown-grace-period", 5*time.Second, "until an executor that is shut down is killed")
	f.StringVar(&m.minAllocatable, "min-allocatable-resources", "cpus:0.01|mem:32", "the least that is offered of an agent: sets of scalars, of\nwhich one must be there")
	f.Int64Var(&m.maxUnpacked, "max-unpacked", 4_000_000_000, "bytes that one archive among the URIs may unpack to")
	f.BoolVar(&m.chaos, "chaos", false, "serve /chaos on the master's port: faults on purpose, for\ntests of frameworks")
}

// check refuses what makes no sense: no time at all is no timeout.
func (m *mesosFlags) check() error {
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"agent-ping-timeout", m.ping}, {"agent-reregister-timeout", m.reregister},
		{"executor-registration-timeout", m.registration}, {"executor-shutdown-grace-period", m.grace},
	} {
		if d.is <= 0 {
			return usage("--%s %s: want more than 0", d.name, d.is)
		}
	}
	switch {
	case m.maxPings < 1:
		return usage("--max-agent-ping-timeouts %d: want at least 1", m.maxPings)
	case local.CheckMinAllocatable(m.minAllocatable) != nil:
		return usage("--min-allocatable-resources: %v", local.CheckMinAllocatable(m.minAllocatable))
	case m.maxUnpacked < 1:
		return usage("--max-unpacked %d: want at least 1", m.maxUnpacked)
	}
	return nil
}

func (m *mesosFlags) apply(cfg *local.Config) {
	cfg.AgentPingTimeout, cfg.MaxAgentPingTimeouts, cfg.AgentReregisterTimeout = m.ping, m.maxPings, m.reregister
	cfg.ExecutorRegistrationTimeout, cfg.ExecutorShutdownGrace = m.registration, m.grace
	cfg.MinAllocatable = m.minAllocatable
	cfg.MaxUnpacked, cfg.Chaos = m.maxUnpacked, m.chaos
}

// notStarted is why the embedded Mesos did not start. A work directory that is
// in use is for the user to change; flag names it.
func notStarted(err error, flag string) error {
	var locked *local.LockedError
	if errors.As(err, &locked) {
		return usage("%w: end it, or name another directory with --%s", locked, flag)
	}
	return &exit{exitCluster, fmt.Errorf("start the embedded Mesos: %w", err)}
}
