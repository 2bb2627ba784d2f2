package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// repository is where the files of the program are. Tests begin there.
var repository, _ = os.Getwd()

// tour runs scripts/tour with the cmdq under test, and keeps what it printed:
// "tour FILE". What docs/tour.md holds has to be the same but for what is of one
// run. That is written by
//
//	go test -run TestScripts/tour . -update
func tour(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tour FILE")
	}
	path, err := exec.LookPath("cmdq")
	ts.Check(err)
	temporary := ts.Getenv("TMPDIR")
	if *rewriteDocs {
		temporary = os.TempDir() // a short name, as it would be for anybody
	}
	cmd := exec.Command("sh", filepath.Join(repository, "scripts/tour"), filepath.Dir(path))
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "HOME="+ts.Getenv("HOME"), "TZ=UTC",
		"GORACE=atexit_sleep_ms=0") // or -race makes each verb a second longer
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("scripts/tour: %v\n%s%s", err, out, said.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o644))
	kept := filepath.Join(repository, "docs/tour.md")
	if *rewriteDocs {
		ts.Check(os.WriteFile(kept, out, 0o644))
		return
	}
	want, err := os.ReadFile(kept)
	ts.Check(err)
	if at, was, is := differ(blur(string(want)), blur(string(out))); at > 0 {
		ts.Fatalf("docs/tour.md:%d is not what scripts/tour says:\n  %s\nbut\n  %s\ngo test -run TestScripts/tour . -update", at, was, is)
	}
}

// differ finds the first line, from 1, in which two texts differ; 0: none.
func differ(a, b string) (line int, ofA, ofB string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		if ofA, ofB = nthOf(as, i), nthOf(bs, i); ofA != ofB {
			return i + 1, ofA, ofB
		}
	}
	return 0, "", ""
}

func nthOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// blurs are what differs from one run to the next, and what stands for it.
var blurs = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`/[\w./-]*/tour\.\w{6}/`), "DIR/"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b(\d+m)?\d+(\.\d+)?s\b`), "SPAN"},
	{regexp.MustCompile(`\b[0-9.e+]+/s in the last minute, .*`), "RATE"},
	{regexp.MustCompile(`process \d+, cmdq .*`), "process PID, cmdq VERSION"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+/`), "127.0.0.1:PORT/"},
	{regexp.MustCompile(`( cpus, \d+ MB +)[\d.]+ cpus, \d+ MB(, \d+ MB of disk)?( +4 cpus)`), "${1}OFFERED$3"},
	{regexp.MustCompile(`([^ \n]) +`), "$1 "}, // widths of columns
}

// blur makes texts the same that differ only in what no two runs have in common.
func blur(text string) string {
	for _, b := range blurs {
		text = b.what.ReplaceAllString(text, b.with)
	}
	return text
}

// TestBlur: what is of one run is the same in any; what is not, is not.
func TestBlur(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"run  begun 2026-11-21T17:45:48, 0.67s ago", "run  begun 2026-11-22T07:05:08, 1m2s ago", true},
		{"rate  290/s in the last minute, about 3s left", "rate  0.0167/s in the last minute, time left unknown", true},
		{"{HERE: /tmp/tour.IXrLi7/queue}", "{HERE: /var/tmp/x/.tmp/tour.a_Zx12/queue}", true},
		{"h  3  1 cpus, 9 MB  2.5 cpus, 3 MB, 1 MB of disk  4 cpus", "h  3      1 cpus, 9 MB  2 cpus, 30 MB  4 cpus", true},
		{"h  3  1 cpus, 9 MB  2.5 cpus, 3 MB, 1 MB of disk  4 cpus", "h  3  2 cpus, 9 MB  2.5 cpus, 3 MB, 1 MB of disk  4 cpus", false},
		{"a  running  0.5s", "a    running  12s", true},
		{"a  running  0.5s", "a  running  -", false},
		{"tasks  300: 3 running", "tasks  300: 2 running", false},
		{"exit status 3", "exit status 4", false},
		{"    indented", "  indented", false},
		{"$ cmdq wait pull-5 --any", "$ cmdq wait pull-5", false},
		{"again  cmdq retry --group 0ae09a27", "again  cmdq retry --group 778f4f4d", false},
	} {
		if got := blur(c.a) == blur(c.b); got != c.same {
			t.Errorf("%q is %q\n%q is %q\nthe same: %t", c.a, blur(c.a), c.b, blur(c.b), got)
		}
	}
}

// TestTourOfVerbs: docs/tour.md shows every verb, but those of other jobs.
func TestTourOfVerbs(t *testing.T) {
	text, err := os.ReadFile("docs/tour.md")
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]bool{"local": true, "executor": true, "store": true, "version": true, "no-help": true}
	for _, verb := range command().Commands() {
		used := regexp.MustCompile(`(?m)^    \$ .*\bcmdq ` + verb.Name() + `\b`).Match(text)
		if used == other[verb.Name()] {
			t.Errorf("cmdq %s is in docs/tour.md: %t", verb.Name(), used)
		}
	}
}
