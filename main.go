// Command cmdq is a command queue for Apache Mesos: it runs the commands of
// tasks.yaml on a Mesos cluster, or on this machine.
//
// This package turns flags into configurations, wires the parts together and
// decides exit statuses; it is the only one that does. What the parts are is in
// docs/architecture.md.
package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"cmdq/local"
	"cmdq/task"
)

func main() {
	local.Guard() // never returns in the process that starts the commands
	os.Exit(run(os.Args[1:]))
}

// The exit statuses.
const (
	exitFinished = 0   // every task finished
	exitFailed   = 1   // some task failed or was killed
	exitUsage    = 2   // bad usage, or a bad tasks file
	exitCluster  = 3   // the cluster cannot be reached or refuses us
	exitSIGINT   = 130 // interrupted
	exitSIGTERM  = 143 // asked to end
)

// exit is an error that knows its status. Without a cause everything was said.
type exit struct {
	status int
	cause  error
}

func (e *exit) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.cause.Error()
}

func (e *exit) Unwrap() error { return e.cause }

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// run is main without the process around it.
func run(args []string) int {
	cmd := command()
	cmd.SetArgs(args)
	err := cmd.Execute()
	if err == nil {
		return exitFinished
	}
	status := exitUsage // what cobra itself finds wrong is bad usage
	var e *exit
	if errors.As(err, &e) {
		status = e.status
		if e.cause == nil {
			return status
		}
	}
	var file task.Errors
	if errors.As(err, &file) {
		say(err) // FILE:LINE: at the beginning of every line
		return status
	}
	say("cmdq:", err)
	return status
}

// say tells a person, unless the reader of standard error has stopped.
func say(words ...any) {
	out, drain := standardError()
	fmt.Fprintln(out, words...)
	drain(lastWords)
}

const about = `cmdq runs the commands of tasks.yaml on Apache Mesos, or on this machine.

  cmdq                              run the queue here until interrupted
  cmdq run                          run the queue to its end and exit
  MESOS_MASTER_IP=10.0.0.1 cmdq     the same on a Mesos cluster

The queue follows tasks.yaml when it changes (cmdq) or reads it once (cmdq run).
A start goes on with a run that is unfinished in --state.
Exit status of "cmdq run": 0 every task finished, 1 some did not, 2 bad usage or
tasks file, 3 the cluster cannot be reached or refuses us, 130 after SIGINT,
143 after SIGTERM or SIGHUP, which leave what runs alone.`

func command() *cobra.Command {
	q := queueFlags()
	root := &cobra.Command{
		Use:           "cmdq",
		Short:         "a command queue for Apache Mesos",
		Long:          about,
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQueue(cmd.Flags(), q, "", false)
		},
	}
	q.register(root.Flags(), false)
	root.SuggestionsMinimumDistance = 2
	root.SetHelpCommand(helpCommand(root))
	root.Version = version()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%s (see %s --help)", flagError(err), cmd.CommandPath())
	})
	root.AddCommand(runCommand(), localCommand(), validateCommand(),
		statusCommand(), lsCommand(), showCommand(), explainCommand(), logsCommand(), failuresCommand(), waitCommand(),
		submitCommand(), cancelCommand(), retryCommand(), holdCommand(), releaseCommand(),
		storeCommand(), executorCommand(), versionCommand())
	return root
}

// What Go says of a flag's value, and what that means.
var (
	badNumber = regexp.MustCompile(`strconv\.Parse\w+: parsing "[^"]*": (invalid syntax|value out of range)$`)
	badTime   = regexp.MustCompile(`time: (missing unit in|unknown unit .* in|invalid) duration .*$`)
)

// flagError is an error of a flag in a person's words.
func flagError(err error) string {
	text := badNumber.ReplaceAllString(err.Error(), "want a number that is not too large")
	return badTime.ReplaceAllString(text, "want a time with its unit, such as 90s, 10m or 1h30m")
}

// helpCommand is for those who know it of other programs: cmdq help run.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Hidden: true,
		Args:   func(*cobra.Command, []string) error { return nil },
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err == nil {
				err = noArguments(cmd, rest)
			}
			if err != nil {
				return err
			}
			return cmd.Help()
		},
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() && !cmd.HasSubCommands() {
		return noWords(cmd, args)
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage("unknown command %q; did you mean %q?", args[0], near[0])
	}
	if cmd.HasParent() {
		return usage("unknown command %q of %s (see %[2]s --help)", args[0], cmd.CommandPath())
	}
	return usage("unknown command %q; there are run, status, ls, show, explain, logs, failures, wait, submit, cancel, retry, hold, release, local, validate, store, executor, completion and version (see cmdq --help)", args[0])
}

func runCommand() *cobra.Command {
	q := queueFlags()
	cmd := &cobra.Command{
		Use:   "run [FILE|-]",
		Short: "run the queue to its end and exit",
		Long: `Run the tasks of FILE (default: --tasks), or of standard input for "-", to
their end, print a summary and exit: 0 every task finished, 1 some failed or
was killed, 2 bad usage or tasks file, 3 the cluster cannot be reached or
refuses us, 130 after SIGINT, 143 after SIGTERM or SIGHUP. A run that is not at
its end goes on with the next start.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			return runQueue(cmd.Flags(), q, file, true)
		},
	}
	q.register(cmd.Flags(), true)
	return cmd
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("%s takes one file, not %d", cmd.CommandPath(), len(args))
	}
	return nil
}
