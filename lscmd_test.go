package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cmdq/web"
)

func TestLsVerb(t *testing.T) {
	f := newFakeQueue(t)
	zero, three := 0, 3
	a, b, c := aTask("a", "idle"), aTask("b", "failed"), aTask("long-id", "killed")
	a.Waits = "held"
	b.Attempts, b.Host, b.Started, b.Ended, b.ExitCode = 2, "h1", "2026-11-21T10:00:01.000Z", "2026-11-21T10:00:03.500Z", &three
	c.ExitCode, c.Signal, c.Command = &zero, "Segmentation fault", "x\ny"
	f.tasks = []web.Task{a, b, c}
	got := f.cmdq("ls")
	want := "ID       STATE   ATTEMPTS  HOST  STARTED              TOOK  EXIT                COMMAND\n" +
		"a        held    0         -     -                    -     -                   echo a\n" +
		"b        failed  2         h1    2026-11-21T10:00:01  2.5s  3                   echo b\n" +
		"long-id  killed  0         -     -                    -     Segmentation-fault  x\\ny\n"
	if got.out != want || got.status != 0 || got.err != "" {
		t.Errorf("ls: exit %d, %q\n%swant\n%s", got.status, got.err, got.out, want)
	}
	if got := f.cmdq("ls", "--ids"); got.out != "a\nb\nlong-id\n" {
		t.Errorf("ls --ids: %q", got.out)
	}
	var list web.Tasks
	if err := json.Unmarshal([]byte(f.cmdq("ls", "--json").out), &list); err != nil || len(list.Tasks) != 3 || !reflect.DeepEqual(list.Tasks[1], b.Row) {
		t.Errorf("ls --json: %v, %+v", err, list)
	}
	f.tasks = nil
	if got := f.cmdq("ls", "--json"); got.out != `{"tasks":[],"total":0}`+"\n" {
		t.Errorf("ls --json of nothing: %q", got.out)
	}
}

func TestLsFilters(t *testing.T) {
	f := newFakeQueue(t)
	for _, tt := range []struct {
		args []string
		want web.Query
	}{
		{nil, web.Query{Limit: 1000}},
		{[]string{"--failed"}, web.Query{States: []string{"failed", "killed"}, Limit: 1000}},
		{[]string{"--failed", "--state", "idle,killed"}, web.Query{States: []string{"killed"}, Limit: 1000}},
		{[]string{"--state", "running,held", "--state", "idle"}, web.Query{States: []string{"running", "held", "idle"}, Limit: 1000}},
		{[]string{"--label", "team=a", "--label", "x=y=z"}, web.Query{Labels: map[string]string{"team": "a", "x": "y=z"}, Limit: 1000}},
		{[]string{"--agent", "h1", "--match", "n-[0-9]*", "--group", "g", "--sort", "-ended", "--limit", "7"},
			web.Query{Agent: "h1", Match: "n-[0-9]*", Group: "g", Sort: "-ended", Limit: 7}},
	} {
		got := f.cmdq("ls", tt.args...)
		asked := f.queries[len(f.queries)-1]
		if len(asked.Labels) == 0 {
			asked.Labels = nil
		}
		if got.status != 0 || !reflect.DeepEqual(asked, tt.want) {
			t.Errorf("ls %q: exit %d, %s, asked for %+v, want %+v", tt.args, got.status, got.err, asked, tt.want)
		}
	}
	f.tasks = []web.Task{aTask("a", "idle")}
	if got := f.cmdq("ls", "--failed", "--state", "idle,held", "--json"); got.status != 0 || got.out != `{"tasks":[],"total":0}`+"\n" {
		t.Errorf("what is idle and failed: %+v", got)
	}
	for _, tt := range []struct{ args, want string }{
		{"--state running,x", `want states of tasks`},
		{"--state ./x --state ./y", "names two directories"},
		{"--label x", `--label "x": want KEY=VALUE`},
		{"--label x=1 --label x=2", `"x" is given twice`},
		{"--sort size", "want order, id"},
		{"--match [", "is no pattern"},
		{"--limit -1", "want 0 or more"},
		{"--state=", "want states of tasks"},
		{"failed", `takes flags only, not "failed"`},
	} {
		if got := f.cmdq("ls", strings.Fields(tt.args)...); got.status != exitUsage || !strings.Contains(got.err, tt.want) {
			t.Errorf("ls %s: exit %d, %s", tt.args, got.status, got.err)
		}
	}
}

// TestLsState: states and a directory are told apart.
func TestLsState(t *testing.T) {
	if got := callCmdq("ls", "--state", "runing"); got.status != exitUsage || !strings.Contains(got.err, `"runing": there is no such directory, and no such state; those of tasks are idle`) {
		t.Errorf("a slip: %+v", got)
	}
	t.Chdir(t.TempDir())
	if err := os.Mkdir("mine", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", "./failed", "no/such"} {
		if got := callCmdq("ls", "--state", name); got.status != exitUsage || !strings.Contains(got.err, "there is no cmdq that uses "+name+",") {
			t.Errorf("a directory: %+v", got)
		}
	}
}

// TestLsPages: a list longer than a page of the API comes whole, or as long as
// was wanted, each task once.
func TestLsPages(t *testing.T) {
	f := newFakeQueue(t)
	for i := range 2345 {
		f.tasks = append(f.tasks, aTask(fmt.Sprint("t", i), "idle"))
	}
	f.tasks[1000].ID = "t999" // it moved back meanwhile
	for limit, want := range map[int]int{0: 2344, 1: 1, 1000: 1000, 1500: 1500, 2000: 2000, 3000: 2344} {
		got := f.cmdq("ls", "--ids", "--limit", fmt.Sprint(limit))
		lines := strings.Fields(got.out)
		if len(lines) != want || got.status != 0 {
			t.Errorf("--limit %d: %d lines, want %d", limit, len(lines), want)
		}
		if slices.Sort(lines); len(slices.Compact(lines)) != len(lines) {
			t.Errorf("--limit %d: some came twice", limit)
		}
		if told := strings.Contains(got.err, "of 2345; --limit 0 lists all"); told != (limit > 0) {
			t.Errorf("--limit %d: %q", limit, got.err)
		}
	}
}
