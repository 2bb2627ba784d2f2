package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"cmdq/local"
	"cmdq/scheduler"
	"cmdq/task"
)

// summaryRows bounds how many tasks a summary lists one by one.
const summaryRows = 20

// summary is what cmdq run prints at its end: how many tasks ended how, those
// that did not finish, and where the sandboxes are.
func summary(out io.Writer, s *scheduler.Scheduler, workDir, page string, took time.Duration) error {
	w := &bytes.Buffer{}
	snap := s.Snapshot()
	fmt.Fprintf(w, "%s: %d finished, %d failed, %d killed", count(snap.Tasks, "task"),
		snap.States[task.Finished], snap.States[task.Failed], snap.States[task.Killed])
	if open := snap.Tasks - snap.Ended(); open > 0 {
		fmt.Fprintf(w, ", %d not ended", open)
	}
	fmt.Fprintf(w, ", in %s\n", took.Round(10*time.Millisecond))

	var bad, all []*task.Task
	for t := range s.Tasks() {
		all = append(all, t)
		if t.State == task.Failed || t.State == task.Killed {
			bad = append(bad, t)
		}
	}
	listFailures(w, bad)
	if workDir == "" {
		fmt.Fprintf(w, "sandboxes: on the agents, through the Mesos page at %s\n", page)
	} else {
		listSandboxes(w, all, workDir)
	}
	if _, err := out.Write(w.Bytes()); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

func bySeq(tasks []*task.Task) {
	slices.SortFunc(tasks, func(a, b *task.Task) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
}

func listFailures(w io.Writer, bad []*task.Task) {
	bySeq(bad)
	for i, t := range bad {
		if i == summaryRows {
			fmt.Fprintf(w, "  … and %d more\n", len(bad)-i)
			return
		}
		fmt.Fprintf(w, "  %s %s after %s", t.ID, t.State, count(t.Attempts, "attempt"))
		switch {
		case t.End.Message != "" && t.End.Reason != "":
			fmt.Fprintf(w, ": %s (%s)", t.End.Message, t.End.Reason)
		case t.End.Message+t.End.Reason != "":
			fmt.Fprintf(w, ": %s", t.End.Message+t.End.Reason)
		}
		fmt.Fprintln(w)
	}
}

// count is a number with its noun: "1 task", "2 tasks".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// listSandboxes says where the commands ran and left their output.
func listSandboxes(w io.Writer, tasks []*task.Task, workDir string) {
	tasks = slices.DeleteFunc(tasks, func(t *task.Task) bool { return t.Current() == nil })
	if len(tasks) == 0 {
		return
	}
	bySeq(tasks)
	if len(tasks) > summaryRows {
		a := tasks[0].Current()
		fmt.Fprintf(w, "sandboxes: %s, and so on\n", local.Sandbox(workDir, a.Agent, a.Framework, "TASK"))
		return
	}
	fmt.Fprintln(w, "sandboxes:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range tasks {
		a := t.Current()
		fmt.Fprintf(table, "  %s\t%s\n", t.ID, local.Sandbox(workDir, a.Agent, a.Framework, task.LaunchID(t.ID, a.Number)))
	}
	table.Flush()
}
