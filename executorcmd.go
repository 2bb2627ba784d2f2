package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"cmdq/executor"
)

func executorCommand() *cobra.Command {
	var (
		idle  time.Duration
		terse bool
		log   logFlags
	)
	cmd := &cobra.Command{
		Use:   "executor",
		Short: "run tasks on an agent; started by Mesos, not by hand",
		Long: `Run the tasks that a Mesos agent sends to this executor, each as a process
group of its own in tasks/ID of the executor's sandbox, until the agent shuts it
down or there is nothing to do for long enough. What a task runs is in its data:
see docs/executor.md. Everything else Mesos says in the environment.

It ends with status 0, or 3 when there is no agent to report to any more.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if idle < 0 {
				return usage("--executor-idle %s is negative; 0 is for ever", idle)
			}
			logger, err := log.logger(os.Stderr, false)
			if err != nil {
				return err
			}
			cfg, err := executor.FromEnvironment()
			if err != nil {
				return usage("%w; is this not the embedded Mesos or an agent that starts it?", err)
			}
			cfg.Idle, cfg.Terse, cfg.Log = idle, terse, logrus.NewEntry(logger)
			return runExecutor(cfg)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.DurationVar(&idle, "executor-idle", time.Minute, "end when there was no task for so long; 0: never")
	f.BoolVar(&terse, "terse-updates", false, "start commands without waiting for the agent, and tell of\nRUNNING only after a second")
	log.register(f)
	return cmd
}

// runExecutor is an executor until its end, or a signal.
func runExecutor(cfg executor.Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	surviveBrokenPipes()
	if err := executor.Run(ctx, cfg); err != nil {
		return &exit{exitCluster, fmt.Errorf("end: %w", err)}
	}
	return nil
}
