package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cmdq/task"
	"cmdq/web"
)

// filters are what ls takes.
type filters struct {
	states []string // and directories; see sortOut
	labels []string
	failed bool
	none   bool // no task fits all of them
	ids    bool // print nothing else
	query  web.Query
	limit  int
}

// screenful is how many tasks are listed on a terminal that asks for no number.
const screenful = 100

func lsCommand() *cobra.Command {
	v, f := newVerb(), &filters{}
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "list tasks",
		Long: `List the tasks that fit all filters, a line each, in the order of the queue. The
columns have at least two blanks between them, and no blanks in them but for the
command, which comes last. EXIT is the exit status, the signal, or the reason
that Mesos gave. The cmdq that runs is asked; if there is none, its journal.
Exit status: 0, also without such tasks, 1 if nothing answers, 2 on bad usage,
or if there is no journal.`,
		Example: `  cmdq ls --failed --sort -ended --limit 20
  cmdq ls --state running,starting --agent h1
  cmdq cancel $(cmdq ls --ids --match 'night-*' --state idle)`,
		Args:              noWords,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(v); err != nil {
				return err
			}
			if newPaper(cmd.OutOrStdout()).width > 0 && !cmd.Flags().Changed("limit") {
				f.limit = screenful
			}
			list, err := ask(cmd, v, func(ctx context.Context, q web.Queue) (web.Tasks, error) {
				if f.none {
					return web.Tasks{Tasks: []web.Row{}}, nil
				}
				return listed(ctx, q, f.query, f.limit)
			})
			if err != nil {
				return err
			}
			if err := v.print(cmd, list, func(p *paper) { p.tasks(list.Tasks, f.ids) }); err != nil {
				return err
			}
			if n := len(list.Tasks); n < list.Total && f.limit > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "cmdq: %d of %d; --limit 0 lists all\n", n, list.Total)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.states, "state", nil, "only tasks in one of these `states`: idle, starting, running,\nfetching, finished, failed, killed, or held, waiting, delayed\n(idle ones, and why); what names none of them is the\ndirectory that cmdq keeps its journal in (default .cmdq)")
	flags.BoolVar(&f.failed, "failed", false, "only those that failed or were killed")
	flags.StringArrayVar(&f.labels, "label", nil, "only those with this `KEY=VALUE`, and with all others given")
	flags.StringVar(&f.query.Group, "group", "", "only those of this group, by its `NAME` in the tasks file")
	flags.StringVar(&f.query.Agent, "agent", "", "only those whose last launch was on this `agent`: its host\nor id")
	flags.StringVar(&f.query.Match, "match", "", "only those whose id matches a `pattern` such as 'night-*'")
	flags.StringVar(&f.query.Sort, "sort", "", "`order` (the default), id, state, submitted, started, ended or\nattempts; with a - in front the other way around")
	flags.IntVar(&f.limit, "limit", 0, "at most `N`; 0: all. Default: 100 on a terminal, else all")
	flags.BoolVar(&f.ids, "ids", false, "the ids only")
	v.registerJSON(flags)
	f.complete(cmd, v)
	return cmd
}

// check makes a query of the filters.
func (f *filters) check(v *verb) error {
	if err := f.sortOut(v); err != nil {
		return err
	}
	if f.failed {
		f.onlyFailed()
	}
	var err error
	if f.query.Labels, err = pairs("label", f.labels); err != nil {
		return err
	}
	if s := strings.TrimPrefix(f.query.Sort, "-"); f.query.Sort != "" && !slices.Contains(web.SortNames, s) {
		return usage("--sort %q: want %s, or one of them behind a -", f.query.Sort, strings.Join(web.SortNames, ", "))
	}
	if _, err := path.Match(f.query.Match, ""); err != nil {
		return usage("--match %q is no pattern: want * and ?, [a-z], and \\ in front of what is meant itself", f.query.Match)
	}
	if f.limit < 0 {
		return usage("--limit %d: want 0 or more", f.limit)
	}
	return nil
}

// onlyFailed leaves of the states that were given those that --failed means; if
// none was given, that is both of them.
func (f *filters) onlyFailed() {
	meant := []string{task.Failed.String(), task.Killed.String()}
	if len(f.query.States) == 0 {
		f.query.States = meant
		return
	}
	f.query.States = slices.DeleteFunc(f.query.States, func(s string) bool { return !slices.Contains(meant, s) })
	f.none = len(f.query.States) == 0
}

// sortOut tells apart the two things that --state means: everywhere the directory
// that cmdq keeps its journal in, and for ls states of tasks too. A directory
// that has the name of a state can be given as ./failed.
func (f *filters) sortOut(v *verb) error {
	var dir string
	for _, given := range f.states {
		names := strings.Split(given, ",")
		known := 0
		for _, name := range names {
			if slices.Contains(web.StateNames, name) {
				known++
			}
		}
		switch {
		case known == len(names):
			f.query.States = append(f.query.States, names...)
		case known > 0 || given == "":
			return usage("--state %q: want states of tasks (%s), or the directory that cmdq keeps its journal in", given, strings.Join(web.StateNames, ", "))
		case dir != "" && dir != given: // completion reads the flags twice
			return usage("--state names two directories, %q and %q; the states of tasks are %s", dir, given, strings.Join(web.StateNames, ", "))
		default:
			dir = given
		}
	}
	if dir == "" {
		return nil
	}
	if v.state = dir; filepath.Base(dir) == dir && !isDirectory(dir) {
		return usage("--state %q: there is no such directory, and no such state; those of tasks are %s", dir, strings.Join(web.StateNames, ", "))
	}
	return nil
}

// listed asks for as many tasks as were wanted, page by page; 0: all. The queue
// goes on meanwhile, so that one may come twice; it is listed once. One that
// leaves what is listed can hide another, unless the order is one that does not
// change: there each page begins behind the last task of the one before, which
// costs cmdq less, too.
func listed(ctx context.Context, q web.Queue, query web.Query, limit int) (web.Tasks, error) {
	all := web.Tasks{Tasks: []web.Row{}} // an empty list in JSON
	seen := map[string]bool{}
	steady := slices.Contains([]string{"", "order", "id"}, strings.TrimPrefix(query.Sort, "-"))
	for {
		query.Limit = web.MaxLimit
		if limit > 0 {
			query.Limit = min(web.MaxLimit, limit-len(all.Tasks))
		}
		some, err := q.Tasks(ctx, query)
		var said *web.Error
		if query.After != "" && errors.As(err, &said) && said.Code == web.CodeBadRequest { // that task has gone
			query.After, query.Offset, steady = "", len(all.Tasks), false
			continue
		}
		if err != nil {
			return all, err
		}
		all.Total = some.Total
		for _, row := range some.Tasks {
			if !seen[row.ID] {
				seen[row.ID] = true
				all.Tasks = append(all.Tasks, row)
			}
		}
		switch n := len(some.Tasks); {
		case n < query.Limit || len(all.Tasks) == limit:
			return all, nil
		case steady:
			query.After = some.Tasks[n-1].ID
		default:
			query.Offset += n
		}
	}
}

func (p *paper) tasks(tasks []web.Row, idsOnly bool) {
	if idsOnly {
		for i := range tasks {
			p.printf("%s\n", plain(tasks[i].ID))
		}
		return
	}
	rows := [][]string{{"ID", "STATE", "ATTEMPTS", "HOST", "STARTED", "TOOK", "EXIT", "COMMAND"}}
	for i := range tasks {
		t := &tasks[i]
		rows = append(rows, []string{plain(t.ID), standing(t), strconv.Itoa(t.Attempts), plain(t.Host), clock(t.Started), p.took(t), howEnded(t), plain(t.Command)})
	}
	p.table(rows)
}

// standing is the state of a task, or why an idle one waits.
func standing(t *web.Row) string {
	if t.Waits != "" {
		return plain(t.Waits)
	}
	return plain(t.State)
}

func (p *paper) took(t *web.Row) string {
	if t.Started == "" || t.Ended == "" && (t.State != task.Running.String() || p.kept) {
		return ""
	}
	return p.between(t.Started, t.Ended)
}

// howEnded is the exit status of a task, the signal in one word, or the reason:
// that also of a command that ended well, where something else was missing.
func howEnded(t *web.Row) string {
	switch {
	case t.Signal != "":
		return strings.ReplaceAll(plain(t.Signal), " ", "-") // Mesos says Segmentation fault
	case t.ExitCode != nil && (*t.ExitCode != 0 || t.Reason == ""):
		return strconv.Itoa(*t.ExitCode)
	}
	return plain(t.Reason)
}
