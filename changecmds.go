package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cmdq/web"
)

// changeVerb is a verb that changes tasks which are there.
type changeVerb struct {
	*verb
	did    string // of 2 tasks: "2 tasks cancelled"
	ask    func(web.Changes, context.Context, web.Selection) (web.Outcome, error)
	kept   func(state string, s web.Selection) (web.Outcome, error) // in the journal, when no cmdq runs; nil: not then
	labels []string
	chosen web.Selection
}

func cancelCommand() *cobra.Command {
	c := &changeVerb{verb: newVerb(), did: "cancelled", ask: web.Changes.Cancel}
	cmd := &cobra.Command{
		Use:   "cancel ID…",
		Short: "end tasks, also those that run",
		Long: `End tasks: those that run are killed, and all of them end killed. A task that has
ended is left alone, which is said and is no error.`,
	}
	c.labelsOrAll(cmd.Flags())
	return c.command(cmd, "idle", "starting", "running", "fetching")
}

func retryCommand() *cobra.Command {
	c := &changeVerb{verb: newVerb(), did: "queued again", ask: web.Changes.Retry, kept: retryEnded}
	cmd := &cobra.Command{
		Use:   "retry ID…",
		Short: "queue tasks again that failed or were killed",
		Long: `Queue tasks again that failed or were killed, with all their retries. One that
finished, or has not ended, is left alone, which is said and is no error. A group
that was stopped, or the run, goes on with that: what had failed counts no more
for max_failures. If no cmdq runs, they are queued in its journal, and the next
start goes on with them.`,
	}
	f := cmd.Flags()
	f.BoolVar(&c.chosen.Failed, "failed", false, "all that failed or were killed")
	f.StringVar(&c.chosen.Group, "group", "", "those of the group with this `KEY`, as cmdq failures tells it")
	c.completeGroups(cmd)
	return c.command(cmd, "failed", "killed")
}

func holdCommand() *cobra.Command {
	c := &changeVerb{verb: newVerb(), did: "held", ask: web.Changes.Hold}
	cmd := &cobra.Command{
		Use:   "hold ID…",
		Short: "keep tasks from being launched",
		Long: `Keep tasks from being launched until they are released. What runs already goes
on; what has ended is left alone, which is said and is no error.`,
	}
	c.labelsOrAll(cmd.Flags())
	return c.command(cmd, "idle", "starting", "running")
}

func releaseCommand() *cobra.Command {
	c := &changeVerb{verb: newVerb(), did: "released", ask: web.Changes.Release}
	cmd := &cobra.Command{
		Use:   "release ID…",
		Short: "let tasks be launched that were held",
		Long: `Let tasks be launched again that were held. One that is not held is left alone,
which is said and is no error.`,
	}
	c.labelsOrAll(cmd.Flags())
	return c.command(cmd, "held")
}

func (c *changeVerb) labelsOrAll(f *pflag.FlagSet) {
	f.StringArrayVar(&c.labels, "label", nil, "all that have this label, `KEY=VALUE`, and all others given")
	f.BoolVar(&c.chosen.All, "all", false, "all tasks")
}

// command completes a command with what all changes have in common; its ids are
// those of tasks in some states.
func (c *changeVerb) command(cmd *cobra.Command, states ...string) *cobra.Command {
	cmd.Long += `

What is said to be done is on disk. Ids and flags may be given together. If one
of the ids is not there, nothing is done. Exit status: 0, 1 if there is no such
task, or nothing answers, 2 on bad usage, or if --state holds no journal.`
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.choose(cmd, args); err != nil {
			return err
		}
		o, err := c.change(cmd)
		if err != nil {
			return c.unsure(err)
		}
		return c.print(cmd, o, func(p *paper) { p.outcome(&o, c.did, len(args)) })
	}
	c.register(cmd)
	c.completeMany(cmd, states...)
	return cmd
}

// change asks the cmdq that runs for it, or changes its journal.
func (c *changeVerb) change(cmd *cobra.Command) (web.Outcome, error) {
	ctx := context.Background()
	client, err := c.running(ctx)
	if err == nil {
		return c.ask(client, ctx, c.chosen)
	}
	if c.kept == nil || !errors.Is(err, errNothingRuns) {
		return web.Outcome{}, err
	}
	o, err := c.kept(c.state, c.chosen)
	if err == nil && o.Count > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "cmdq: nothing runs with %s; this is in its journal, for the next start\n", plain(c.state))
	}
	return o, err
}

// choose makes a selection of arguments and flags, which have to name something.
func (c *changeVerb) choose(cmd *cobra.Command, args []string) error {
	for _, id := range args {
		if id == "" {
			return usage("%s: one of the ids is empty", cmd.CommandPath())
		}
	}
	var err error
	if c.chosen.Labels, err = pairs("label", c.labels); err != nil {
		return err
	}
	c.chosen.IDs = args
	if s := &c.chosen; len(s.IDs) == 0 && len(s.Labels) == 0 && !s.All && !s.Failed && s.Group == "" {
		return usage("%s needs ids of tasks, or a flag that names some (see %[1]s --help)", cmd.CommandPath())
	}
	return nil
}

// maxTold bounds the ids, and the reasons, that are told one by one where nobody
// asked for them one by one.
const maxTold = 10

// outcome says what was done, and what was not and why; so many ids were asked
// for by name.
func (p *paper) outcome(o *web.Outcome, did string, named int) {
	most := max(maxTold, named)
	p.printf("%s %s", count(o.Count, "task"), did)
	if o.Count > 0 && o.Count <= most && o.Count == len(o.Changed) {
		p.printf(": %s", plain(strings.Join(o.Changed, ", ")))
	}
	p.printf("\n")
	for i, n := range o.Notes {
		if i == most {
			p.printf("… and others\n")
			break
		}
		p.printf("%s: %s\n", plain(n.ID), plain(n.Text))
	}
}
