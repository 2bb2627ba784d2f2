package scheduler

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"cmdq/task"
)

// TestBlur: what differs between lines that say the same is gone, and what says
// something stays.
func TestBlur(t *testing.T) {
	for line, want := range map[string]string{
		"":                                    "",
		"Killed":                              "Killed",
		"worker 17 of 20 failed":              "worker * of * failed",
		"cannot open /data/in/17.png: denied": "cannot open *: denied",
		"in a/b.c:12":                         "in *:*",
		"at 0x7ffdeadbeef0 died":              "at * died",
		"commit 3f2a9bc1 is bad":              "commit * is bad",
		"bad facade, decade, added":           "bad facade, decade, added",
		"request fcd0aebb-4cd1-4000-b1e2-a0cef3f40011 refused": "request * refused",
		"job-FCD0AEBB-4CD1-4000-B1E2-A0CEF3F40011.tmp":         "job-*.tmp",
		"bad-face-1 and dead-beef":                             "bad-face-* and dead-beef",
		"after 1.5s":                                           "after *.*s",
		"10.0.0.1:5050 refused":                                "*.*.*.*:* refused",
		"http://h/x?n=1 not found":                             "http:*?n=* not found",
	} {
		if got := blur(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := blur(strings.Repeat("é", 1000)); len(got) > 200 || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid: %v", len(got), utf8.ValidString(got))
	}
}

// TestBlurLongLines: a UUID is one wherever a line is cut.
func TestBlurLongLines(t *testing.T) {
	const one, other = "fcd0aebb-4cd1-4000-b1e2-a0cef3f40011", "aaaaaaaa-bbcd-4dee-8fff-12345678abcd"
	for n := 150; n < 210; n++ {
		words := strings.Repeat("x", n) + " "
		if a, b := blur(words+one+" refused"), blur(words+other+" refused"); a != b || len(a) > 200 {
			t.Fatalf("behind %d bytes: %q and %q", n, a, b)
		}
	}
}

// TestFailures: those alike are one group, named by a key that finds them again, the
// largest first, with the first of the queue as an example.
func TestFailures(t *testing.T) {
	var tasks []*task.Task
	add := func(state task.State, reason string, code int, stderr string) {
		n := len(tasks)
		t := &task.Task{ID: task.ID(fmt.Sprintf("t%d", n)), Seq: uint64(100 - n), State: state}
		if state.Terminal() {
			t.End = &task.End{State: state, Reason: reason, Exit: task.Exit{Known: true, Code: code}, Stderr: stderr}
		}
		tasks = append(tasks, t)
	}
	add(task.Failed, "", 1, "begin 1\nno file /a/1\n")
	add(task.Finished, "", 0, "")
	add(task.Failed, "", 2, "no file /a/2\n")
	add(task.Failed, "", 1, "other words\nno file /b/c/3")
	add(task.Killed, "CANCELLED", 1, "no file /a/1")
	add(task.Idle, "", 0, "")
	add(task.Failed, "MEMORY", 1, "no file /a/1")
	add(task.Failed, "", 1, "no file /a/7\n \t\r\n\n")
	add(task.Killed, "CANCELLED", 15, "no file /b/1") // it was cancelled as well, at another time
	all := func(yield func(*task.Task) bool) {
		for _, t := range tasks {
			if !yield(t) {
				return
			}
		}
	}
	groups := Failures(all)
	var got []string
	total := 0
	for _, g := range groups {
		got = append(got, fmt.Sprintf("%d %s %s %d %q", g.Count, g.Example, g.State, g.Exit.Code, g.Line))
		total += g.Count
		n := 0
		for _, t := range tasks {
			if (&Selection{Group: g.Key}).fits(t) {
				n++
			}
		}
		if n != g.Count {
			t.Errorf("%s selects %d of %d", g.Key, n, g.Count)
		}
	}
	want := []string{`3 t7 failed 1 "no file *"`, `2 t8 killed 0 "no file *"`, `1 t6 failed 1 "no file *"`, `1 t2 failed 2 "no file *"`}
	if total != 7 || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if key := FailureKey(tasks[5]); key != "" {
		t.Errorf("the key of one that has not ended: %q", key)
	}
}
