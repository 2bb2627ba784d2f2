package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestJoblogAfterCrash: however the joblog was left, or if there was none, the
// next start makes it whole. Each end stands there once.
func TestJoblogAfterCrash(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(data string) string // nil: there is no joblog before the restart
	}{
		{"left alone", func(data string) string { return data }},
		{"torn", func(data string) string { return data[:len(data)-20] }},
		{"torn in the middle", func(data string) string { return data[:len(data)/2] }},
		{"without its last newline", func(data string) string { return strings.TrimSuffix(data, "\n") }},
		{"emptied", func(string) string { return "" }},
		{"given only now", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMesos(t, "--allocation-interval", "50ms")
			dir := t.TempDir()
			writeTasks(t, dir, tasksYAML("{id: a, command: 'true'}", "{id: b, command: exit 4, retries: 0}",
				"{id: c, command: 'true'}", waiting(dir, "long", "")))
			args := []string{"run", "--master", m.addr, "--progress", "none"}
			with := append(args, "--joblog", "joblog")
			joblog := filepath.Join(dir, "joblog")
			if tt.spoil == nil {
				p := startIn(t, dir, args...)
				p.says("msg=\"finished: ", 2)
				p.says("msg=\"failed: ", 1)
				p.says("msg=running", 4)
				p.killed()
			} else {
				p := startIn(t, dir, with...)
				waitLines(t, joblog, 3)
				p.says("msg=running", 4)
				p.killed()
				data, err := os.ReadFile(joblog)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(joblog, []byte(tt.spoil(string(data))), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := startIn(t, dir, with...)
			p.says("registered with the master", 1)
			touch(t, dir, "go")
			p.exits(exitFailed)
			ends := map[string]int{}
			for _, l := range readJoblog(t, joblog) {
				ends[string(l.ID)+" "+l.State]++
				if l.ID == "b" && (l.ExitCode == nil || *l.ExitCode != 4) {
					t.Errorf("b: %+v", l)
				}
			}
			if len(ends) != 4 || ends["a finished"] != 1 || ends["b failed"] != 1 || ends["c finished"] != 1 || ends["long finished"] != 1 {
				t.Errorf("joblog: %v", ends)
			}
		})
	}
}

// TestQueueGoesOn: plain cmdq goes on with its queue after SIGTERM and after
// SIGKILL: what has ended stays ended, and the tasks file is applied as it is
// now. After a SIGINT with nothing left to do, the next start is a new run.
func TestQueueGoesOn(t *testing.T) {
	for _, separate := range []bool{true, false} {
		name := "embedded"
		if separate {
			name = "separate"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := []string{"--progress", "none"}
			if separate {
				args = append(args, "--master", startMesos(t, "--allocation-interval", "50ms").addr)
			}
			says := func(id string) string { return "{id: " + id + ", command: 'echo " + id + " >>" + dir + "/starts'}" }
			writeTasks(t, dir, tasksYAML(says("a"), says("b"), "{id: huge, command: 'true', cpus: 10000}"))
			p := startIn(t, dir, args...)
			p.says("msg=\"finished: ", 2)
			p.signal(syscall.SIGTERM)
			wants(t, p.exits(exitSIGTERM), "with 1 task to go")

			// b is another command now, c is new, and huge has become small.
			edited := tasksYAML(says("a"), "{id: b, command: 'echo b2 >>"+dir+"/starts'}", says("huge"), says("c"))
			writeTasks(t, dir, edited)
			p = startIn(t, dir, args...)
			p.says("going on with 3 tasks, of which 2 have ended and 0 were active", 1)
			p.says("tasks file read again: 1 new, 2 changed, 0 removed", 1)
			p.says("msg=\"finished: ", 3)
			p.killed()

			p = startIn(t, dir, args...)
			p.says("going on with 4 tasks, of which 4 have ended and 0 were active", 1)
			p.says("registered with the master", 1)
			p.signal(os.Interrupt)
			p.exits(exitSIGINT)
			count := map[string]int{}
			for _, line := range waitLines(t, filepath.Join(dir, "starts"), 5) {
				count[line]++
			}
			if len(count) != 5 || count["a"]+count["b"]+count["b2"]+count["huge"]+count["c"] != 5 {
				t.Errorf("commands ran: %v", count)
			}

			p = startIn(t, dir, args...)
			p.says("4 tasks queued", 1)
			p.says("msg=\"finished: ", 4)
			p.signal(os.Interrupt)
			p.exits(exitSIGINT)
			if got := waitLines(t, filepath.Join(dir, "starts"), 9); len(got) != 9 {
				t.Errorf("commands ran: %q", got)
			}
		})
	}
}
