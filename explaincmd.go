package main

import (
	"context"

	"github.com/spf13/cobra"

	"cmdq/web"
)

func explainCommand() *cobra.Command {
	v := newVerb()
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "why a task is where it is",
		Long: `Say in a sentence why a task is where it is: what an idle one waits for, such as
its next attempt, another task, a place in its group, offers at all, or an agent
that is large enough; below it what that is known from. The cmdq that runs is
asked; if there is none, its journal, which knows nothing of offers. Exit
status: 0, 1 if there is no such task, or nothing answers, 2 on bad usage, or if
there is no journal.`,
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := ask(cmd, v, func(ctx context.Context, q web.Queue) (web.Explanation, error) { return q.Explain(ctx, args[0]) })
			if err != nil {
				return err
			}
			return v.print(cmd, e, func(p *paper) {
				p.printf("%s (%s, %s): %s\n", plain(e.ID), plain(e.State), plain(e.Code), plain(e.Text))
				for _, line := range e.Evidence {
					p.printf("  %s\n", plain(line))
				}
			})
		},
	}
	v.register(cmd)
	v.completeOne(cmd, "idle", "starting", "running", "fetching", "failed", "killed")
	return cmd
}
