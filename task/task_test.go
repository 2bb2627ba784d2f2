package task

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestLaunchID(t *testing.T) {
	tests := []struct {
		id   ID
		n    int
		want string
	}{
		{"a", 1, "a"}, {"a", 2, "a.2"}, {"a", 10, "a.10"}, {"a.", 1, "a."}, {"a.", 2, "a..2"}, {"a.b", 3, "a.b.3"}, {"1-0", 2, "1-0.2"},
	}
	for _, tt := range tests {
		if got := LaunchID(tt.id, tt.n); got != tt.want {
			t.Errorf("%s, %d: got %s, want %s", tt.id, tt.n, got, tt.want)
		}
		if id, n := ParseLaunchID(tt.want); id != tt.id || n != tt.n {
			t.Errorf("%s: got %s, %d, want %s, %d", tt.want, id, n, tt.id, tt.n)
		}
	}
	// What no launch of ours is called stays whole: it is an id that nobody knows.
	for _, s := range []string{"", ".", "a.1", "a.0", "a.x2", "a.-2", "a.+2", "a.99999999999999999999"} {
		if id, n := ParseLaunchID(s); string(id) != s || n != 1 {
			t.Errorf("%q: got %s, %d", s, id, n)
		}
	}
}

// FuzzLaunchID: every launch of every legal id has a name of its own that
// leads back to it, and no text makes ParseLaunchID panic.
func FuzzLaunchID(f *testing.F) {
	for _, s := range []string{"a", "a.", "a..", "_-.", "a.b-0", "9", "a.5", "a.5x", "é", ""} {
		f.Add(s, uint16(7))
	}
	f.Fuzz(func(t *testing.T, s string, number uint16) {
		if id, n := ParseLaunchID(s); n < 1 || !strings.HasPrefix(s, string(id)) {
			t.Errorf("%q: got %q, %d", s, id, n)
		}
		if checkID(s) != "" {
			return
		}
		for _, n := range []int{1, 2, max(int(number), 1)} {
			if id, m := ParseLaunchID(LaunchID(ID(s), n)); id != ID(s) || m != n {
				t.Errorf("%q, %d: got %q, %d", s, n, id, m)
			}
		}
	})
}

func TestEnvironment(t *testing.T) {
	spec := &Spec{Env: map[string]string{"B": "2", "A": "1"}}
	tests := []struct {
		task Task
		want []Variable
	}{
		{Task{ID: "a", Spec: spec, Index: -1}, []Variable{{"A", "1"}, {"B", "2"}, {"CMDQ_TASK", "a"}, {"CMDQ_ATTEMPT", "3"}}},
		{Task{ID: "a-0", Spec: &Spec{}, Index: 0}, []Variable{{"CMDQ_TASK", "a-0"}, {"CMDQ_ATTEMPT", "3"}, {"CMDQ_INDEX", "0"}}},
	}
	for _, tt := range tests {
		if got := tt.task.Environment(3); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.task.ID, got, tt.want)
		}
	}
}

// TestEqualTasks: beside the spec, the number and the line count.
func TestEqualTasks(t *testing.T) {
	a := &Spec{ID: "a", Command: "x", Series: &Series{First: 1, Lines: []string{"p", "q"}}}
	b := &Spec{ID: "a", Command: "x", Series: &Series{First: 1, Lines: []string{"p", "r", "s"}}}
	part := &Spec{ID: "a", Command: "x", Series: &Series{First: 2, Lines: []string{"q"}}}
	other := &Spec{ID: "a", Command: "y", Series: a.Series}
	count := &Spec{ID: "a", Command: "x", Series: &Series{Count: 3}}
	prior := &Spec{ID: "a", Command: "x", Priority: 1, Series: a.Series}
	tests := []struct {
		name        string
		a, b        Task
		equal, runs bool
	}{
		{"the same line", Task{Spec: a, Index: 1}, Task{Spec: b, Index: 1}, true, true},
		{"another line", Task{Spec: a, Index: 2}, Task{Spec: b, Index: 2}, false, false},
		{"the same line in another part", Task{Spec: a, Index: 2}, Task{Spec: part, Index: 2}, true, true},
		{"another number", Task{Spec: a, Index: 1}, Task{Spec: a, Index: 2}, false, false},
		{"another command", Task{Spec: a, Index: 1}, Task{Spec: other, Index: 1}, false, false},
		{"another priority", Task{Spec: a, Index: 1}, Task{Spec: prior, Index: 1}, false, true},
		{"a line or none", Task{Spec: a, Index: 1}, Task{Spec: count, Index: 1}, false, false},
		{"no numbers", Task{Spec: &Spec{ID: "a"}, Index: -1}, Task{Spec: &Spec{ID: "a"}, Index: -1}, true, true},
	}
	for _, tt := range tests {
		if tt.a.Equal(&tt.b) != tt.equal || tt.b.Equal(&tt.a) != tt.equal || tt.a.RunsSame(&tt.b) != tt.runs || tt.b.RunsSame(&tt.a) != tt.runs {
			t.Errorf("%s: equal %v, runs the same %v", tt.name, tt.a.Equal(&tt.b), tt.a.RunsSame(&tt.b))
		}
	}
}

func TestAttempts(t *testing.T) {
	a := Task{ID: "a", Spec: &Spec{}}
	if a.Current() != nil || a.Attempt(1) != nil {
		t.Error("a task that was never launched has no attempt")
	}
	a.History = []Attempt{{Number: 1}, {Number: 3}}
	if got := a.Current(); got != &a.History[1] {
		t.Errorf("current: %+v", got)
	}
	if got := a.Attempt(1); got != &a.History[0] {
		t.Errorf("attempt 1: %+v", got)
	}
	if got := a.Attempt(2); got != nil {
		t.Errorf("attempt 2: %+v", got)
	}
}

func TestName(t *testing.T) {
	if got := (&Task{ID: "a", Spec: &Spec{}}).Name(); got != "task a" {
		t.Error(got)
	}
	if got := (&Task{ID: "a", Spec: &Spec{Name: "shown"}}).Name(); got != "shown" {
		t.Error(got)
	}
}

func TestState(t *testing.T) {
	tests := []struct {
		state            State
		name             string
		terminal, active bool
		next             []State
	}{
		{Idle, "idle", false, false, []State{Starting, Finished, Failed, Killed, Fetching}},
		{Starting, "starting", false, true, []State{Idle, Running, Finished, Failed, Killed, Fetching}},
		{Running, "running", false, true, []State{Idle, Finished, Failed, Killed, Fetching}},
		{Finished, "finished", true, false, nil},
		{Failed, "failed", true, false, nil},
		{Killed, "killed", true, false, nil},
		{Fetching, "fetching", false, false, []State{Idle, Finished, Failed, Killed}},
	}
	if len(tests) != NumStates {
		t.Fatalf("%d states", NumStates)
	}
	for _, tt := range tests {
		s := tt.state
		if s.String() != tt.name || s.Terminal() != tt.terminal || s.Active() != tt.active {
			t.Errorf("%s: %v, terminal %v, active %v", tt.name, s, s.Terminal(), s.Active())
		}
		var next []State
		for to := Idle; int(to) < NumStates; to++ {
			if s.CanBecome(to) {
				next = append(next, to)
			}
		}
		if !reflect.DeepEqual(next, tt.next) {
			t.Errorf("%s: can become %v, want %v", s, next, tt.next)
		}
	}
}

func TestParseExit(t *testing.T) {
	tests := []struct {
		message string
		want    Exit
	}{
		{"Command exited with status 0", Exit{Known: true}},
		{"Command exited with status 255", Exit{Known: true, Code: 255}},
		{"Command exited with status 3 (and more)", Exit{Known: true, Code: 3}},
		{"Command terminated with signal Killed", Exit{Known: true, Signal: "Killed"}},
		{"Command terminated with signal Segmentation fault (core dumped)", Exit{Known: true, Signal: "Segmentation fault"}},
		{"Command exited with status 256", Exit{}},
		{"Command exited with status -1", Exit{}},
		{"Command exited with status x", Exit{}},
		{"Command exited with status ", Exit{}},
		{"Command terminated with signal ", Exit{}},
		{"Command terminated with signal " + strings.Repeat("x", 64), Exit{}},
		{"Container exited with status 5", Exit{Known: true, Code: 5}},
		{"Container terminated with signal Killed", Exit{Known: true, Signal: "Killed"}},
		{"Container launch failed", Exit{}},
		{"exited with status 5", Exit{}},
		{"Executor terminated", Exit{}},
		{"Failed to fetch all URIs for container 'x': exited with status 1", Exit{}},
		{"", Exit{}},
	}
	for _, tt := range tests {
		if got := ParseExit(tt.message); got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.message, got, tt.want)
		}
	}
	for code := range 256 {
		if got := ParseExit("Command exited with status " + strconv.Itoa(code)); got != (Exit{Known: true, Code: code}) {
			t.Errorf("status %d: got %+v", code, got)
		}
	}
}
