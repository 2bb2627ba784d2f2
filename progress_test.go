package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
)

// TestPlainShowsTheLastChange: even where nothing happens after it, it is only
// held back for a while.
func TestPlainShowsTheLastChange(t *testing.T) {
	var out bytes.Buffer
	l := &lines{Writer: &out, every: plainEvery, began: time.Now()}
	s := scheduler.Snapshot{At: time.Now().Add(-time.Hour), Tasks: 2, Connected: true}
	s.States[task.Running] = 2
	l.show(s)
	s.States[task.Running], s.States[task.Finished] = 0, 2
	s.At = s.At.Add(time.Second)
	l.show(s)
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Fatalf("%d lines at once:\n%s", n, out.String())
	}
	l.said = time.Now().Add(-plainEvery)
	l.show(s)
	if !strings.Contains(out.String(), "2 of 2 done") {
		t.Errorf("the last change is not shown:\n%s", out.String())
	}
}

// TestTimeLeft: only what could be estimated is told.
func TestTimeLeft(t *testing.T) {
	s := scheduler.Snapshot{Tasks: 10, Connected: true}
	s.States[task.Finished], s.States[task.Idle] = 5, 5
	if text := describeProgress(s, 10*time.Second); strings.Contains(text, "left") || !strings.Contains(text, "0.5/s") {
		t.Errorf("%q", text)
	}
	s.Left, s.LeftKnown = 90*time.Second, true
	if text := describeProgress(s, 10*time.Second); !strings.Contains(text, "about 1m30s left") {
		t.Errorf("%q", text)
	}
}
