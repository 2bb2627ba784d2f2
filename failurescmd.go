package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cmdq/web"
)

func failuresCommand() *cobra.Command {
	v := newVerb()
	cmd := &cobra.Command{
		Use:   "failures",
		Short: "what failed and why, those alike together",
		Long: `Group the tasks that failed or were killed by how they ended: the reason, the
exit status or signal, and the last line of standard error, in which numbers and
paths are blurred. For each group, the largest first, there are one example and
the command line that queues all of it again. The cmdq that runs is asked; if
there is none, its journal. Exit status: 0, also with failures, 1 if nothing
answers, 2 on bad usage, or if there is no journal.`,
		Args:              noWords,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := ask(cmd, v, func(ctx context.Context, q web.Queue) (web.Failures, error) { return q.Failures(ctx) })
			if err != nil {
				return err
			}
			elsewhere := ""
			if cmd.Flags().Changed("state") {
				elsewhere = " --state " + quoteWord(v.state)
			}
			return v.print(cmd, f, func(p *paper) { p.failures(&f, elsewhere) })
		},
	}
	v.register(cmd)
	return cmd
}

// failures writes the groups; elsewhere is what else belongs to their command
// lines.
func (p *paper) failures(f *web.Failures, elsewhere string) {
	if f.Tasks == 0 {
		p.printf("no task failed or was killed\n")
		return
	}
	for i := range f.Groups {
		g := &f.Groups[i]
		p.printf("%s %s%s", count(g.Count, "task"), plain(g.State), exitWords(g.ExitCode, g.Signal))
		if g.Reason != "" {
			p.printf(" (%s)", plain(g.Reason))
		}
		p.printf(", such as %s\n", plain(g.Example))
		if g.Line != "" {
			p.printf("  stderr  %s\n", plain(g.Line))
		}
		if g.Retry != "" {
			again := g.Retry
			if !strings.Contains(again, " --state ") {
				again += elsewhere
			}
			p.printf("  again   %s\n", plain(again))
		}
	}
	p.printf("%s in %s\n", count(f.Tasks, "task"), count(len(f.Groups), "group"))
}
