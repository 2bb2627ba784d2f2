package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"cmdq/store"
	"cmdq/task"
)

// TestDumpedLines holds what `cmdq store dump` shows of a task, and that it shows
// no secret.
func TestDumpedLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	spec := &task.Spec{ID: "a", Command: "x", Retries: -1, Executor: task.ByCmdq, Env: map[string]string{"TOKEN": "hidden"}, URIs: []task.URI{{Value: "https://ann:hidden@h/x?sig=hidden"}},
		Files:   []task.Input{{Path: "/d/run.sh", Name: "bin/run", Executable: true}, {Path: "/d/in", Name: "in"}},
		Outputs: []task.Output{{Path: "out"}, {Path: "*.log", Optional: true}}}
	one := &task.Task{ID: "a", Spec: spec, Index: -1, State: task.Fetching, Launches: 1,
		History: []task.Attempt{{Number: 1, Agent: "s1", Executor: "cmdq-1", State: "TASK_FAILED"}},
		End:     &task.End{State: task.Failed, At: at, Launch: 1, Exit: task.Exit{Known: true, Code: 3}, Stderr: "no\nsuch"}}
	ruled := &task.Task{ID: "b-1", Index: 1, Held: true, Given: true, Spec: &task.Spec{ID: "b", Command: "x", Rules: &task.Rules{After: []task.ID{"a"}, Group: "g", Ports: 2, Role: "r",
		Constraints: []task.Constraint{{Attribute: "rack", Op: task.IsNot, Value: "r1"}, {Attribute: "gpu", Op: task.Exists}},
		Container:   &task.Container{Type: "docker", Image: "alpine", Volumes: []task.Volume{{Host: "/a", Container: "/b", ReadOnly: true}}}}}}
	policy, err := json.Marshal(task.Policy{Groups: map[string]task.Group{"g": {MaxRunning: 2, MaxFailures: 0, OnFailure: task.CancelGroup, Failure: []task.Notice{{Command: "hidden"}}},
		"h": {MaxFailures: task.Unlimited}}, OnFinish: []task.Notice{{URL: "https://ann:hidden@h:8/hidden?hidden"}}})
	if err != nil {
		t.Fatal(err)
	}
	ended := *one
	ended.State = task.Failed
	tests := []struct {
		line object
		want []string
	}{
		{taskLine(store.Task{Task: one}), []string{
			`"end":{"at":"2026-01-02T12:00:00Z","exit_code":3,"launch":1,"state":"failed","stderr":"no\nsuch"}`,
			`"history":[{"agent":"s1","executor":"cmdq-1","id":"a","number":1,"state":"TASK_FAILED"}]`,
			`"executor":"cmdq","files":[{"executable":true,"name":"bin/run","path":"/d/run.sh"},{"name":"in","path":"/d/in"}]`,
			`"outputs":[{"path":"out"},{"optional":true,"path":"*.log"}]`, `"uris":["https://…@h/x?…"]`, `"state":"fetching"`,
		}},
		{taskLine(store.Task{Task: &ended}), []string{`"launch":1,"stderr":"no\nsuch"}`, `"state":"failed"`}},
		{runLine(store.Run{Secret: []byte("hidden")}, true, store.Counts{}, nil), []string{`"secret":"(secret)"`}},
		{taskLine(store.Task{Task: ruled}), []string{`"given":true,"held":true,`, `"after":["a"]`, `"constraints":["rack != r1","gpu exists"]`,
			`"container":{"image":"alpine","type":"docker","volumes":["/a:/b:ro"]}`, `"group":"g"`, `"ports":2`, `"role":"r"`}},
		{runLine(store.Run{Policy: policy, Notices: []store.Notice{{ID: "n1", Kind: "finish", URL: "http://h/hidden", Body: []byte("hidden"), Tries: 2, Next: at}, {ID: "n2", Command: "hidden"}}},
			true, store.Counts{}, nil), []string{`"policy":{"groups":{"g":{"max_failures":0,"max_running":2,"on_failure":"cancel","on_first_failure":["(command)"]},"h":{}},"on_finish":["https://h:8"]}`,
			`"notices":[{"id":"n1","kind":"finish","next":"2026-01-02T12:00:00Z","to":"http://h","tries":2},{"id":"n2","kind":"","to":"(command)"}]`}},
		{runLine(store.Run{Policy: []byte("hidden")}, true, store.Counts{}, nil), []string{`"policy":"(not readable)"`}},
		{runLine(store.Run{}, true, store.Counts{}, nil), []string{`"run":{"stage":"unfinished"}`}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		if err := writeJSON(&out, tt.line); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %s in %s", want, out.String())
			}
		}
		if strings.Contains(out.String(), "hidden") {
			t.Errorf("a secret in %s", out.String())
		}
	}
}

// TestLinesOnATerminal: the lines of the journal and of the joblog, too, are
// shown by a terminal and not obeyed.
func TestLinesOnATerminal(t *testing.T) {
	const hostile = "\u009b31m \u202e\x1b[2J é"
	one := &task.Task{ID: "a", Index: -1, Spec: &task.Spec{ID: "a", Command: hostile}, State: task.Failed, End: &task.End{Message: hostile}}
	logged, err := lineOf(one).encode()
	if err != nil {
		t.Fatal(err)
	}
	var dumped bytes.Buffer
	if err := writeJSON(&dumped, taskLine(store.Task{Task: one})); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{string(logged), dumped.String()} {
		if want := `\u009b31m \u202e\u001b[2J é`; !strings.Contains(line, want) || plain(strings.TrimSuffix(line, "\n"))+"\n" != line {
			t.Errorf("%q lacks %q", line, want)
		}
	}
}
