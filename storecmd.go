package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cmdq/lock"
	"cmdq/store"
	"cmdq/task"
)

func storeCommand() *cobra.Command {
	state := ".cmdq"
	cmd := &cobra.Command{
		Use:   "store",
		Short: "look into the journal of a run",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return usage("%s needs check or dump (see %[1]s --help)", cmd.CommandPath())
		},
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.PersistentFlags().StringVar(&state, "state", state, "directory that cmdq keeps its journal in")
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "check all of the journal and say what it holds",
		Long: `Check all of the journal in --state and say what it holds, without changing
anything. The exit status is 1 if it is damaged, 2 if there is none, or if a
cmdq that runs has it.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return look(state, checkStore) },
	}, &cobra.Command{
		Use:   "dump",
		Short: "print the journal, a line of JSON for the run and for every task",
		Long: `Print the journal in --state as lines of JSON: one for the run, then one for
every task, with its launches and what it runs. The values of environment
variables are not shown. The exit statuses are those of check.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return look(state, dumpStore) },
	})
	return cmd
}

// look reads a journal that no cmdq has open, checked from end to end.
func look(dir string, print func(io.Writer, *store.Store) error) error {
	s, err := store.Look(dir)
	var held *lock.HeldError
	var damaged *store.Damaged
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("there is no journal in %s; name another directory with --state", dir)
	case errors.As(err, &held):
		return usage("%w: end it, or name another directory with --state", held)
	case errors.As(err, &damaged):
		return &exit{exitFailed, damaged}
	case err != nil:
		return &exit{exitFailed, err}
	}
	out := bufio.NewWriter(os.Stdout)
	err = print(out, s)
	if err := errors.Join(err, out.Flush(), s.Close()); err != nil {
		return &exit{exitFailed, err}
	}
	return nil
}

// checkStore says what is in a journal; that it was opened has checked it.
func checkStore(w io.Writer, s *store.Store) error {
	var states [task.NumStates]int
	for t, err := range s.Tasks() {
		if err != nil {
			return err
		}
		states[t.Task.State]++
	}
	var parts []string
	for state, n := range states {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, task.State(state)))
		}
	}
	in := ""
	if len(parts) > 0 {
		in = " (" + strings.Join(parts, ", ") + ")"
	}
	c := s.Counts()
	_, err := fmt.Fprintf(w, "%s: ok, %s%s, sequence %d\n", c.Path, count(c.Tasks, "task"), in, c.Sequence)
	return err
}
