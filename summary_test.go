package main

import (
	"testing"

	"cmdq/task"
)

// TestAfter: what got no container was tried all the same.
func TestAfter(t *testing.T) {
	for _, tt := range []struct {
		launches, base, attempts int
		want                     string
	}{
		{0, 0, 0, ""},
		{1, 0, 1, " after 1 attempt"},
		{5, 0, 2, " after 2 attempts"},
		{1, 0, 0, " after 1 launch"},
		{4, 0, 0, " after 4 launches"},
		{4, 4, 0, ""}, // they ran what stood in the file before
	} {
		if got := after(&task.Task{Launches: tt.launches, Base: tt.base, Attempts: tt.attempts}); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
