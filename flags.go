package main

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"cmdq/local"
	"cmdq/mesosapi"
	"cmdq/scheduler"
	"cmdq/task"
)

// queueConfig is what the flags of cmdq and cmdq run say.
type queueConfig struct {
	master, tasks, state string
	name, user, role     string
	refuse               float64 // seconds
	revive, unreachable  time.Duration
	unplaceable, connect time.Duration
	failover             time.Duration
	infraRetries         int
	maxRunning           int
	maxFailures          int
	onFinish, onFailure  noticeFlag
	fresh                bool
	joblog, progress     string
	identity             identityFlags
	cluster              clusterFlags
	agent                agentFlags
	log                  logFlags
	embedded             bool             // --master local
	masters              mesosapi.Masters // what --master says otherwise
}

type clusterFlags struct {
	agents    int
	resources string
	interval  time.Duration
}

type logFlags struct{ level, format string }

func queueFlags() *queueConfig { return &queueConfig{} }

func (q *queueConfig) register(f *pflag.FlagSet, once bool) {
	d := scheduler.DefaultConfig()
	f.SortFlags = false
	master, _ := defaultMaster()
	f.StringVar(&q.master, "master", master, "where Mesos is: host, host:port, http:// or https:// and\nthese, several with commas, zk://[user:password@]h1,h2/path,\nlocal, or local[N] for N agents on this machine;\nbefore the default come $MESOS_MASTER_IP and $MESOS_MASTER")
	f.Lookup("master").DefValue = "local" // the environment's may hold a password, and help shows it
	f.StringVar(&q.tasks, "tasks", "tasks.yaml", "the tasks file")
	f.StringVar(&q.state, "state", ".cmdq", "directory for what cmdq keeps: the journal of the run, and\nthe sandboxes of --master local")
	f.StringVar(&q.name, "name", d.Name, "name of the framework in the Mesos page")
	f.StringVar(&q.user, "user", currentUser(), "user the commands run as, unless a task says otherwise")
	f.StringVar(&q.role, "role", d.Role, "role whose resources are used")
	q.identity.register(f)
	f.Float64Var(&q.refuse, "refuse-seconds", d.RefuseFor.Seconds(), "for how long an offer that nothing fits stays away")
	f.DurationVar(&q.revive, "revive-interval", d.ReviveInterval, "at most one REVIVE in this time")
	f.DurationVar(&q.unreachable, "unreachable-timeout", d.UnreachableTimeout, "until a launch that may still run is given up")
	f.DurationVar(&q.failover, "failover-timeout", d.FailoverTimeout, "how long the master lets our tasks run on without us")
	f.IntVar(&q.infraRetries, "infra-retries", d.InfraRetries, "infrastructure failures that a task survives")
	f.IntVar(&q.maxRunning, "max-running", 0, "tasks that may be active at a time; 0: no limit")
	f.IntVar(&q.maxFailures, "max-failures", task.Unlimited, "failed tasks that the run bears: one more, and what is not\nrunning ends; -1: no limit")
	f.Var(&q.onFinish, "on-finish", "what is done once every task has ended, beside what the tasks\nfile says: a shell command, or an http:// or https:// address\nthat gets a POST; may be given several times")
	f.Var(&q.onFailure, "on-failure", "the same once the first task has failed for good")
	f.DurationVar(&q.unplaceable, "unplaceable-timeout", 0, "until a task that fits no agent ends failed; 0: never")
	if once {
		f.DurationVar(&q.connect, "connect-timeout", time.Minute, "until a master has to answer; 0: no limit")
	}
	f.BoolVar(&q.fresh, "fresh", false, "drop the unfinished run in --state and begin a new one")
	f.StringVar(&q.joblog, "joblog", "", "file that gets a line of JSON for every task that ends")
	f.StringVar(&q.progress, "progress", "auto", "auto, bar, plain or none; auto is a bar on a terminal and\nplain lines elsewhere")
	q.agent.register(f)
	q.cluster.register(f)
	q.log.register(f)
}

func (c *clusterFlags) register(f *pflag.FlagSet) {
	f.IntVar(&c.agents, "agents", 1, "agents of the embedded Mesos")
	f.StringVar(&c.resources, "resources", "", "what each of its agents has, as 'cpus:8;mem:8192;disk:10000';\ndefault: what this machine has, shared evenly")
	f.DurationVar(&c.interval, "allocation-interval", time.Second, "time between its rounds of offers")
}

func (l *logFlags) register(f *pflag.FlagSet) {
	f.StringVar(&l.level, "log-level", "", "debug, info, warn or error; default info, but warn below a\nprogress bar")
	f.StringVar(&l.format, "log-format", "text", "text or json")
}

// defaultMaster is where Mesos is if no flag says so, and what said it.
func defaultMaster() (master, says string) {
	for _, name := range []string{"MESOS_MASTER_IP", "MESOS_MASTER"} {
		if v := os.Getenv(name); v != "" {
			return v, "$" + name
		}
	}
	return "local", "--master"
}

func currentUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

var localMaster = regexp.MustCompile(`^local(\[(.*)\])?$`)

// check completes the configuration and finds what is wrong with it.
func (q *queueConfig) check(f *pflag.FlagSet) error {
	if err := q.checkMaster(f); err != nil {
		return err
	}
	switch {
	case q.name == "":
		return usage("--name is empty")
	case q.user == "":
		return usage("--user is empty")
	case q.role == "" || strings.ContainsAny(q.role, " \t\n") || q.role != "*" && strings.ContainsAny(q.role, "*"):
		return usage("--role %q: want a role name of Mesos, without white space, or *", q.role)
	case !(q.refuse >= 0 && q.refuse <= 365*24*3600): // NaN too
		return usage("--refuse-seconds %g: want 0 to 31536000", q.refuse)
	case q.infraRetries < 0:
		return usage("--infra-retries %d: want 0 or more", q.infraRetries)
	}
	for name, d := range map[string]time.Duration{"revive-interval": q.revive, "unreachable-timeout": q.unreachable,
		"unplaceable-timeout": q.unplaceable, "connect-timeout": q.connect, "failover-timeout": q.failover} {
		if d < 0 {
			return usage("--%s %s: want 0 or more", name, d)
		}
	}
	if q.maxRunning < 0 || q.maxFailures < task.Unlimited {
		return usage("--max-running and --max-failures: want 0 or more, or -1 for --max-failures without limit")
	}
	if err := q.onFinish.check("on-finish"); err != nil {
		return err
	}
	if err := q.onFailure.check("on-failure"); err != nil {
		return err
	}
	if err := q.agent.check(f); err != nil {
		return err
	}
	switch q.progress {
	case "auto", "bar", "plain", "none":
	default:
		return usage("--progress %q: want auto, bar, plain or none", q.progress)
	}
	return nil
}

func (q *queueConfig) checkMaster(f *pflag.FlagSet) error {
	says := "--master"
	if !f.Changed("master") {
		_, says = defaultMaster()
	}
	m := localMaster.FindStringSubmatch(q.master)
	if m == nil {
		var err error
		if q.masters, err = mesosapi.ParseMasters(q.master); err != nil {
			return usage("%s: %w", says, err)
		}
		for _, name := range []string{"agents", "resources", "allocation-interval"} {
			if f.Changed(name) {
				return usage("--%s is for --master local only, and %s is %s", name, says, q.masters)
			}
		}
		return q.identity.check(f, q.masters, false)
	}
	q.embedded = true
	if m[1] != "" {
		n, err := strconv.Atoi(m[2])
		if err != nil || n < 1 {
			return usage("%s %q: want local[N] with N agents, at least 1", says, q.master)
		}
		if f.Changed("agents") && q.cluster.agents != n {
			return usage("%s %s and --agents %d contradict each other", says, q.master, q.cluster.agents)
		}
		q.cluster.agents = n
	}
	if us := currentUser(); q.user != us {
		return usage("--user %q: allowed with --master local is %q only, as who cmdq itself runs", q.user, us)
	}
	if err := q.identity.check(f, q.masters, true); err != nil {
		return err
	}
	return q.cluster.check()
}

// maxAgents bounds what one process is asked to be.
const maxAgents = 100

func (c *clusterFlags) check() error {
	if c.agents < 1 || c.agents > maxAgents {
		return usage("--agents %d: want 1 to %d", c.agents, maxAgents)
	}
	if c.interval <= 0 {
		return usage("--allocation-interval %s: want more than 0", c.interval)
	}
	if c.resources != "" {
		if _, err := local.ParseResources(c.resources); err != nil {
			return usage("--resources: %w", err)
		}
	}
	return nil
}

// logger makes the log that the flags ask for, written to w.
func (l *logFlags) logger(w io.Writer, quiet bool) (*logrus.Logger, error) {
	log := logrus.New()
	log.SetOutput(w)
	switch l.format {
	case "text":
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "15:04:05.000"})
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: "2006-01-02T15:04:05.000Z07:00"})
	default:
		return nil, usage("--log-format %q: want text or json", l.format)
	}
	name := l.level
	if name == "" {
		name = "info"
		if quiet {
			name = "warn"
		}
	}
	switch name {
	case "debug", "info", "warn", "error":
	default:
		return nil, usage("--log-level %q: want debug, info, warn or error", name)
	}
	level, err := logrus.ParseLevel(name)
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	log.SetLevel(level)
	return log, nil
}
