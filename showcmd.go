package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cmdq/web"
)

func showCommand() *cobra.Command {
	v := newVerb()
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "all there is to know of a task",
		Long: `Show what a task runs and needs, and every launch that is remembered: on which
agent and with which ports, when it was queued, given to an offer, starting,
running and over, how it ended and where its sandbox is. With --master local that
is a path, else an address of the Mesos master's page, as far as the master is
known; what an executor of cmdq has run is in tasks/ID of what that shows. The
values of environment variables are not shown. The cmdq that runs is asked; if
there is none, its journal. Exit status: 0, 1 if there is no such task, or nothing
answers, 2 on bad usage, or if there is no journal.`,
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := ask(cmd, v, func(ctx context.Context, q web.Queue) (web.Task, error) { return q.Task(ctx, args[0]) })
			if err != nil {
				return err
			}
			return v.print(cmd, t, func(p *paper) { p.task(&t) })
		},
	}
	v.register(cmd)
	v.completeOne(cmd)
	return cmd
}

func (p *paper) task(t *web.Task) {
	p.field("task", plain(t.ID))
	p.field("state", stateOf(t))
	if t.Message != "" {
		p.field("message", plain(t.Message))
	}
	p.stderr(t.Stderr)
	p.spec(t)
	p.field("queued", clock(t.Submitted))
	p.field("attempts", spent(t))
	for i := range t.Launches {
		p.launch(&t.Launches[i])
	}
}

// stateOf is how a task stands: "failed, exit status 3 (…)", "idle, delayed until …".
func stateOf(t *web.Task) string {
	text := plain(t.State)
	switch {
	case t.Waits == "delayed" && t.Wake != "":
		text += ", to be tried again at " + clock(t.Wake)
	case t.Waits != "":
		text += ", " + plain(t.Waits)
	}
	text += exitWords(t.ExitCode, t.Signal)
	if t.Reason != "" {
		text += " (" + plain(t.Reason) + ")"
	}
	if t.Ended != "" {
		text += ", at " + clock(t.Ended)
	}
	return text
}

func exitWords(code *int, signal string) string {
	switch {
	case signal != "":
		return ", by " + plain(signal)
	case code != nil:
		return fmt.Sprintf(", exit status %d", *code)
	}
	return ""
}

func (p *paper) stderr(tail string) {
	if tail == "" {
		return
	}
	p.list("stderr", strings.Split(strings.TrimRight(tail, "\n"), "\n"))
}

// spec is what the task runs, where and when it may, and what it needs.
func (p *paper) spec(t *web.Task) {
	if len(t.Argv) > 0 {
		p.field("argv", quoteWords(t.Argv))
	} else {
		p.field("command", plain(t.Command))
	}
	p.field("name", plain(t.Name))
	p.field("line", plain(t.Line))
	p.field("group", plain(t.Group))
	for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
		p.field("label", plain(key+"="+t.Labels[key]))
	}
	if t.Priority != 0 {
		p.field("priority", strconv.Itoa(t.Priority))
	}
	p.field("needs", amounts(t.Resources))
	if t.Ports > 0 {
		p.field("ports", strconv.Itoa(t.Ports))
	}
	p.field("role", plain(t.Role))
	p.container(t.Container)
	p.field("user", plain(t.User))
	p.field("executor", plain(t.Executor))
	p.field("env", plain(strings.Join(t.Env, " ")))
	p.field("retries", retriesOf(t.Retries))
	p.field("timeout", plain(t.Timeout))
	p.field("kill grace", plain(t.KillGrace))
	p.list("after", t.After)
	p.list("constraint", t.Constraints)
	p.list("uri", t.URIs)
	p.list("file", t.Files)
	p.list("output", t.Outputs)
}

func (p *paper) container(c *web.Container) {
	if c == nil {
		return
	}
	p.field("container", plain(c.Image)+", type "+plain(c.Type))
	p.list("volume", c.Volumes)
}

// portsOf are numbers, with those that follow each other as a range: 31000-31002, 31005.
func portsOf(ports []int) string {
	var parts []string
	for i := 0; i < len(ports); {
		last := i
		for last+1 < len(ports) && ports[last+1] == ports[last]+1 {
			last++
		}
		part := strconv.Itoa(ports[i])
		if last > i {
			part += "-" + strconv.Itoa(ports[last])
		}
		parts, i = append(parts, part), last+1
	}
	return strings.Join(parts, ", ")
}

// quoteWords are words as sh takes them, those that need no quotes without.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = plain(quoteWord(w))
	}
	return strings.Join(quoted, " ")
}

func quoteWord(w string) string {
	const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:+=@%"
	if w != "" && strings.Trim(w, harmless) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

func retriesOf(n int) string {
	if n < 0 {
		return "without limit"
	}
	return strconv.Itoa(n)
}

// spent is how much of its attempts a task has used.
func spent(t *web.Task) string {
	text := strconv.Itoa(t.Attempts)
	if t.Charged > 0 {
		text += fmt.Sprintf(", %s charged to its retries", count(t.Charged, "failure"))
	}
	if t.Infra > 0 {
		text += fmt.Sprintf(", %s of the cluster", count(t.Infra, "failure"))
	}
	return text
}

// launch is one launch, with the time from each step to the next.
func (p *paper) launch(l *web.Launch) {
	where := plain(l.Host)
	if l.Agent != "" {
		where += ", agent " + plain(l.Agent)
	}
	p.printf("\nlaunch %d, %s, on %s\n", l.Number, plain(l.ID), where)
	p.field("  ports", portsOf(l.Ports))
	last := ""
	for _, step := range []struct{ name, at string }{
		{"queued", l.Queued}, {"offered", l.Offered}, {"starting", l.Starting}, {"running", l.Running}, {"ended", l.Ended},
	} {
		if step.at == "" {
			continue
		}
		text := clock(step.at)
		if took := p.between(last, step.at); took != "" {
			text += ", " + took + " later"
		}
		p.field("  "+step.name, text)
		last = step.at
	}
	p.field("  state", launchState(l))
	p.field("  message", plain(l.Message))
	p.field("  executor", plain(l.Executor))
	p.field("  framework", plain(l.Framework))
	p.field("  sandbox", plain(l.Sandbox))
}

func launchState(l *web.Launch) string {
	text := plain(l.State) + exitWords(l.ExitCode, l.Signal)
	if l.Reason != "" {
		text += " (" + plain(l.Reason) + ")"
	}
	if l.MayRun {
		text += ", may still be running"
	}
	return strings.TrimPrefix(text, ", ")
}
