package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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

// TestListThatNeverRests: a list that is written to all the time is followed too.
func TestListThatNeverRests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML("{id: a, each_line: list, argv: ['true', '{}']}"))
	list, err := os.OpenFile(filepath.Join(dir, "list"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if _, err := list.WriteString("x\n"); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, dir, "--log-level", "info")
	p.says("finished", 1)
	over, written := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(settleTime / 5)
		defer tick.Stop()
		for {
			select {
			case <-over:
				written <- nil
				return
			case <-tick.C:
				if _, err := list.WriteString("x\n"); err != nil {
					written <- err
					return
				}
			}
		}
	}()
	p.says("tasks file read again", 1)
	close(over)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	p.exits(143)
}
