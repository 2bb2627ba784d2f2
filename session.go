package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"cmdq/local"
	"cmdq/mesosapi"
	"cmdq/scheduler"
)

// session is one run of the queue, from the flags to the exit status.
type session struct {
	cfg   *queueConfig
	once  bool // cmdq run
	file  *tasksFile
	log   *logrus.Logger
	show  progress
	began time.Time

	cluster *local.Cluster // with --master local
	conn    *mesosapi.Conn
	sched   *scheduler.Scheduler
	joblog  *joblog
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
	tasks, err := s.file.read()
	if err != nil {
		return badFile(err)
	}
	s.show = newProgress(cfg.progress)
	_, isBar := s.show.(*bar)
	if s.log, err = cfg.log.logger(s.show, isBar); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		s.close()
		return err
	}
	defer s.close()
	return s.run(scheduler.Load{Tasks: tasks.Tasks(s.began)})
}

// open starts everything that the scheduler needs, the embedded Mesos among it.
func (s *session) open() error {
	if s.cfg.joblog != "" {
		j, err := createJoblog(s.cfg.joblog)
		if err != nil {
			return &exit{exitUsage, err}
		}
		s.joblog = j
	}
	master, authorize := s.cfg.master, (func(*http.Request))(nil)
	if s.cfg.embedded {
		secret := newSecret()
		if err := s.startCluster(secret); err != nil {
			return err
		}
		master = s.cluster.Addr()
		authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }
	}
	conn, err := mesosapi.New(mesosapi.Config{Master: master, Authorize: authorize, Log: s.log.WithField("part", "mesosapi")})
	if err != nil {
		return usage("--master: %w", err)
	}
	s.conn = conn
	s.sched = scheduler.New(s.schedulerConfig(), conn, conn.Incoming(), s, logrus.NewEntry(s.log))
	return nil
}

func (s *session) startCluster(secret string) error {
	c := s.cfg.cluster
	cluster, err := local.Start(local.Config{
		IP: "127.0.0.1", Agents: c.agents, Resources: c.resources, AllocationInterval: c.interval,
		Eager: true, WorkDir: s.workDir(), Secret: secret, Log: s.log.WithField("part", "local"),
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
func (s *session) workDir() string { return filepath.Join(s.cfg.state, "local") }

func (s *session) schedulerConfig() scheduler.Config {
	c := scheduler.DefaultConfig()
	c.FrameworkID, c.NewID = uuid.NewString(), uuid.NewString
	c.Name, c.User, c.Role, c.Master = s.cfg.name, s.cfg.user, s.cfg.role, s.cfg.master
	c.RefuseFor = time.Duration(s.cfg.refuse * float64(time.Second))
	c.ReviveInterval, c.UnreachableTimeout = s.cfg.revive, s.cfg.unreachable
	c.InfraRetries, c.UnplaceableTimeout, c.ConnectTimeout = s.cfg.infraRetries, s.cfg.unplaceable, s.cfg.connect
	c.Once = s.once
	c.Rand = mathrand.New(mathrand.NewPCG(randomUint64(), randomUint64()))
	if host, err := os.Hostname(); err == nil {
		c.Hostname = host
	}
	return c
}

// Append is the scheduler's journal: so far, only the joblog. A joblog that
// cannot be written is said, and is no reason to stop.
func (s *session) Append(records []scheduler.Record) error {
	if s.joblog == nil {
		return nil
	}
	if err := s.joblog.add(records); err != nil {
		s.log.Error(err)
	}
	return nil
}

// run plays the scheduler to its end.
func (s *session) run(first scheduler.Load) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endingSignals()...)
	defer signal.Stop(signals)
	surviveBrokenPipes()

	// The file is watched before anything is launched: a watch may fail.
	if err := s.sched.Post(ctx, first); err != nil {
		return err
	}
	if !s.once && s.file.path != "-" {
		if err := watchFile(ctx, s.file.path, func() { s.reload(ctx) }, func(err error) { s.log.Error(err) }); err != nil {
			return &exit{exitUsage, err}
		}
	}
	type result struct {
		over scheduler.Over
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		over, err := s.sched.Run(ctx)
		ended <- result{over, err}
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	status := 0 // of the signal that ends us
	for {
		select {
		case sig := <-signals:
			if status != 0 {
				os.Exit(status) // the second one: at once; the guardian ends what runs
			}
			status = exitSIGTERM
			if sig == syscall.SIGINT {
				status = exitSIGINT
			}
			go s.interrupt(ctx)
		case <-tick.C:
			s.show.show(s.sched.Snapshot())
		case r := <-ended:
			s.show.finish(s.sched.Snapshot())
			if r.err != nil {
				return &exit{exitFailed, r.err}
			}
			return s.conclude(r.over, status)
		}
	}
}

func (s *session) interrupt(ctx context.Context) {
	if err := s.sched.Post(ctx, scheduler.Interrupt{}); err != nil {
		s.log.Debug(err) // the run was over first
	}
}

// reload reads the tasks file again. A file that does not load changes nothing.
func (s *session) reload(ctx context.Context) {
	file, err := s.file.read()
	switch {
	case err != nil:
		s.log.Errorf("%s is not used, the queue goes on as it was: %v", s.file.path, badFile(err))
	case file != nil:
		if err := s.sched.Post(ctx, scheduler.Load{Tasks: file.Tasks(time.Now())}); err != nil {
			s.log.Debug(err) // we are ending
		}
	}
}

// conclude turns the way the run ended into words and an exit status.
func (s *session) conclude(over scheduler.Over, status int) error {
	took := time.Since(s.began)
	switch over.Why {
	case scheduler.NoMaster:
		return &exit{exitCluster, errors.New(over.Message)}
	case scheduler.Refused:
		return &exit{exitCluster, fmt.Errorf("the master at %s refuses us: %s", s.cfg.master, over.Message)}
	case scheduler.Interrupted:
		if s.once {
			s.summary(took)
		}
		s.notTornDown(over)
		return &exit{status: status}
	}
	s.summary(took)
	s.notTornDown(over)
	if snap := s.sched.Snapshot(); snap.Ended() != snap.Tasks || snap.Bad() > 0 {
		return &exit{status: exitFailed}
	}
	return nil
}

// notTornDown says so when the master may still believe in us.
func (s *session) notTornDown(over scheduler.Over) {
	if !over.Torn && s.sched.Snapshot().Known {
		s.log.Warnf("no master took our TEARDOWN (%s): framework %s ends by itself, %s after the master lost us",
			over.Message, s.sched.FrameworkID(), scheduler.DefaultConfig().FailoverTimeout)
	}
}

func (s *session) summary(took time.Duration) {
	dir := ""
	if s.cfg.embedded {
		dir = s.workDir()
	}
	summary(os.Stdout, s.sched, dir, s.cfg.master, took)
}

// close ends what open started, in the opposite order.
func (s *session) close() {
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
	if s.joblog != nil {
		if err := s.joblog.close(); err != nil {
			s.log.Warn(err)
		}
	}
}

// endingSignals are those that end us. SIGHUP is not, where whoever started us
// had it ignored, as nohup does.
func endingSignals() []os.Signal {
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// surviveBrokenPipes makes a log or a summary that nobody reads any more an error
// of the write instead of the end of us, who have commands to kill: Ctrl-C ends
// the other side of "cmdq 2>&1 | tee log" too. The signal is taken and not
// ignored, since commands would inherit that.
func surviveBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

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
