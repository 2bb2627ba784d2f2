package scheduler

import (
	"testing"
	"time"

	"cmdq/task"
)

// TestSubmitCircle: no submit closes a circle by adding to a series that others
// wait for; what only looks like it is taken.
func TestSubmitCircle(t *testing.T) {
	env := newEnv(t)
	env.play("load a")
	submit := func(text, list, want string) {
		t.Helper()
		file, err := task.ParseWith("f", []byte("defaults: {cpus: 1, mem: 1}\ntasks: ["+text+"]\n"), task.Outside{Folder: "/",
			List: func(string) ([]byte, error) { return []byte(list), nil }, Known: func(task.ID) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		env.step(Asked{Change: Submit{Tasks: file.Tasks(time.Time{})}, Answer: func(out Outcome) {
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
	submit("{id: s, command: x, each_line: l, after: [y]}", "\ntwo\n", "task s-2: after: what it would wait for waits for s, which it would be part of")
	submit("{id: s, command: x, each_line: l, after: [a]}", "\ntwo\n", "")
	submit("{id: s, command: x, each_line: l, after: [s-2]}", "\n\nthree\n", "")
	submit("{id: r, command: x, each_line: l, after: [y]}", "one\n", "")
}
