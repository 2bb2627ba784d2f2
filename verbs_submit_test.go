package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/task"
	"cmdq/web"
)

func TestSubmitCommand(t *testing.T) {
	f := newFakeQueue(t)
	t.Setenv("FROM_HERE", "here")
	base := task.Spec{ID: "x", Resources: task.Resources{CPUs: 100, Mem: 100}, Retries: task.DefaultRetries, KillGrace: task.DefaultKillGrace}
	for _, tt := range []struct {
		args []string
		want func(*task.Spec)
	}{
		{[]string{"--", "echo a | wc"}, func(s *task.Spec) { s.Command = "echo a | wc" }},
		{[]string{"--", "prog", "--flag", "a b", "", "--", "\x1b\x7f\u2028\"\\"}, func(s *task.Spec) {
			s.Argv = []string{"prog", "--flag", "a b", "", "--", "\x1b\x7f\u2028\"\\"}
		}},
		{[]string{"--cpus", "1.5", "--mem", "2GB", "--", "x"}, func(s *task.Spec) { s.Command, s.Resources.CPUs, s.Resources.Mem = "x", 1500, 2048 }},
		{[]string{"--mem", "7", "--env", "A=b=c", "--env", "FROM_HERE", "--name", "n", "--retries", "-1", "--timeout", "90s", "--", "x"}, func(s *task.Spec) {
			s.Command, s.Resources.Mem, s.Env, s.Name, s.Retries, s.Timeout = "x", 7, map[string]string{"A": "b=c", "FROM_HERE": "here"}, "n", -1, 90*time.Second
		}},
		{[]string{"--priority", "-3", "--label", "k=v", "--executor", "cmdq", "--timeout", "0", "--", "x"}, func(s *task.Spec) {
			s.Command, s.Priority, s.Labels, s.Executor = "x", -3, map[string]string{"k": "v"}, task.ByCmdq
		}},
		{[]string{"--after", "a,b", "--after", "c", "--group", "g", "--", "x"}, func(s *task.Spec) {
			s.Command, s.Rules = "x", &task.Rules{After: []task.ID{"a", "b", "c"}, Group: "g"}
		}},
		{[]string{"--", "yes"}, func(s *task.Spec) { s.Command = "yes" }},
		{[]string{"--", "0x10"}, func(s *task.Spec) { s.Command = "0x10" }},
	} {
		f.came = web.Outcome{Changed: []string{"x"}, Count: 1}
		got := f.cmdq("submit", append([]string{"--id", "x"}, tt.args...)...)
		if got.status != 0 || got.out != "x\n" || got.err != "" {
			t.Errorf("submit %q: %+v", tt.args, got)
			continue
		}
		want := base
		tt.want(&want)
		spec := *specOf(t, f.files[len(f.files)-1])
		spec.Line = 0
		if !reflect.DeepEqual(spec, want) {
			t.Errorf("submit %q:\n%+v\nwant\n%+v", tt.args, spec, want)
		}
	}
	if here, err := os.Getwd(); err != nil || f.folder != here {
		t.Errorf("paths begin in %s, not in %s (%v)", f.folder, here, err)
	}
}

func TestSubmitMadeIDs(t *testing.T) {
	f := newFakeQueue(t)
	for command, want := range map[string]string{"/usr/bin/wget -q x": `^wget-[a-z2-7]{8}$`, "   ": `^task-`, "'quoted name'": `^quoted-`,
		"ärger.sh": `^rger\.sh-`, "-x.": `^x-`, strings.Repeat("long", 100): `^(long){10}-`} {
		got := madeID(command)
		if !regexp.MustCompile(want).MatchString(got) || got == madeID(command) {
			t.Errorf("madeID(%q) = %q", command, got)
		}
		if strings.TrimSpace(command) == "" {
			continue
		}
		said := f.cmdq("submit", "--", command)
		if spec := specOf(t, f.files[len(f.files)-1]); said.out != string(spec.ID)+"\n" || spec.Command != command {
			t.Errorf("submit -- %q: %+v, queued %s", command, said, spec.ID)
		}
	}
}

// FuzzSubmitWords: the words of a command get into a task as they are, or are
// refused.
func FuzzSubmitWords(f *testing.F) {
	f.Add("echo", "a b")
	f.Add("x", "\x00")
	f.Add("\u0085\x7f", "{}: [&*!|>'\"%@`\n")
	f.Add("\xff", "é\u2029\U000e0041")
	f.Fuzz(func(t *testing.T, a, b string) {
		s := &submission{verb: newVerb(), id: "x", cpus: 1, mem: "1"}
		cmd := submitCommand()
		if err := cmd.ParseFlags([]string{"--id", "x"}); err != nil {
			t.Fatal(err)
		}
		file, folder, err := s.ofCommand(cmd.Flags(), []string{a, b})
		if err != nil {
			return
		}
		read, err := task.ParseWith("x", file, task.Outside{Folder: folder})
		if err != nil {
			if a != "" && !strings.ContainsRune(a+b, 0) {
				t.Fatalf("%q, %q: %v\n%s", a, b, err, file)
			}
			return
		}
		if got := read.Tasks(time.Time{})[0].Argv(); !slices.Equal(got, []string{a, b}) {
			t.Fatalf("%q, %q came as %q", a, b, got)
		}
	})
}

func TestSubmitFile(t *testing.T) {
	f := newFakeQueue(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "more.yaml")
	const text = "tasks:\n  - {id: a, command: x, cpus: 1, mem: 1, count: 3, after: elsewhere}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.came = web.Outcome{Changed: []string{"a-0", "a-1"}, Count: 2, Notes: []web.Note{{ID: "a-2", Text: "it is there already: idle"}}}
	got := f.cmdq("submit", path)
	if got.status != 0 || got.out != "2 tasks queued: a-0, a-1\na-2: it is there already: idle\n" || f.files[0] != text || f.folder != dir {
		t.Errorf("submit FILE: %+v, %q in %s", got, f.files, f.folder)
	}
	f.err = web.Conflict("task a-2 is there already, and says something else")
	if got := f.cmdq("submit", path); got.status != exitFailed || got.err != "cmdq: task a-2 is there already, and says something else\n" {
		t.Errorf("a conflict: %+v", got)
	}
	f.err = web.BadRequest("<submitted>:1: no")
	if got := f.cmdq("submit", path); got.status != exitUsage {
		t.Errorf("what only the other end finds wrong: %+v", got)
	}
	asked := len(f.files)
	if err := os.WriteFile(path, []byte("tasks:\n  - {id: a, comand: x, cpus: 1, mem: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{path}, path + `:2: task "a"`},
		{[]string{filepath.Join(dir, "none.yaml")}, "no such file"},
		{[]string{"--cpus", "2", path}, "--cpus is for a command; a file says that itself"},
		{[]string{path, "--", "x"}, "not both"},
		{nil, "needs a command behind --"},
		{[]string{"--"}, "needs a command behind --"},
		{[]string{"a", "b"}, "needs a command behind --"},
		{[]string{"--cpus", "-1", "--", "x"}, "cpus"},
		{[]string{"--cpus", "NaN", "--", "x"}, "NaN"},
		{[]string{"--mem", "lots", "--", "x"}, "mem"},
		{[]string{"--mem", "012", "--", "x"}, "mem"},
		{[]string{"--id", "a/b", "--", "x"}, "a/b"},
		{[]string{"--id", "", "--", "x"}, "id"},
		{[]string{"--env", "NO_SUCH_VARIABLE_HERE", "--", "x"}, "want KEY=VALUE"},
		{[]string{"--env", "=x", "--", "x"}, "want KEY=VALUE"},
		{[]string{"--label", "x", "--", "x"}, "want KEY=VALUE"},
		{[]string{"--executor", "me", "--", "x"}, "executor"},
		{[]string{"--retries", "-2", "--", "x"}, "retries"},
		{[]string{"--timeout", "-2s", "--", "x"}, "timeout"},
		{[]string{"--", "x\xff"}, "no UTF-8"},
		{[]string{"--", ""}, "command"},
	} {
		if got := f.cmdq("submit", tt.args...); got.status != exitUsage || !strings.Contains(got.err, tt.want) || got.out != "" {
			t.Errorf("submit %q: %+v", tt.args, got)
		}
	}
	if len(f.files) != asked {
		t.Errorf("some of it was sent: %q", f.files[asked:])
	}
}
