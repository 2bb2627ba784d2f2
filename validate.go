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
	files, outputs, byCmdq := make(map[string]bool), 0, 0
	for _, s := range f.Specs {
		n := int64(s.Len())
		r := s.Resources
		all = all.Add(task.Resources{CPUs: n * r.CPUs, Mem: n * r.Mem, Disk: n * r.Disk, GPUs: n * r.GPUs})
		most = most.Max(r)
		for _, f := range s.Files {
			files[f.Path] = true
		}
		if len(s.Outputs) > 0 {
			outputs += s.Len()
		}
		if s.Executor == task.ByCmdq {
			byCmdq += s.Len()
		}
	}
	text := fmt.Sprintf("%s: %s; together they need %s, one at most %s", f.Name, count(f.Len(), "task"), all, most)
	if len(files) > 0 {
		text += "; " + count(len(files), "file") + " put into sandboxes"
	}
	if outputs > 0 {
		text += "; " + count(outputs, "task") + " with outputs"
	}
	if byCmdq > 0 {
		text += "; " + count(byCmdq, "task") + " of cmdq's executor"
	}
	return text
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
