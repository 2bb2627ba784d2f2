package main

import (
	"math"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"cmdq/scheduler"
	"cmdq/task"
)

// agentFlags say by whom commands are run on the agents, how agents get what
// they need for that, and where goes what commands leave.
type agentFlags struct {
	executor string
	uri      string
	cpus     float64
	mem      int64 // MB
	idle     time.Duration
	terse    bool

	listen, advertise string
	tlsCert, tlsKey   string

	outputs, keep string // directories
}

func (a *agentFlags) register(f *pflag.FlagSet) {
	f.StringVar(&a.executor, "executor", string(task.ByCommand), "who runs commands on the agents unless a task says so:\ncommand (Mesos' own, a process each) or cmdq (one for all)")
	f.StringVar(&a.uri, "executor-uri", "", "where agents fetch cmdq from for executor: cmdq, such as a\npath there or http://…; default: from this cmdq")
	f.Float64Var(&a.cpus, "executor-cpus", 0.1, "cpus of one cmdq executor, beside its tasks")
	f.Int64Var(&a.mem, "executor-mem", 64, "MB of one cmdq executor, beside its tasks")
	f.DurationVar(&a.idle, "executor-idle", time.Minute, "a cmdq executor ends after so long without a task; 0: never")
	f.BoolVar(&a.terse, "terse-updates", false, "cmdq executors start commands without waiting for the agent")
	f.StringVar(&a.listen, "listen", "", "address, host:port, for cmdq's page and API, and for agents\nthat fetch files and cmdq; default: no page, and for agents\na free port of 127.0.0.1 if the master is there, too")
	f.StringVar(&a.tlsCert, "tls-cert", "", "PEM certificate that --listen shows; needs --tls-key")
	f.StringVar(&a.tlsKey, "tls-key", "", "PEM key of --tls-cert")
	f.StringVar(&a.advertise, "advertise", "", "what agents call that address, as http://host:port")
	f.StringVar(&a.outputs, "outputs", "outputs", "directory for fetched outputs, each task's in DIR/ID")
	f.StringVar(&a.keep, "output-dir", "", "directory that keeps stdout and stderr of every task, in\nDIR/ID; default: they stay in the sandboxes")
}

func (a *agentFlags) check(f *pflag.FlagSet) error {
	switch {
	case a.executor != string(task.ByCommand) && a.executor != string(task.ByCmdq):
		return usage("--executor %q: want command or cmdq", a.executor)
	case math.IsNaN(a.cpus) || a.cpus < 0.01 || a.cpus > 1000:
		return usage("--executor-cpus %g: want 0.01 to 1000", a.cpus)
	case a.mem < 32 || a.mem > 1<<20:
		return usage("--executor-mem %d: want 32 to %d MB", a.mem, 1<<20)
	case a.idle < 0:
		return usage("--executor-idle %s is negative; 0 is for ever", a.idle)
	case a.idle > 0 && a.idle < time.Second:
		return usage("--executor-idle %s: want a second at least, or 0 for never", a.idle)
	case (a.tlsCert == "") != (a.tlsKey == ""):
		return usage("--tls-cert and --tls-key need each other")
	case a.tlsCert != "" && a.listen == "":
		return usage("--tls-cert needs --listen")
	case a.outputs == "":
		return usage("--outputs is empty")
	case f.Changed("output-dir") && a.keep == "":
		return usage("--output-dir is empty")
	}
	return a.checkURI(f)
}

// checkURI: Mesos fetches a path, a file:// or an http:// address (docs/fetcher.md
// there).
func (a *agentFlags) checkURI(f *pflag.FlagSet) error {
	if a.uri == "" {
		if f.Changed("executor-uri") {
			return usage("--executor-uri is empty")
		}
		return nil
	}
	u, err := url.Parse(a.uri)
	switch {
	case err != nil:
		return usage("--executor-uri: want an absolute path on the agents, or an address such as http://host/cmdq")
	case u.Scheme == "" && !path.IsAbs(a.uri):
		return usage("--executor-uri %q: want an absolute path on the agents, or an address such as http://host/cmdq", a.uri)
	case strings.ContainsAny(a.uri, "\\'\x00"):
		return usage("--executor-uri: Mesos fetches nothing with \\ or ' in its name")
	}
	return nil
}

// executorFile is what an executor is called in its sandbox.
const executorFile = "cmdq"

// executorConfig says how agents start our executor; uri is where they find it.
func (a *agentFlags) executorConfig(uri func() string, arch string, data func(*task.Task, int, []task.Variable) []byte) scheduler.ExecutorConfig {
	command := "exec ./" + executorFile + " executor --executor-idle " + a.idle.String()
	if a.terse {
		command += " --terse-updates"
	}
	return scheduler.ExecutorConfig{
		Default: a.executor == string(task.ByCmdq), Command: command, URI: uri, File: executorFile, Arch: arch,
		Cost: task.Resources{CPUs: int64(math.Round(a.cpus * 1000)), Mem: a.mem},
		Idle: a.idle, Terse: a.terse, Data: data,
	}
}
