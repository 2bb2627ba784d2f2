package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"cmdq/local"
)

func localCommand() *cobra.Command {
	var (
		cluster clusterFlags
		log     logFlags
		ip      string
		port    int
		workDir string
	)
	cmd := &cobra.Command{
		Use:   "local",
		Short: "only the embedded Mesos, for other frameworks too",
		Long: `Run a Mesos master and its agents in this process until interrupted. It speaks
the HTTP APIs of Apache Mesos on loopback and runs commands for real, as you.

Every user of this machine can run commands through it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cluster.check(); err != nil {
				return err
			}
			addr := net.ParseIP(ip)
			if addr == nil || !addr.IsLoopback() {
				return usage("--ip %q: want a loopback address, such as 127.0.0.1: whoever reaches it runs commands here", ip)
			}
			if port < 0 || port > 65535 {
				return usage("--port %d: want 0 (any free one) to 65535", port)
			}
			logger, err := log.logger(os.Stderr, false)
			if err != nil {
				return err
			}
			return serve(local.Config{IP: ip, Port: port, Agents: cluster.agents, Resources: cluster.resources,
				AllocationInterval: cluster.interval, WorkDir: workDir, Log: logrus.NewEntry(logger)})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&ip, "ip", "127.0.0.1", "loopback address to listen on")
	f.IntVar(&port, "port", 5050, "port of the master; 0 takes a free one; agents always do")
	f.StringVar(&workDir, "work-dir", filepath.Join(".cmdq", "mesos"), "directory for the sandboxes")
	cluster.register(f)
	log.register(f)
	return cmd
}

// serve runs the embedded Mesos until a signal ends it.
func serve(cfg local.Config) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endingSignals()...)
	cluster, err := local.Start(cfg)
	if err != nil {
		return &exit{exitCluster, fmt.Errorf("start the embedded Mesos: %w", err)}
	}
	fmt.Printf("ready: master %s, %s, page %s\n", cluster.Addr(), count(cfg.Agents, "agent"), cluster.PageURL())
	cfg.Log.Warn("every user of this machine can run commands through it, as you")
	<-signals
	go func() {
		<-signals
		os.Exit(exitSIGINT) // the second one; the guardian ends the commands
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := cluster.Stop(ctx); err != nil {
		return &exit{exitCluster, fmt.Errorf("stop the embedded Mesos: %w", err)}
	}
	return nil
}
