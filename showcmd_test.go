package main

import (
	"context"
	"reflect"
	"testing"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
	"cmdq/web"
)

// TestSandboxPage: the address is that of Mesos' own page, and there is none where
// it would be made up.
func TestSandboxPage(t *testing.T) {
	const m = "http://m:5050/"
	for _, tt := range []struct {
		page   string
		launch task.Attempt
		want   string
	}{
		{m, task.Attempt{Number: 1, Agent: "a-S1", Framework: "f-1"}, m + "#/agents/a-S1/frameworks/f-1/executors/x/browse"},
		{m, task.Attempt{Number: 2, Agent: "a-S1", Framework: "f-1", State: "TASK_FAILED"}, m + "#/agents/a-S1/frameworks/f-1/executors/x.2/browse"},
		{m, task.Attempt{Number: 2, Agent: "a-S1", Framework: "f-1", Executor: "cmdq-7-1"}, m + "#/agents/a-S1/frameworks/f-1/executors/cmdq-7-1/browse"},
		{m, task.Attempt{Number: 1, Agent: "a/?#", Framework: "f 1"}, m + "#/agents/a%2F%3F%23/frameworks/f%201/executors/x/browse"},
		{m, task.Attempt{Number: 1, Framework: "f-1"}, ""},
		{m, task.Attempt{Number: 1, Agent: "a-S1"}, ""},
		{m, task.Attempt{Number: 1, Agent: "a-S1", Framework: "f-1", State: "TASK_DROPPED"}, ""},
		{"", task.Attempt{Number: 1, Agent: "a-S1", Framework: "f-1"}, ""},
	} {
		if got := sandboxPage(tt.page, &task.Task{ID: "x"}, &tt.launch); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.launch, got, tt.want)
		}
	}
}

// TestDetailOfLaunches: what a task asks for and what its launches got, also where
// an earlier cmdq has not kept when they were queued.
func TestDetailOfLaunches(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 2, 3, 4, s, 0, time.UTC) }
	spec := &task.Spec{Command: "x", Rules: &task.Rules{Ports: 2, Role: "r", Container: &task.Container{Type: "mesos", Image: "i:1",
		Volumes: []task.Volume{{Host: "/a", Container: "/b", ReadOnly: true}}}}}
	x := &task.Task{ID: "x", Index: -1, Spec: spec, Submitted: at(30), Base: 2, Launches: 4, History: []task.Attempt{
		{Number: 1, Launched: at(1), Ended: at(2)},
		{Number: 2, Launched: at(4), Ended: at(5)},
		{Number: 3, Launched: at(31), Ended: at(35)},
		{Number: 4, Queued: at(36), Launched: at(38), Starting: at(39), Started: at(40), Ports: []uint16{31000, 31001}},
	}}
	var got web.Task
	q := hundredThousand(t)
	if err := q.look(context.Background(), func(v scheduler.View) { got = q.detail(v, x) }); err != nil {
		t.Fatal(err)
	}
	if got.Ports != 2 || got.Role != "r" || !reflect.DeepEqual(got.Container, &web.Container{Image: "i:1", Type: "mesos", Volumes: []string{"/a:/b:ro"}}) {
		t.Errorf("%d ports, role %q, container %+v", got.Ports, got.Role, got.Container)
	}
	for i, want := range []string{"", stamp(at(2)), stamp(at(30)), stamp(at(36))} {
		if l := got.Launches[i]; l.Queued != want {
			t.Errorf("launch %d: queued %q, want %q", l.Number, l.Queued, want)
		}
	}
	if l := got.Launches[3]; l.Starting != stamp(at(39)) || !reflect.DeepEqual(l.Ports, []int{31000, 31001}) {
		t.Errorf("%+v", l)
	}
}
