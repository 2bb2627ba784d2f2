package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cmdq/local"
	"cmdq/zookeeper"
)

func localCommand() *cobra.Command {
	var (
		cluster clusterFlags
		log     logFlags
		ip      string
		port    int
		workDir string
		entry   entryFlags
		mesos   mesosFlags
		elects  electionFlags
	)
	cmd := &cobra.Command{
		Use:   "local",
		Short: "only the embedded Mesos, for other frameworks too",
		Long: `Run a Mesos master and its agents in this process until interrupted. It speaks
the HTTP APIs of Apache Mesos on loopback and runs commands for real, as you.

Every user of this machine can run commands through it, unless it is started
with --credentials. The file is JSON, as Mesos has it, and open to nobody else:

    {"credentials": [{"principal": "ann", "secret": "…"}]}

Then every path but /health and /version asks for them (HTTP Basic).

With --zk several of them elect the one that leads, as Mesos masters do; its
agents are its own. It ends with status 3 when it does not lead any more, or
ZooKeeper does not let it take part.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cluster.check(); err != nil {
				return err
			}
			if err := mesos.check(); err != nil {
				return err
			}
			credentials, err := entry.check(ip)
			if err != nil {
				return err
			}
			if err := elects.check(); err != nil {
				return err
			}
			if port < 0 || port > 65535 {
				return usage("--port %d: want 0 (any free one) to 65535", port)
			}
			logger, err := log.logger(os.Stderr, false)
			if err != nil {
				return err
			}
			cfg := local.Config{IP: ip, Port: port, Agents: cluster.agents, Resources: cluster.resources,
				Credentials: credentials, AllowRemote: entry.remote,
				AllocationInterval: cluster.interval, WorkDir: workDir, Log: logrus.NewEntry(logger)}
			mesos.apply(&cfg)
			elects.apply(&cfg)
			return serve(cfg)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&ip, "ip", "127.0.0.1", "address to listen on; one that is not loopback needs\n--allow-remote")
	f.IntVar(&port, "port", 5050, "port of the master; 0 takes a free one; agents always do")
	f.StringVar(&workDir, "work-dir", filepath.Join(".cmdq", "mesos"), "directory for the sandboxes")
	entry.register(f)
	elects.register(f)
	cluster.register(f)
	mesos.register(f)
	log.register(f)
	return cmd
}

// electionFlags say where masters elect the one that leads.
type electionFlags struct {
	zk      string
	timeout time.Duration

	at *zookeeper.Address
}

func (e *electionFlags) register(f *pflag.FlagSet) {
	f.StringVar(&e.zk, "zk", "", "elect the leading master: zk://[user:password@]host:2181,…/path,\nor file:///path of a file with that")
	f.DurationVar(&e.timeout, "zk-session-timeout", 10*time.Second, "until ZooKeeper gives up a master it does not hear of")
}

// check reads the address.
func (e *electionFlags) check() error {
	if e.timeout < 100*time.Millisecond || e.timeout > time.Hour {
		return usage("--zk-session-timeout %s: want 100ms to 1h", e.timeout)
	}
	if e.zk == "" {
		return nil
	}
	at, err := local.ParseZooKeeper(e.zk)
	if err != nil {
		return usage("--zk: %v", err) // without the address, which may hold a password
	}
	e.at = at
	return nil
}

func (e *electionFlags) apply(cfg *local.Config) {
	cfg.ZooKeeper, cfg.ZooKeeperTimeout = e.at, e.timeout
}

// serve runs the embedded Mesos until a signal ends it, or it may not go on.
func serve(cfg local.Config) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endingSignals()...)
	surviveBrokenPipes()
	cluster, err := local.Start(cfg)
	if err != nil {
		return notStarted(err, "work-dir")
	}
	fmt.Printf("ready: master %s, %s, page %s\n", cluster.Addr(), count(cfg.Agents, "agent"), cluster.PageURL())
	if cfg.Credentials == nil {
		cfg.Log.Warn("every user of this machine can run commands through it, as you; --credentials FILE closes that")
	}
	var end error
	select {
	case <-signals:
	case end = <-cluster.Lost():
		cfg.Log.WithError(end).Error("this master and all its commands end")
	}
	go func() {
		<-signals
		os.Exit(exitSIGINT) // the second one; the guardian ends the commands
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := cluster.Stop(ctx); err != nil {
		return &exit{exitCluster, errors.Join(end, fmt.Errorf("stop the embedded Mesos: %w", err))}
	}
	if end != nil {
		return &exit{exitCluster, end}
	}
	return nil
}
