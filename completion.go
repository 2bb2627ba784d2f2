package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cmdq/web"
)

// Bounds of what a shell is told when somebody presses TAB.
const (
	completionTime = 700 * time.Millisecond
	maxCompletions = 200
)

// completed asks the cmdq that runs what could stand there, or else its journal. If
// there is neither, or it is slow, that is nothing, and never an error: it would
// end up in the line that is being typed.
func (v *verb) completed(question func(context.Context, web.Queue) ([]cobra.Completion, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	found := make(chan []cobra.Completion, 1)
	go func() {
		q, err := v.answering()
		var words []cobra.Completion
		if err == nil {
			words, err = question(ctx, q)
		}
		if err != nil {
			words = nil
		}
		found <- words
	}()
	select {
	case words := <-found:
		return words, cobra.ShellCompDirectiveNoFileComp
	case <-ctx.Done(): // a large journal takes its time; we end before it is read
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// answering is the cmdq that runs, or its journal.
func (v *verb) answering() (web.Queue, error) {
	client, err := web.DialControl(v.state)
	if errors.Is(err, web.ErrNotRunning) {
		return journalView(v.state)
	}
	return client, err
}

// ids completes the ids of tasks in one of some states, with what they run.
func (v *verb) ids(begun string, but, states []string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return v.completed(func(ctx context.Context, q web.Queue) ([]cobra.Completion, error) {
		some, err := q.Tasks(ctx, web.Query{Match: literal(begun) + "*", States: states, Limit: maxCompletions})
		var words []cobra.Completion
		for i := range some.Tasks {
			if t := &some.Tasks[i]; !slices.Contains(but, t.ID) {
				words = append(words, cobra.CompletionWithDesc(t.ID, standing(t)+": "+plain(t.Command)))
			}
		}
		return words, err
	})
}

// literal is a pattern that matches only this.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}

// completeOne completes the one id that a command takes.
func (v *verb) completeOne(cmd *cobra.Command, states ...string) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return v.ids(begun, nil, states)
	}
}

// completeMany completes ids that are not there yet.
func (v *verb) completeMany(cmd *cobra.Command, states ...string) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return v.ids(begun, args, states)
	}
}

// completeFlag completes the value of a flag.
func completeFlag(cmd *cobra.Command, name string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // there is no such flag, or it is completed twice
	}
}

// completeGroups completes --group with the groups of failures.
func (v *verb) completeGroups(cmd *cobra.Command) {
	completeFlag(cmd, "group", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return v.completed(func(ctx context.Context, q web.Queue) ([]cobra.Completion, error) {
			f, err := q.Failures(ctx)
			var words []cobra.Completion
			for i := range f.Groups {
				g := &f.Groups[i]
				words = append(words, cobra.CompletionWithDesc(g.Key, count(g.Count, "task")+" "+plain(g.State)+exitWords(g.ExitCode, g.Signal)+" "+plain(g.Line)))
			}
			return words, err
		})
	})
}

// complete completes the flags of ls.
func (f *filters) complete(cmd *cobra.Command, v *verb) {
	completeFlag(cmd, "state", cobra.FixedCompletions(web.StateNames, cobra.ShellCompDirectiveDefault)) // directories, too
	sorts := slices.Clone(web.SortNames)
	for _, name := range web.SortNames {
		sorts = append(sorts, "-"+name)
	}
	completeFlag(cmd, "sort", cobra.FixedCompletions(sorts, cobra.ShellCompDirectiveNoFileComp))
	completeFlag(cmd, "agent", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if f.sortOut(v) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return v.completed(hosts)
	})
}

// hosts are those of the agents, without any that a shell had to quote.
func hosts(ctx context.Context, q web.Queue) ([]cobra.Completion, error) {
	s, err := q.Status(ctx)
	var words []cobra.Completion
	for i := range s.Agents {
		if host := s.Agents[i].Host; !slices.Contains(words, host) && quoteWord(host) == host {
			words = append(words, host)
		}
	}
	return words, err
}
