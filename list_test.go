package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestListReload: plain cmdq follows the lists of tasks.yaml as it follows that,
// also those that it names only later or that were missing, and a start after a
// SIGTERM knows which lines are done.
func TestListReload(t *testing.T) {
	const tasks = "tasks: [{id: a, command: 'echo {} >>$OUT', each_line: lists/LIST, cpus: 0.1, mem: 10, env: {OUT: FILE}}]\n"
	out := filepath.Join(t.TempDir(), "out")
	with := func(list string) string { return strings.NewReplacer("LIST", list, "FILE", out).Replace(tasks) }
	p := start(t, with("none"), "--log-level", "info")
	p.exits(exitUsage)
	lists := filepath.Join(p.dir, "lists")
	if err := os.Mkdir(lists, 0o700); err != nil {
		t.Fatal(err)
	}
	list := func(name, text string) {
		t.Helper()
		file := filepath.Join(lists, name)
		if err := os.WriteFile(file+"~", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	list("one", "p\nq\n")
	p.write(with("one"))
	p.again("--log-level", "info")
	p.says("finished", 2)
	list("one", "p\nq\nr\n")
	p.says("1 new, 0 changed, 0 removed", 1)
	p.says("finished", 3)
	list("one", "p\nQ\nr\n")
	p.says("0 new, 1 changed, 0 removed", 1)
	p.says("finished", 4)

	p.write(with("two"))
	p.says("the queue goes on as it was", 1)
	list("two", "p\nQ\nr\ns\n")
	p.says("1 new, 0 changed, 0 removed", 2)
	p.says("finished", 5)
	p.signal(syscall.SIGTERM)
	p.exits(143)
	list("two", "p\nQ\nR\ns\n")
	p.again("--log-level", "info")
	p.says("0 new, 1 changed, 0 removed", 1)
	p.says("finished", 1)
	p.signal(syscall.SIGINT)
	p.exits(130)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(data); got != "p\nq\nr\nQ\ns\nR\n" && got != "q\np\nr\nQ\ns\nR\n" {
		t.Errorf("ran %q", got)
	}
}
