package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"cmdq/local"
	"cmdq/scheduler"
	"cmdq/task"
)

// summaryRows bounds how many tasks a summary lists one by one.
const summaryRows = 20

// summaryLines bounds how many lines of its standard error are shown of a task.
const summaryLines = 3

// summary is what cmdq run prints at its end: how many tasks ended how, those
// that did not finish, and where the sandboxes are.
func summary(out io.Writer, s *scheduler.Scheduler, workDir, page, outputs, keep string, took time.Duration) error {
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
	listOutputs(w, all, outputs, keep)
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

// listFailures lists the tasks that did not finish, one by one if they are few,
// else those alike together.
func listFailures(w io.Writer, bad []*task.Task) {
	bySeq(bad)
	if len(bad) > summaryRows {
		listFailureGroups(w, bad)
		return
	}
	for _, t := range bad {
		fmt.Fprintf(w, "  %s %s%s%s\n", plain(string(t.ID)), t.State, after(t), plain(why(t.End.Message, t.End.Reason)))
		for _, line := range lastLines(t.End.Stderr, summaryLines) {
			fmt.Fprintf(w, "    %s\n", tabbed(line))
		}
	}
}

// after says how often a task was tried. A launch that got no container is no
// attempt, but it was tried.
func after(t *task.Task) string {
	switch launches := t.Launches - t.Base; {
	case t.Attempts > 0:
		return " after " + count(t.Attempts, "attempt")
	case launches > 0:
		return fmt.Sprintf(" after %d %s", launches, oneOr(launches, "launch", "launches"))
	}
	return ""
}

func listFailureGroups(w io.Writer, bad []*task.Task) {
	groups := scheduler.Failures(slices.Values(bad))
	for i, g := range groups {
		if i == summaryRows {
			fmt.Fprintf(w, "  … and %s (cmdq failures)\n", count(len(groups)-i, "more kind"))
			return
		}
		how := g.Reason
		switch {
		case g.Exit.Known && g.Exit.Signal != "":
			how = strings.TrimPrefix(how+", signal "+g.Exit.Signal, ", ")
		case g.Exit.Known:
			how = strings.TrimPrefix(how+fmt.Sprintf(", exit status %d", g.Exit.Code), ", ")
		}
		fmt.Fprintf(w, "  %d %s%s, such as %s; again: cmdq retry --group %s\n", g.Count, g.State, plain(why(how, "")), plain(string(g.Example)), g.Key)
		if g.Line != "" {
			fmt.Fprintf(w, "    %s\n", tabbed(g.Line))
		}
	}
}

// tabbed is plain, but for tabs.
func tabbed(line string) string {
	parts := strings.Split(line, "\t")
	for i := range parts {
		parts[i] = plain(parts[i])
	}
	return strings.Join(parts, "\t")
}

func why(message, reason string) string {
	switch {
	case message != "" && reason != "":
		return ": " + message + " (" + reason + ")"
	case message+reason != "":
		return ": " + message + reason
	}
	return ""
}

// lastLines are the last lines of a text, at most so many.
func lastLines(text string, most int) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[max(0, len(lines)-most):]
}

// listOutputs says where is what the commands left, of those that did.
func listOutputs(w io.Writer, tasks []*task.Task, outputs, keep string) {
	if slices.ContainsFunc(tasks, func(t *task.Task) bool { return t.State == task.Finished && len(t.Spec.Outputs) > 0 }) {
		fmt.Fprintf(w, "outputs: %s\n", filepath.Join(outputs, "ID"))
	}
	if keep != "" {
		fmt.Fprintf(w, "what they wrote: %s\n", filepath.Join(keep, "ID"))
	}
}

// count is a number with its noun: "1 task", "2 tasks".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// oneOr is the word for one, or that for another number.
func oneOr(n int, one, others string) string {
	if n == 1 {
		return one
	}
	return others
}

// listSandboxes says where the commands ran and left their output.
func listSandboxes(w io.Writer, tasks []*task.Task, workDir string) {
	tasks = slices.DeleteFunc(tasks, func(t *task.Task) bool { return t.Current() == nil })
	if len(tasks) == 0 {
		return
	}
	bySeq(tasks)
	if len(tasks) > summaryRows {
		fmt.Fprintf(w, "sandboxes: %s, and so on\n", sandboxOf(tasks[0], workDir))
		return
	}
	fmt.Fprintln(w, "sandboxes:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range tasks {
		fmt.Fprintf(table, "  %s\t%s\n", t.ID, sandboxOf(t, workDir))
	}
	table.Flush()
}

// sandboxOf is where the last launch of a task ran.
func sandboxOf(t *task.Task, workDir string) string {
	return sandboxIn(t, t.Current(), workDir)
}

// sandboxIn is where a launch ran.
func sandboxIn(t *task.Task, a *task.Attempt, workDir string) string {
	launch := task.LaunchID(t.ID, a.Number)
	if a.Executor == "" {
		return local.Sandbox(workDir, a.Agent, a.Framework, launch)
	}
	dir := local.Sandbox(workDir, a.Agent, a.Framework, a.Executor)
	if a.Started.IsZero() {
		return dir // perhaps it had none of its own
	}
	return filepath.Join(dir, "tasks", launch)
}
