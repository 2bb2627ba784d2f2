package scheduler

import (
	"testing"
	"time"

	"cmdq/task"
)

// parsed are the tasks of a file; list is the file of each each_line.
func parsed(t *testing.T, tasks, list string) []task.Task {
	t.Helper()
	file, err := task.ParseWith("f", []byte("defaults: {cpus: 1, mem: 1}\ntasks: "+tasks+"\n"), task.Outside{Folder: "/",
		List: func(string) ([]byte, error) { return []byte(list), nil }, Known: func(task.ID) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	return file.Tasks(time.Time{})
}

// TestSubmitCircle: no submit closes a circle by adding to a series that others
// wait for; what only looks like it is taken.
func TestSubmitCircle(t *testing.T) {
	env := newEnv(t)
	env.play("load a")
	submit := func(text, list, want string) {
		t.Helper()
		env.step(Asked{Change: Submit{Tasks: parsed(t, "["+text+"]", list)}, Answer: func(out Outcome) {
			got := ""
			if out.Err != nil {
				got = out.Err.Error()
			}
			if got != want || (want == "") != (len(out.Changed) > 0) {
				t.Errorf("%s: %v, %q, want %q", text, out.Changed, got, want)
			}
		}})
	}
	submit("{id: s, command: x, each_line: l}", "one\n", "")
	submit("{id: x, command: x, after: [s]}, {id: y, command: x, after: [x, a]}", "", "")
	submit("{id: s, command: x, each_line: l, after: [y]}", "\ntwo\n", "task s-2: after: what it would wait for waits for s, which it is part of")
	submit("{id: s, command: x, each_line: l, after: [a]}", "\ntwo\n", "")
	submit("{id: s, command: x, each_line: l, after: [s-2]}", "\n\nthree\n", "")
	submit("{id: r, command: x, each_line: l, after: [y]}", "one\n", "")
}

// TestRetryCircle: nor does a retry, of tasks that had ended when others were
// submitted; and a tasks file that would do it is found.
func TestRetryCircle(t *testing.T) {
	env := newEnv(t)
	env.play("load a")
	submit := func(text, list string) {
		t.Helper()
		env.step(Asked{Change: Submit{Tasks: parsed(t, "["+text+"]", list)}, Answer: func(out Outcome) {
			if out.Err != nil {
				t.Fatal(out.Err)
			}
		}})
	}
	submit("{id: s, command: x, each_line: l}", "one\n")
	submit("{id: x, command: x, after: [s]}", "")
	env.play("cancel x")
	submit("{id: s, command: x, each_line: l, after: [x]}", "\ntwo\n") // ends, since x has
	env.step(Asked{Change: RetryTasks{Selection{Failed: true}}, Answer: func(out Outcome) {
		// x ends again, since s-2 stays as it is.
		if len(out.Changed) != 1 || out.Changed[0] != "x" || len(out.Notes) != 2 || out.Notes[0].ID != "s-2" || out.Notes[1].ID != "x" {
			t.Errorf("%+v", out)
		}
	}})
	submit("{id: s, command: x, each_line: l, after: [a]}", "\n\nthree\n")
	if circle := env.s.circleWith(parsed(t, "[{id: a, command: y}, {id: b, command: y, after: [s]}]", "")); circle != nil {
		t.Error(circle)
	}
	if circle := env.s.circleWith(parsed(t, "[{id: a, command: y, after: [s]}]", "")); circle == nil || circle.ID != "s-3" {
		t.Error(circle)
	}
}
