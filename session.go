package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"cmdq/local"
	"cmdq/mesosapi"
	"cmdq/metrics"
	"cmdq/notice"
	"cmdq/sandbox"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
	"cmdq/web"
)

// session is one start of cmdq, from the flags to the exit status. A run may
// take several of them.
type session struct {
	cfg    *queueConfig
	once   bool // cmdq run
	file   *tasksFile
	unused atomic.Pointer[string] // why the tasks file is not used as it is now; nil: it is
	log    *logrus.Logger
	show   progress
	began  time.Time

	drain   func(time.Duration) // lets what was written to standard error be read
	signals <-chan os.Signal    // the first one that wants us to end

	journal *journal
	resumed bool           // a run of before goes on
	cluster *local.Cluster // with --master local
	secret  string         // of that cluster
	conn    *mesosapi.Conn
	sched   *scheduler.Scheduler

	listener       *web.Listener  // where agents reach us; nil: nowhere
	artifacts      *web.Artifacts // what agents fetch from us; nil: nothing
	artifactServer *web.Server
	executorURI    string // where they find the program that runs here
	files          sandbox.Files
	agents         *mesosapi.Agents // behind files, if that is a cluster
	collector      *collector
	control        *web.Server
	hub            *web.Hub
	metrics        *metrics.Recorder
	courier        *notice.Courier
	book           *noticeBook // of the courier
	ended          time.Time   // when the scheduler had, of this start
	detached       bool        // what runs goes on without us
}

// runQueue is cmdq (once is false) and cmdq run.
func runQueue(f *pflag.FlagSet, cfg *queueConfig, file string, once bool) error {
	if file == "" {
		file = cfg.tasks
	} else if f.Changed("tasks") {
		return usage("the tasks file is named twice: --tasks %s and %s", cfg.tasks, file)
	}
	if err := cfg.check(f); err != nil {
		return err
	}
	s := &session{cfg: cfg, once: once, began: time.Now(), file: &tasksFile{path: file}}
	if cfg.embedded {
		s.file.user = currentUser()
	}
	var tasks *task.File
	var err error
	if !store.Exists(cfg.state) {
		if tasks, err = s.file.read(); err != nil {
			return badFile(err) // and nothing is left behind
		}
		if err := s.reachable(s.needsOf(specsOf(tasks))); err != nil {
			return err
		}
	}
	var out io.Writer
	out, s.drain = standardError()
	defer func() { s.drain(lastWords) }()
	s.show = newProgress(cfg.progress, out)
	_, isBar := s.show.(*bar)
	if s.log, err = cfg.log.logger(s.show, isBar); err != nil {
		return err
	}
	s.signals = firstSignal()
	surviveBrokenPipes()
	if cfg.agent.listen != "" || cfg.agent.advertise != "" {
		if err := s.listen(); err != nil {
			return err
		}
	}
	defer s.close()
	if err := s.openJournal(); err != nil {
		return err
	}
	if s.journal.run.Stage == store.Ended && !cfg.fresh {
		if err := s.another("a run that has ended and was not told of", "to see how it ended"); err != nil {
			return err
		}
		return s.tellEnd()
	}
	if tasks == nil {
		if s.unfinished() && !cfg.fresh && s.another("", "") == nil {
			s.file.expect(s.journal.run.Applied)
		}
		if tasks, err = s.file.read(); err != nil {
			return badFile(err)
		}
	}
	if tasks == nil {
		return s.start(scheduler.Unchanged{}, needs{})
	}
	return s.start(scheduler.Load{Tasks: tasks.Tasks(s.began), Policy: tasks.Policy, File: s.file.describe()}, s.needsOf(specsOf(tasks)))
}

// start opens everything that the scheduler needs, the embedded Mesos among it,
// and lets it run. n is what the tasks file needs.
func (s *session) start(first scheduler.Event, n needs) error {
	if err := s.reachable(n); err != nil {
		return err
	}
	s.metrics = metrics.New(metrics.Config{Version: strings.TrimPrefix(version(), "cmdq "), Now: s.standing})
	var err error
	if s.resumed, err = s.resume(); err != nil {
		return err
	}
	if err := s.openJoblog(); err != nil {
		return err
	}
	if err := s.makeDirectories(n); err != nil {
		return err // before what is left of another run goes
	}
	if s.cfg.embedded {
		if err := s.startCluster(); err != nil {
			return err
		}
	}
	if !s.resumed {
		if err := s.beginRun(); err != nil {
			return err
		}
	}
	var sent torn
	if sig, err := s.beforeSignal(func(ctx context.Context) error {
		sent, err = s.oweNothing(ctx, s.resumed)
		return err
	}); sig != nil || err != nil {
		return signalled(sig, err)
	}
	if s.conn, err = s.connect(s.master(), meter{s.metrics}.called); err != nil {
		return err
	}
	if warning := s.cfg.identity.warning(s.cfg.masters); warning != "" {
		s.log.Warn(warning)
	}
	if err := s.samePort(); err != nil {
		return err
	}
	s.sched = scheduler.New(s.schedulerConfig(), s.conn, s.conn.Incoming(), s.journal, logrus.NewEntry(s.log))
	if s.resumed {
		if err := s.restore(sent); err != nil {
			return err
		}
		s.sayGoingOn()
	}
	if load, ok := first.(scheduler.Load); ok {
		if id, given := s.sched.Given(load.Tasks); given {
			return usage("%s: task %s is there already, it was submitted", s.file.path, id)
		}
		if circle := s.sched.Circle(load.Tasks); circle != nil {
			return usage("%s: %w", s.file.path, circle)
		}
	}
	if err := s.openAgentsSide(n); err != nil {
		return err
	}
	if err := s.startJoblog(); err != nil {
		return err
	}
	s.openControl()
	return s.play(first)
}

// restore fills the scheduler with the run that goes on.
func (s *session) restore(sent torn) error {
	saved, err := s.saved(sent)
	if err != nil {
		return err
	}
	if err := s.sched.Restore(saved); err != nil {
		return badState(err)
	}
	return nil
}

// sayGoingOn says so whatever the log level is: somebody may have expected a new
// run.
func (s *session) sayGoingOn() {
	run, snap := s.journal.run, s.sched.Snapshot()
	id := run.Framework.ID
	if id == "" {
		id = "a new framework id"
	}
	fmt.Fprintf(s.show, "cmdq: going on with the run of %s: %s, %d ended, as %s (--fresh begins a new one)\n",
		run.Began.Local().Format(time.DateTime), count(snap.Tasks, "task"), snap.Ended(), id)
}

// openAgentsSide makes ready what goes between agents and us past the master:
// what they fetch, and what we fetch of their sandboxes.
func (s *session) openAgentsSide(n needs) error {
	if s.resumed {
		n = s.needsOf(s.keptSpecs()).and(n)
	}
	if err := s.openArtifacts(n); err != nil {
		return err
	}
	if err := s.provide(n); err != nil {
		return err
	}
	s.files = &sandbox.Disk{Dir: s.workDir()}
	if !s.cfg.embedded {
		agents, err := mesosapi.NewAgents(s.mesosConfig(s.master()))
		if err != nil {
			return usage("--master: %w", err)
		}
		s.agents, s.files = agents, &sandbox.Remote{Door: agents}
	}
	s.collector = newCollector(s.files, &s.cfg.agent, s.journal.run.Began, s.sched.Post, s.log.WithField("part", "sandbox"))
	s.sched.Collector = s.collector
	s.hub = web.NewHub()
	s.sched.Meter, s.sched.Watcher = meter{s.metrics}, s.watch
	if s.listener != nil {
		return s.openSite()
	}
	return nil
}

// openControl lets other processes of this user ask us.
func (s *session) openControl() {
	listener, err := web.ListenControl(s.cfg.state)
	if err != nil {
		s.log.Warnf("cmdq status, logs and the other verbs will not reach us: %v", err) // not every file system has sockets
		return
	}
	s.control = web.Serve(listener, web.NewAPI(s.apiConfig()), s.log.WithField("part", "web"))
}

// connect makes the connection to a master; nothing is sent yet. called hears how
// calls go; nil: nobody does.
func (s *session) connect(master string, called func(sched.Call_Type, error)) (*mesosapi.Conn, error) {
	cfg := s.mesosConfig(master)
	cfg.Called = called
	conn, err := mesosapi.New(cfg)
	if err != nil {
		return nil, usage("--master: %w", err)
	}
	return conn, nil
}

// mesosConfig says how a master is spoken to.
func (s *session) mesosConfig(master string) mesosapi.Config {
	cfg := mesosapi.Config{Master: master, Log: s.log.WithField("part", "mesosapi")}
	switch master {
	case "local":
		cfg.Master = s.cluster.Addr()
		cfg.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.secret) }
	case s.master(): // with its password for ZooKeeper; the master of an earlier run hears none of our secrets
		cfg.Master = s.cfg.master
		s.cfg.identity.apply(&cfg)
	}
	return cfg
}

func (s *session) startCluster() error {
	c := s.cfg.cluster
	s.secret = newSecret()
	cluster, err := local.Start(local.Config{
		IP: "127.0.0.1", Agents: c.agents, Resources: c.resources, AllocationInterval: c.interval,
		Eager: true, WorkDir: s.workDir(), Secret: s.secret, Log: s.log.WithField("part", "local"),
	})
	if err != nil {
		return notStarted(err, "state")
	}
	s.cluster = cluster
	if s.cfg.progress != "none" {
		// Not in the log: the address holds the secret that lets its reader in.
		fmt.Fprintf(s.show, "embedded Mesos: %s, page %s\n", count(c.agents, "agent"), cluster.PageURL())
	}
	return nil
}

// workDir is where the embedded Mesos keeps its sandboxes.
func (s *session) workDir() string { return workDir(s.cfg.state) }

func workDir(state string) string { return filepath.Join(state, "local") }

func (s *session) schedulerConfig() scheduler.Config {
	c := scheduler.DefaultConfig()
	c.FrameworkID, c.NewID = s.journal.run.Framework.ID, uuid.NewString
	c.Name, c.User, c.Role, c.Master = s.cfg.name, s.cfg.user, s.cfg.role, s.master()
	c.Principal = s.cfg.identity.principal
	c.RefuseFor = time.Duration(s.cfg.refuse * float64(time.Second))
	c.ReviveInterval, c.UnreachableTimeout = s.cfg.revive, s.cfg.unreachable
	c.FailoverTimeout, c.Own = s.cfg.failover, s.cfg.embedded
	c.InfraRetries, c.UnplaceableTimeout, c.ConnectTimeout = s.cfg.infraRetries, s.cfg.unplaceable, s.cfg.connect
	c.Once = s.once
	c.Collect = scheduler.CollectConfig{Tail: true, Keep: s.cfg.agent.keep != ""}
	c.Run = task.Group{MaxRunning: s.cfg.maxRunning, MaxFailures: s.cfg.maxFailures, Finish: s.cfg.onFinish.list, Failure: s.cfg.onFailure.list}
	if s.cfg.agent.listen != "" {
		c.Page = s.listener.URL() + "/"
	}
	c.Executor, c.FileURL = s.cfg.agent.executorConfig(s.executorAt, s.arch(), s.taskData), s.fileURL
	c.Rand = mathrand.New(mathrand.NewPCG(randomUint64(), randomUint64()))
	if host, err := os.Hostname(); err == nil {
		c.Hostname = host
	}
	return c
}

// drainWait is for answers under way when a run ends; a log looks once a second
// whether its command has.
const drainWait = 2 * time.Second

// close ends what was started, in the opposite order.
func (s *session) close() {
	if s.hub != nil {
		s.hub.Close()
	}
	if s.control != nil {
		if !s.detached {
			s.control.Drain(drainWait) // who follows a log sees its end
		}
		s.closing("the control socket", s.control)
	}
	if s.collector != nil {
		s.collector.close()
	}
	if s.agents != nil {
		s.closing("the way to the agents", s.agents)
	}
	if s.artifacts != nil {
		s.artifacts.Close()
	}
	switch {
	case s.artifactServer != nil:
		s.closing("the artifact server", s.artifactServer)
	case s.listener != nil:
		s.closing("the address for agents", s.listener)
	}
	if s.conn != nil {
		if err := s.conn.Close(); err != nil {
			s.log.Warn(err)
		}
	}
	if s.cluster != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := s.cluster.Stop(ctx); err != nil {
			s.log.Warnf("stop the embedded Mesos: %v", err)
		}
	}
	if s.journal != nil {
		s.closing("the journal", s.journal)
	}
}

func (s *session) closing(what string, c io.Closer) {
	if err := c.Close(); err != nil {
		s.log.Warnf("close %s: %v", what, err)
	}
}

// newSecret guards the embedded Mesos of this process.
func newSecret() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b)
}

func randomUint64() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
