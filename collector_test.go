package main

import (
	"slices"
	"testing"

	"cmdq/scheduler"
	"cmdq/task"
)

// TestRequestHidesSecrets: what an agent may name of a task's uris is not shown whole.
func TestRequestHidesSecrets(t *testing.T) {
	c := &collector{}
	r := c.request(scheduler.Collection{Task: "a", URIs: []task.URI{{Value: "http://ann:pw@h/x"}, {Value: "/opt/x"}, {Value: "http://h/y?sig=1"}}})
	if want := []string{"http://ann:pw@h/x", "http://…@h/x", "http://h/y?sig=1", "http://h/y?…"}; !slices.Equal(r.Hide, want) {
		t.Errorf("%q, want %q", r.Hide, want)
	}
}
