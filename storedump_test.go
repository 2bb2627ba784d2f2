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
	spec := &task.Spec{ID: "a", Command: "x", Retries: -1, Executor: task.ByCmdq, Env: map[string]string{"TOKEN": "hidden"},
		Files:   []task.Input{{Path: "/d/run.sh", Name: "bin/run", Executable: true}, {Path: "/d/in", Name: "in"}},
		Outputs: []task.Output{{Path: "out"}, {Path: "*.log", Optional: true}}}
	one := &task.Task{ID: "a", Spec: spec, Index: -1, State: task.Fetching, Launches: 1,
		History: []task.Attempt{{Number: 1, Agent: "s1", Executor: "cmdq-1", State: "TASK_FAILED"}},
		End:     &task.End{State: task.Failed, At: at, Launch: 1, Exit: task.Exit{Known: true, Code: 3}, Stderr: "no\nsuch"}}
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
			`"outputs":[{"path":"out"},{"optional":true,"path":"*.log"}]`, `"state":"fetching"`,
		}},
		{taskLine(store.Task{Task: &ended}), []string{`"launch":1,"stderr":"no\nsuch"}`, `"state":"failed"`}},
		{runLine(store.Run{Secret: []byte("hidden")}, true, store.Counts{}, nil), []string{`"secret":"(secret)"`}},
		{runLine(store.Run{}, true, store.Counts{}, nil), []string{`"run":{"stage":"unfinished"}`}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(tt.line); err != nil {
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
