package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cmdq/task"
	"cmdq/web"
)

// submission is what submit was given.
type submission struct {
	*verb
	id, mem, name, group, executor string
	cpus                           float64
	env, labels, after             []string
	retries, priority              int
	timeout                        time.Duration
	wait                           bool

	file   []byte
	folder string    // where its paths begin
	ids    []task.ID // of all its tasks
}

func submitCommand() *cobra.Command {
	s := &submission{verb: newVerb()}
	cmd := &cobra.Command{
		Use:   "submit FILE|- [flags], or cmdq submit [flags] -- CMD…",
		Short: "give tasks to the cmdq that runs",
		Long: `Queue a command, or the tasks of FILE (of standard input for "-"), at the cmdq
that runs with --state. One word is a command for the shell, several are a
program and its arguments. The id of a command's task is printed, also when it
was made up. A task that is there and says the same is left alone, one that says
something else is an error, and then nothing is queued. What is said to be
queued is on disk. Flags about the task are for commands; a file says all that
itself. Exit status: 0, 1 if a task is there and says something else, or nothing
answers, 2 on bad usage, a bad file, or if --state holds no journal; with --wait
that of "cmdq wait".`,
		Example: `  cmdq submit -- 'wget -q https://example.org/ && wc -c index.html'
  cmdq submit --id night-1 --cpus 2 --mem 4GB --retries 0 -- ./simulate --seed 1
  cmdq submit more.yaml --wait`,
		Args: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.take(cmd, args); err != nil {
				return err
			}
			return s.submit(cmd)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.id, "id", "", "`id` of the task; default: the program's name and some letters")
	f.Float64Var(&s.cpus, "cpus", 0.1, "`cpus` it needs, to a thousandth")
	f.StringVar(&s.mem, "mem", "100", "`memory` it needs: MB, or with a unit as in 2GB")
	f.StringArrayVar(&s.env, "env", nil, "`KEY=VALUE` for its environment, or KEY with the value here")
	f.StringVar(&s.name, "name", "", "`name` in the Mesos page; default: task and its id")
	f.IntVar(&s.retries, "retries", task.DefaultRetries, "further `attempts` after a failure; -1: without limit")
	f.DurationVar(&s.timeout, "timeout", 0, "longest `time` it may run, as in 10m; 0: any")
	f.IntVar(&s.priority, "priority", 0, "the higher this `number`, the earlier it goes")
	f.StringArrayVar(&s.labels, "label", nil, "`KEY=VALUE` to find it by")
	f.StringSliceVar(&s.after, "after", nil, "`ids` of tasks that have to finish first")
	f.StringVar(&s.group, "group", "", "`group` of the tasks file whose bounds are its too")
	f.StringVar(&s.executor, "executor", "", "who runs it: `command` (Mesos' own) or cmdq")
	f.BoolVar(&s.wait, "wait", false, "until it, or all tasks of the file, have ended")
	s.register(cmd)
	completeFlag(cmd, "executor", cobra.FixedCompletions([]cobra.Completion{"command", "cmdq"}, cobra.ShellCompDirectiveNoFileComp))
	completeFlag(cmd, "after", func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return s.verb.ids(begun, nil, nil)
	})
	return cmd
}

// take makes a tasks file of the arguments, and finds what is wrong with it.
func (s *submission) take(cmd *cobra.Command, args []string) error {
	var name string
	var err error
	switch dash := cmd.ArgsLenAtDash(); {
	case dash == 0 && len(args) > 0:
		name = "submit"
		s.file, s.folder, err = s.ofCommand(cmd.Flags(), args)
	case dash < 0 && len(args) == 1:
		if flag := taskFlag(cmd.Flags()); flag != "" {
			return usage("--%s is for a command; a file says that itself", flag)
		}
		name, s.file, s.folder, err = ofFile(args[0])
	case dash > 0:
		return usage("submit takes a file, or a command behind --, not both")
	default:
		return usage("submit needs a command behind --, as in: cmdq submit -- echo hello; or one FILE, or -")
	}
	if err != nil {
		return err
	}
	file, err := task.ParseWith(name, s.file, task.Outside{Folder: s.folder, Known: func(task.ID) bool { return true }}) // cmdq knows
	if err != nil {
		return badFile(err)
	}
	if s.wait {
		for _, t := range file.Tasks(time.Time{}) {
			s.ids = append(s.ids, t.ID)
		}
	}
	return nil
}

// taskFlag is one of the flags given that say something about a task.
func taskFlag(f *pflag.FlagSet) (name string) {
	f.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "wait", "json", "state":
		default:
			name = flag.Name
		}
	})
	return name
}

// ofFile reads a tasks file.
func ofFile(path string) (name string, data []byte, folder string, err error) {
	in, name := os.Stdin, "<stdin>"
	if path != "-" {
		name = path
		if in, err = os.Open(path); err != nil {
			return name, nil, "", usage("read tasks: %w", err)
		}
		defer in.Close()
		folder = filepath.Dir(path)
	}
	if data, err = io.ReadAll(io.LimitReader(in, task.MaxFileSize+1)); err != nil {
		return name, nil, "", usage("read tasks: %w", err)
	}
	folder, err = absolute(folder)
	return name, data, folder, err
}

func absolute(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", &exit{exitFailed, fmt.Errorf("where paths begin: %w", err)}
	}
	return path, nil
}

// ofCommand makes a tasks file of a command and the flags about it.
func (s *submission) ofCommand(f *pflag.FlagSet, words []string) (data []byte, folder string, err error) {
	env, err := s.environment()
	if err != nil {
		return nil, "", err
	}
	labels, err := pairs("label", s.labels)
	if err != nil {
		return nil, "", err
	}
	if !f.Changed("id") {
		s.id = madeID(words[0])
	}
	says := map[string]any{"id": s.id, "cpus": s.cpus, "mem": memory(s.mem)}
	if len(words) == 1 {
		says["command"] = words[0]
	} else {
		says["argv"] = words
	}
	for flag, value := range map[string]any{"name": s.name, "group": s.group, "executor": s.executor, "retries": s.retries,
		"priority": s.priority, "timeout": s.timeout.String(), "after": s.after, "label": labels, "env": env} {
		if f.Changed(flag) {
			says[field(flag)] = value
		}
	}
	if s.timeout == 0 {
		delete(says, "timeout")
	}
	if word, ok := notText(says); !ok {
		return nil, "", usage("submit: %q is no UTF-8 text, which all of a task has to be", word)
	}
	var b bytes.Buffer
	if err := encodeJSON(&b, map[string]any{"tasks": []any{says}}, asYAML); err != nil {
		return nil, "", usage("submit: %w", err)
	}
	folder, err = absolute("")
	return b.Bytes(), folder, err
}

// asYAML makes YAML of JSON, together with what JSON escapes itself: of the
// characters that cannot be seen YAML refuses some, and takes others for the end
// of a line; and it knows no surrogates.
func asYAML(c rune) string {
	if c > 0xFFFF {
		return string(c)
	}
	return fmt.Sprintf(`\u%04x`, c)
}

// field is what a flag is called in a tasks file.
func field(flag string) string {
	if flag == "label" {
		return "labels"
	}
	return flag
}

// environment reads --env.
func (s *submission) environment() (map[string]string, error) {
	given := make([]string, len(s.env))
	for i, text := range s.env {
		if given[i] = text; !strings.Contains(text, "=") {
			value, ok := os.LookupEnv(text)
			if !ok {
				return nil, usage("--env %q: want KEY=VALUE; there is no such variable here", text)
			}
			given[i] += "=" + value
		}
	}
	return pairs("env", given)
}

// memory is a number where it is one, else a text with a unit.
func memory(text string) any {
	if strings.Trim(text, "0123456789") == "" && text != "" && (text == "0" || text[0] != '0') {
		return json.Number(text)
	}
	return text
}

// notText finds a text that JSON cannot say.
func notText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, utf8.ValidString(v)
	case []string:
		for _, text := range v {
			if !utf8.ValidString(text) {
				return text, false
			}
		}
	case map[string]string:
		for key, value := range v {
			if !utf8.ValidString(key) || !utf8.ValidString(value) {
				return key, false
			}
		}
	case map[string]any:
		for _, value := range v {
			if text, ok := notText(value); !ok {
				return text, false
			}
		}
	}
	return "", true
}

// madeID is an id that nobody has: the name of what is run, as far as ids allow,
// and 40 bits by chance.
func madeID(command string) string {
	fields := strings.Fields(command)
	base := "task"
	if len(fields) > 0 {
		base = filepath.Base(fields[0])
	}
	base = strings.Trim(strings.Map(func(c rune) rune {
		if c < 0x80 && strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", c) {
			return c
		}
		return -1
	}, base), "-.")
	if base == "" {
		base = "task"
	}
	var random [5]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	return base[:min(len(base), 40)] + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

// submit sends the file, says what came of it, and waits if it is to.
func (s *submission) submit(cmd *cobra.Command) error {
	ctx := context.Background()
	client, err := s.running(ctx)
	if err != nil {
		return s.told(err)
	}
	o, err := client.Submit(ctx, s.file, s.folder)
	if err != nil {
		return s.unsure(err)
	}
	if err := s.print(cmd, o, func(p *paper) { s.say(p, cmd, &o) }); err != nil || !s.wait {
		return err
	}
	w := &waiter{verb: s.verb}
	for _, id := range s.ids {
		w.ids = append(w.ids, string(id))
	}
	return w.run(cmd)
}

// say prints the id of a command, or counts the tasks of a file.
func (s *submission) say(p *paper, cmd *cobra.Command, o *web.Outcome) {
	if s.id == "" {
		p.outcome(o, "queued", 0)
		return
	}
	p.printf("%s\n", plain(s.id))
	for _, n := range o.Notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "cmdq: %s: %s\n", plain(n.ID), plain(n.Text))
	}
}
