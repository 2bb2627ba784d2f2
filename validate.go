package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cmdq/task"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "check a tasks file and say what it would queue",
		Long: `Check FILE (default: tasks.yaml) and say what it would queue. All that is
wrong with it is told at once, with exit status 2.`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "tasks.yaml"
			if len(args) == 1 {
				path = args[0]
			}
			file, err := (&tasksFile{path: path}).read()
			if err != nil {
				return badFile(err)
			}
			fmt.Println(describeFile(file))
			return nil
		},
	}
}

// describeFile says what a file would queue: how many tasks, what they need
// together, what one of them needs at most, and what goes to them and comes back.
func describeFile(f *task.File) string {
	var all, most task.Resources
	files := make(map[string]bool)
	var parts tally
	for _, s := range f.Specs {
		n := int64(s.Len())
		r := s.Resources
		all = all.Add(task.Resources{CPUs: n * r.CPUs, Mem: n * r.Mem, Disk: n * r.Disk, GPUs: n * r.GPUs})
		most = most.Max(r)
		for _, f := range s.Files {
			files[f.Path] = true
		}
		parts.add(s)
	}
	text := fmt.Sprintf("%s: %s; together they need %s, one at most %s", f.Name, count(f.Len(), "task"), all, most)
	if len(files) > 0 {
		text += "; " + count(len(files), "file") + " put into sandboxes"
	}
	for i, n := range parts {
		if n > 0 {
			text += "; " + count(n, "task") + " " + partNames[i]
		}
	}
	if n := len(f.Policy.Groups); n > 0 {
		text += "; " + count(n, "group") + " with bounds"
	}
	if hasNotices(&f.Policy) {
		text += "; notices"
	}
	return text
}

// tally counts the tasks that have something, by what partNames calls that.
type tally [len(partNames)]int

var partNames = [...]string{"with outputs", "of cmdq's executor", "that wait for others", "in groups", "with constraints", "with ports", "in containers", "of other roles"}

func (c *tally) add(s *task.Spec) {
	rules := s.Asks()
	for i, has := range [len(partNames)]bool{len(s.Outputs) > 0, s.Executor == task.ByCmdq, len(rules.After) > 0, rules.Group != "",
		len(rules.Constraints) > 0, rules.Ports > 0, rules.Container != nil, rules.Role != ""} {
		if has {
			c[i] += s.Len()
		}
	}
}

// hasNotices tells whether anybody is told of an end.
func hasNotices(p *task.Policy) bool {
	for _, g := range p.Groups {
		if len(g.Finish)+len(g.Failure) > 0 {
			return true
		}
	}
	return len(p.OnFinish)+len(p.OnFailure) > 0
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArguments,
		Run:   func(*cobra.Command, []string) { fmt.Println(version()) },
	}
}

// version is what the Go tool wrote into the binary.
func version() string {
	text, revision := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	return fmt.Sprintf("cmdq %s%s %s %s/%s", text, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
