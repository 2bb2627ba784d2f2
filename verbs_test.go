package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"cmdq/task"
	"cmdq/web"
)

// Times are told as they are here: in these tests that is UTC.
func init() { time.Local = time.UTC }

func TestPlain(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"echo ärger 文 👍 a\u00a0b", "echo ärger 文 👍 a\u00a0b"},
		{"", ""},
		{`back\slash "quotes"`, `back\slash "quotes"`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"a\nb\tc\rd\x00\x7f", `a\nb\tc\rd\x00\x7f`},
		{"safe\u202etxt.exe\u2066", `safe\u202etxt.exe\u2066`},
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"c1 \u009b31m", `c1 \u009b31m`},
		{"\xff\xfe ok \xc3", `\xff\xfe ok \xc3`},
		{"\ufffd stays", "\ufffd stays"},
		{"tag \U000e0041", `tag \U000e0041`},
	} {
		if got := plain(tt.text); got != tt.want {
			t.Errorf("plain(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// harmless tells whether a terminal shows all of a text.
func harmless(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(c rune) bool { return c != '\n' && !unicode.IsGraphic(c) }) < 0
}

// FuzzPlain: a terminal shows all of it in one line, and what it would have shown
// anyway is left as it is; and JSON says the same with and without our escapes.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "a b", "\x1b]0;x\a", "\u202e", "\xff", "\u2028\u2029", "\U000e0041"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := plain(text)
		if !harmless(got) || strings.Contains(got, "\n") {
			t.Fatalf("plain(%q) = %q", text, got)
		}
		if harmless(text) && !strings.Contains(text, "\n") && got != text {
			t.Fatalf("plain(%q) = %q, though it was harmless", text, got)
		}
		var b bytes.Buffer
		if err := writeJSON(&b, map[string]string{"x": text}); err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || !harmless(b.String()) || strings.Count(b.String(), "\n") != 1 {
			t.Fatalf("JSON of %q: %q, %v", text, b.String(), err)
		}
		if utf8.ValidString(text) && back["x"] != text {
			t.Fatalf("JSON of %q says %q", text, back["x"])
		}
	})
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 4 * time.Millisecond: "0s", 250 * time.Millisecond: "0.25s", -time.Hour: "0s",
		3240 * time.Millisecond: "3.2s", 250*time.Second + 400*time.Millisecond: "4m10s", 999900 * time.Microsecond: "1s"} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %s, want %s", d, got, want)
		}
	}
	if got := seconds(1e300); got != "years" {
		t.Errorf("seconds(1e300) = %s", got)
	}
}

func TestTable(t *testing.T) {
	for width, want := range map[int]string{
		0:  "A    BB  LAST\nxyz  -   a long last cell\n",
		12: "A    BB  LA…\nxyz  -   a …\n",
	} {
		p := &paper{width: width}
		p.table([][]string{{"A", "BB", "LAST"}, {"xyz", "", "a long last cell"}})
		if got := p.text.String(); got != want {
			t.Errorf("in %d columns:\n%swant\n%s", width, got, want)
		}
	}
}

func TestStatusVerb(t *testing.T) {
	f := newFakeQueue(t)
	left := 125.4
	f.status = web.Status{Version: "cmdq v1", PID: 42, Began: "2026-11-21T10:00:00.000Z", File: "/w/tasks.yaml", FileUnused: "tasks.yaml:3: no", Master: "m:5050", Page: "http://m:5050/", Address: "http://h:8080/",
		Framework: "f-1", Connected: true, Tasks: 30, States: map[string]int{"idle": 7, "running": 3, "finished": 15, "failed": 5},
		Held: 2, Waiting: 1, Delayed: 1, Rate: 2.345, Left: &left, Suppressed: true, Holdup: "h2: 0.4 of 2 cpus short",
		Agents: []web.Agent{{ID: "a1", Host: "h1", Name: "h1 (a1)", Tasks: 3, Used: web.Resources{CPUs: 0.3, Mem: 30},
			Offered: web.Resources{CPUs: 1.5, Mem: 900, GPUs: 1}, Largest: web.Resources{CPUs: 2, Mem: 1000, Disk: 5}, Note: "lost"}}}
	got := f.cmdq("status")
	for _, want := range []string{
		"cmdq        process 42, cmdq v1\n",
		"run         begun 2026-11-21T10:00:00, ",
		"file        /w/tasks.yaml\n            not used as it is now: tasks.yaml:3: no\n",
		"page        http://h:8080/ (its token is in the file token of --state)\nmesos page  http://m:5050/\n",
		"master      m:5050, connected\n",
		"tasks       30: 7 idle (2 held, 1 waiting for others, 1 to be tried again later), 3 running, 15 finished, 5 failed\n",
		"rate        2.35/s in the last minute, about 2m5s left\n",
		"offers      none yet; none are wanted now\n",
		"held up     h2: 0.4 of 2 cpus short\n",
		"h1 (a1)  3      0.3 cpus, 30 MB  1.5 cpus, 900 MB, 1 gpu  2 cpus, 1000 MB, 5 MB of disk  -     lost\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("status lacks %q:\n%s", want, got.out)
		}
	}
	if got.status != 0 || got.err != "" {
		t.Errorf("status: exit %d, %q", got.status, got.err)
	}
	f.status.Left, f.status.Connected = nil, false
	for range maxAgentRows + 4 {
		f.status.Agents = append(f.status.Agents, f.status.Agents[0])
	}
	got = f.cmdq("status")
	for _, want := range []string{", time left unknown\n", "m:5050, not connected\n", "… and 5 agents more\n"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("status lacks %q:\n%s", want, got.out)
		}
	}
	var back web.Status
	if err := json.Unmarshal([]byte(f.cmdq("status", "--json").out), &back); err != nil || !reflect.DeepEqual(back, f.status) {
		t.Errorf("--json: %v\n%+v\nwant\n%+v", err, back, f.status)
	}
}

func TestShowVerb(t *testing.T) {
	f := newFakeQueue(t)
	three := 3
	x := aTask("x", "failed")
	x.Argv, x.Labels, x.Retries, x.Charged, x.Attempts, x.Env = []string{"prog", "a b", "it's"}, map[string]string{"k": "v"}, -1, 1, 2, []string{"PATH"}
	x.Ports, x.Role, x.Container = 3, "science", &web.Container{Image: "alpine:3.20", Type: "docker", Volumes: []string{"/a:/b:ro", "/c:/c"}}
	x.Reason, x.Message, x.ExitCode, x.Stderr, x.Ended = "REASON_X", "went wrong", &three, "one\ntwo\n", "2026-11-21T10:00:09.000Z"
	x.Launches = []web.Launch{
		{Number: 1, ID: "x", Agent: "a1", Host: "h1", Queued: "2026-11-21T10:00:00.000Z", Offered: "2026-11-21T10:00:01.000Z", Ended: "2026-11-21T10:00:02.000Z", State: "TASK_LOST", MayRun: true},
		{Number: 2, ID: "x.2", Agent: "a1", Host: "h1", Ports: []int{31000, 31001, 31005}, Queued: "2026-11-21T10:00:03.000Z", Offered: "2026-11-21T10:00:05.000Z",
			Starting: "2026-11-21T10:00:05.000Z", Running: "2026-11-21T10:00:05.250Z",
			Ended: "2026-11-21T10:00:09.000Z", State: "TASK_FAILED", ExitCode: &three, Reason: "REASON_X", Sandbox: "/sandbox"},
	}
	f.tasks = []web.Task{x}
	got := f.cmdq("show", "x")
	for _, want := range []string{
		"task        x\nstate       failed, exit status 3 (REASON_X), at 2026-11-21T10:00:09\nmessage     went wrong\nstderr      one\n            two\n",
		`argv        prog 'a b' 'it'\''s'` + "\n", "label       k=v\n", "env         PATH\n", "retries     without limit\n",
		"ports       3\nrole        science\ncontainer   alpine:3.20, type docker\nvolume      /a:/b:ro\n            /c:/c\n",
		"attempts    2, 1 failure charged to its retries\n",
		"\nlaunch 1, x, on h1, agent a1\n  queued    2026-11-21T10:00:00\n  offered   2026-11-21T10:00:01, 1s later\n  ended     2026-11-21T10:00:02, 1s later\n  state     TASK_LOST, may still be running\n",
		"\nlaunch 2, x.2, on h1, agent a1\n  ports     31000-31001, 31005\n  queued    2026-11-21T10:00:03\n  offered   2026-11-21T10:00:05, 2s later\n" +
			"  starting  2026-11-21T10:00:05, 0s later\n  running   2026-11-21T10:00:05, 0.25s later\n" +
			"  ended     2026-11-21T10:00:09, 3.8s later\n  state     TASK_FAILED, exit status 3 (REASON_X)\n  sandbox   /sandbox\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("show lacks %q:\n%s", want, got.out)
		}
	}
	var back web.Task
	if err := json.Unmarshal([]byte(f.cmdq("show", "x", "--json").out), &back); err != nil || !reflect.DeepEqual(back, x) {
		t.Errorf("--json: %v\n%+v\nwant\n%+v", err, back, x)
	}
	if got := f.cmdq("show", "far"); got.status != exitFailed || got.err != "cmdq: there is no task far; did you mean near?\n" || got.out != "" {
		t.Errorf("an unknown id: %+v", got)
	}
	for _, verb := range []string{"show", "wait"} {
		for _, id := range []string{"x/", "//", "..", "../status", "x/explain", "%2f"} {
			if got := f.cmdq(verb, id); got.status != exitFailed || got.err != "cmdq: there is no task "+id+"; did you mean near?\n" {
				t.Errorf("%s of no id: %+v", verb, got)
			}
		}
	}
	for _, args := range [][]string{nil, {""}, {"x", "x"}} {
		if got := f.cmdq("show", args...); got.status != exitUsage {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestExplainAndFailuresVerbs(t *testing.T) {
	f := newFakeQueue(t)
	f.explained = web.Explanation{ID: "x", State: "idle", Code: "too-large", Text: "it fits no agent", Evidence: []string{"h1: 2 of 4 cpus short", "h2"}}
	if got := f.cmdq("explain", "x"); got.out != "x (idle, too-large): it fits no agent\n  h1: 2 of 4 cpus short\n  h2\n" {
		t.Errorf("explain: %+v", got)
	}
	if got := f.cmdq("failures"); got.out != "no task failed or was killed\n" || got.status != 0 {
		t.Errorf("no failures: %+v", got)
	}
	three := 3
	f.failed = web.Failures{Tasks: 5, Groups: []web.Failure{
		{Key: "k1", State: "failed", Reason: "REASON_X", ExitCode: &three, Line: "cannot open *", Count: 4, Example: "t7", Retry: "cmdq retry --group k1"},
		{Key: "k2", State: "killed", Signal: "SIGKILL", Count: 1, Example: "t8", Retry: "cmdq retry --group k2"}}}
	want := fmt.Sprintf(`4 tasks failed, exit status 3 (REASON_X), such as t7
  stderr  cannot open *
  again   cmdq retry --group k1 --state %[1]s
1 task killed, by SIGKILL, such as t8
  again   cmdq retry --group k2 --state %[1]s
5 tasks in 2 groups
`, quoteWord(f.dir))
	if got := f.cmdq("failures"); got.out != want || got.status != 0 {
		t.Errorf("failures: exit %d\n%swant\n%s", got.status, got.out, want)
	}
}

func TestChangeVerbs(t *testing.T) {
	f := newFakeQueue(t)
	f.came = web.Outcome{Changed: []string{"a", "b"}, Count: 2, Notes: []web.Note{{ID: "c", Text: "it has ended: finished"}}}
	for _, tt := range []struct {
		verb string
		args []string
		want web.Selection
		did  string
	}{
		{"cancel", []string{"a", "b", "c"}, web.Selection{IDs: []string{"a", "b", "c"}}, "cancelled"},
		{"cancel", []string{"--label", "k=v", "--label", "l="}, web.Selection{Labels: map[string]string{"k": "v", "l": ""}}, "cancelled"},
		{"cancel", []string{"--all"}, web.Selection{All: true}, "cancelled"},
		{"retry", []string{"--failed"}, web.Selection{Failed: true}, "queued again"},
		{"retry", []string{"--group", "k1", "a"}, web.Selection{Group: "k1", IDs: []string{"a"}}, "queued again"},
		{"hold", []string{"a"}, web.Selection{IDs: []string{"a"}}, "held"},
		{"release", []string{"--all"}, web.Selection{All: true}, "released"},
	} {
		got := f.cmdq(tt.verb, tt.args...)
		want := "2 tasks " + tt.did + ": a, b\nc: it has ended: finished\n"
		if got.status != 0 || got.out != want || !reflect.DeepEqual(f.selections[tt.verb], tt.want) {
			t.Errorf("%s %q: %+v, asked for %+v, want %+v", tt.verb, tt.args, got, f.selections[tt.verb], tt.want)
		}
	}
	for _, verb := range []string{"cancel", "retry", "hold", "release"} {
		if got := f.cmdq(verb); got.status != exitUsage || !strings.Contains(got.err, "needs ids of tasks, or a flag") {
			t.Errorf("%s of nothing: %+v", verb, got)
		}
		if got := f.cmdq(verb, ""); got.status != exitUsage {
			t.Errorf("%s of an empty id: %+v", verb, got)
		}
	}
	if got := f.cmdq("cancel", "--all", "--json"); got.out != `{"changed":["a","b"],"count":2,"notes":[{"id":"c","text":"it has ended: finished"}]}`+"\n" {
		t.Errorf("--json: %q", got.out)
	}
	f.came = web.Outcome{Count: 5000, Changed: make([]string, 1000)}
	for range 100 {
		f.came.Notes = append(f.came.Notes, web.Note{ID: "n", Text: "it has ended: failed"})
	}
	if got := f.cmdq("cancel", "--all"); got.out != "5000 tasks cancelled\n"+strings.Repeat("n: it has ended: failed\n", maxTold)+"… and others\n" {
		t.Errorf("many: %q", got.out)
	}
	f.err = web.NotFound("there is no task far; did you mean near?")
	if got := f.cmdq("hold", "far"); got.status != exitFailed || got.err != "cmdq: there is no task far; did you mean near?\n" {
		t.Errorf("unknown: %+v", got)
	}
}

// TestHostileText: whatever tasks, agents and errors are called, a terminal that
// reads what any verb says obeys none of it.
func TestHostileText(t *testing.T) {
	f := newFakeQueue(t)
	const evil = "e\x1b[2J\x1b]0;owned\a\r\n\u202e<b>\u0085\u009b1m"
	x := web.Task{Row: web.Row{ID: evil, State: evil, Waits: evil, Command: evil, Group: evil, Labels: map[string]string{evil: evil}, Host: evil,
		Submitted: evil, Started: evil, Ended: evil, Signal: evil, Reason: evil, Message: evil}, Name: evil, Argv: []string{evil}, Line: evil,
		Env: []string{evil}, User: evil, Timeout: evil, KillGrace: evil, URIs: []string{evil}, Files: []string{evil}, Outputs: []string{evil},
		After: []string{evil}, Constraints: []string{evil}, Executor: evil, Wake: evil, Stderr: evil,
		Launches: []web.Launch{{ID: evil, Agent: evil, Host: evil, Framework: evil, Executor: evil, Offered: evil, Running: evil, Ended: evil,
			State: evil, Reason: evil, Message: evil, Signal: evil, Sandbox: evil}}}
	f.tasks = []web.Task{x}
	f.status = web.Status{Version: evil, PID: 1, Began: evil, File: evil, Master: evil, Page: evil, FileUnused: evil, Address: evil, Framework: evil, Offered: evil, Holdup: evil,
		Agents: []web.Agent{{ID: evil, Host: evil, Name: evil, Seen: evil, Note: evil}}}
	f.explained = web.Explanation{ID: evil, State: evil, Code: evil, Text: evil, Evidence: []string{evil}}
	f.failed = web.Failures{Tasks: 1, Groups: []web.Failure{{Key: evil, State: evil, Reason: evil, Signal: evil, Line: evil, Count: 1, Example: evil, Retry: evil}}}
	f.came = web.Outcome{Changed: []string{evil}, Count: 1, Notes: []web.Note{{ID: evil, Text: evil}}}
	calls := [][]string{{"status"}, {"ls"}, {"ls", "--ids"}, {"show", evil}, {"explain", evil}, {"failures"}, {"cancel", evil}, {"retry", evil},
		{"hold", evil}, {"release", evil}, {"show", evil + "?"}, {"wait", evil + "?"}, {"wait", "--timeout", "20ms", evil},
		{"submit", "--id", "ok", "--", "x"}, {"ls", "--label", evil}, {"ls", "--state", evil}, {"status", evil}}
	for _, call := range calls {
		for _, more := range [][]string{nil, {"--json"}} {
			got := f.cmdq(call[0], append(more, call[1:]...)...)
			if !harmless(got.out) || !harmless(strings.ReplaceAll(got.err, "\t", " ")) {
				t.Errorf("%q: %q, %q", call, got.out, got.err)
			}
			if got.out+got.err == "" {
				t.Errorf("%q says nothing", call)
			}
		}
	}
}

// TestNothingRuns: the verbs that change something say so and end with 1, the
// others read the journal.
func TestNothingRuns(t *testing.T) {
	dir := t.TempDir()
	for _, call := range [][]string{{"status"}, {"ls"}, {"show", "x"}, {"explain", "x"}, {"failures"}, {"wait"}, {"cancel", "x"}, {"submit", "--", "x"}} {
		got := callCmdq(append([]string{call[0], "--state", dir}, call[1:]...)...)
		if got.status != exitUsage || !strings.Contains(got.err, "there is no cmdq that uses "+dir+", and no journal of one") {
			t.Errorf("%q without a journal: %+v", call, got)
		}
	}
	if got := callCmdq("status", "--state", ""); got.status != exitUsage || got.err != "cmdq: --state is empty\n" {
		t.Errorf("no directory: %+v", got)
	}
	state := keepJournal(t)
	for _, call := range [][]string{{"cancel", "x"}, {"hold", "x"}, {"release", "x"}, {"submit", "--", "x"}} {
		got := callCmdq(append([]string{call[0], "--state", state}, call[1:]...)...)
		if got.status != exitFailed || got.err != "cmdq: no cmdq is running with "+state+"\n" {
			t.Errorf("%q: %+v", call, got)
		}
	}
}

func TestHelpFitsAScreen(t *testing.T) {
	for _, verb := range []string{"status", "ls", "show", "explain", "failures", "wait", "submit", "cancel", "retry", "hold", "release"} {
		got := callCmdq(verb, "--help")
		lines := strings.Split(got.out, "\n")
		if len(lines) > 45 || got.status != 0 {
			t.Errorf("help of %s: %d lines, exit %d", verb, len(lines), got.status)
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > 90 {
				t.Errorf("help of %s: %d columns: %s", verb, utf8.RuneCountInString(line), line)
			}
		}
	}
}

func TestCompletion(t *testing.T) {
	f := newFakeQueue(t)
	f.tasks = []web.Task{aTask("night-1", "idle"), aTask("night-2", "running")}
	f.status.Agents = []web.Agent{{Host: "h1"}, {Host: "h1"}, {Host: "h2"}}
	f.failed.Groups = []web.Failure{{Key: "k1", State: "failed", Count: 2, Line: "no"}}
	complete := func(args ...string) string { return callCmdq(append([]string{"__complete"}, args...)...).out }
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"show", "--state", f.dir, "ni"}, "night-1\tidle: echo night-1\nnight-2\trunning: echo night-2\n:4\n"},
		{[]string{"cancel", "--state", f.dir, "night-1", ""}, "night-2\trunning: echo night-2\n:4\n"},
		{[]string{"show", "--state", f.dir, "night-1", ""}, ":4\n"},
		{[]string{"retry", "--state", f.dir, "--group", ""}, "k1\t2 tasks failed no\n:4\n"},
		{[]string{"show", "--state", t.TempDir(), ""}, ":4\n"}, // nothing runs
		{[]string{"ls", "--state", f.dir, "--agent", ""}, "h1\nh2\n:4\n"},
		{[]string{"ls", "--state", "f"}, strings.Join(web.StateNames, "\n") + "\n:0\n"}, // shells choose
		{[]string{"submit", "--executor", "c"}, "command\ncmdq\n:4\n"},
	} {
		if got := complete(tt.args...); got != tt.want {
			t.Errorf("complete %q: %q, want %q", tt.args, got, tt.want)
		}
	}
	if q := f.queries[0]; q.Match != "ni*" || q.Limit != maxCompletions {
		t.Errorf("asked for %+v", q)
	}
	complete("cancel", "--state", f.dir, "[x")
	if q := f.queries[len(f.queries)-1]; q.Match != `\[x*` || !slices.Equal(q.States, []string{"idle", "starting", "running", "fetching"}) {
		t.Errorf("asked for %+v", q)
	}
	f.end() // and now there is only a journal, or nothing
	before := journalView
	t.Cleanup(func() { journalView = before })
	for want, view := range map[string]func(string) (web.Queue, error){
		"night-1\tidle: echo night-1\nnight-2\trunning: echo night-2\n:4\n": func(string) (web.Queue, error) { return f, nil },
		":4\n": func(string) (web.Queue, error) { return nil, errors.New("the journal is damaged") },
	} {
		journalView = view
		if got := callCmdq("__complete", "show", "--state", f.dir, ""); got.out != want || strings.Contains(got.err, "journal") {
			t.Errorf("complete from a journal: %+v, want %q", got, want)
		}
	}
	if got := callCmdq("completion", "bash"); got.status != 0 || !strings.Contains(got.out, "__complete") {
		t.Errorf("completion bash: exit %d", got.status)
	}
}

// specOf reads the one task of a file that was submitted.
func specOf(t *testing.T, file string) *task.Spec {
	t.Helper()
	f, err := task.ParseWith("submitted", []byte(file), task.Outside{Known: func(task.ID) bool { return true }})
	if err != nil || f.Len() != 1 {
		t.Fatalf("%s: %v", file, err)
	}
	return f.Specs[0]
}
