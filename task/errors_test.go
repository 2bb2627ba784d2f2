package task

import (
	"errors"
	"strings"
	"testing"
)

// badFile is a tasks file and all that is wrong with it.
type badFile struct{ name, text, want string }

// badFiles are behind defaults that make their tasks whole: their first line is
// line 3.
func badFiles() []badFile {
	const head = listHead
	return []badFile{
		// the file
		{"empty", "", `f:1: found an empty file, allowed is a map with tasks`},
		{"comments", "# a\n# b\n", `f:1: found an empty file, allowed is a map with tasks`},
		{"null", "---\n", `f:1: the file: found nothing, allowed is a map with tasks, and perhaps defaults`},
		{"list", "- id: a\n", `f:1: the file: found a list, allowed is a map with tasks, and perhaps defaults`},
		{"no tasks", "defaults: {}\n", `f:1: found no tasks, allowed is a map with tasks, and perhaps defaults`},
		{"tasks null", "tasks:\n", `f:1: tasks: found nothing, allowed is a list of maps with id and command`},
		{"tasks empty", "tasks: []\n", `f:1: tasks: found an empty list, allowed is one task or more`},
		{"tasks map", "tasks: {a: 1}\n", `f:1: tasks: found a map, allowed is a list of maps with id and command`},
		{"two documents", head + "- {id: a, command: x}\n---\na: 1\n", `f:4: found a second document, allowed is one in a file`},
		{"unknown top", "task: []\n", "f:1: found the unknown field \"task\", did you mean tasks?\nf:1: found no tasks, allowed is a map with tasks, and perhaps defaults"},
		{"field on top", "cpus: 1\n" + head[strings.Index(head, "tasks"):] + "- {id: a, command: x, cpus: 1, mem: 1}\n",
			`f:1: found cpus beside tasks, allowed is in a task or in defaults`},
		{"not UTF-8", "a: 1\nb: \xff\n", `f:2: found the byte 0xff, allowed is text in UTF-8`},
		{"UTF-16", "\xff\xfet\x00a\x00", `f:1: found the byte 0xff, allowed is text in UTF-8`},
		{"control", "a: 1\nb: \x01\n", `f:2: found the control character 0x01, allowed is text (write "\x01" where it is meant)`},

		// syntax: the line where the trouble is, not where the list around it begins
		{"indent", "tasks:\n  - id: a\n    command: x\n  - id: b\n   command: y\n", `f:5: not YAML: did not find expected '-' indicator, in what begins on line 2`},
		{"open list", "tasks:\n- id: a\n  argv: [a\n- id: b\n  command: 1\n", `f:5: not YAML: did not find expected ',' or ']', in what begins on line 3`},
		{"colon", "tasks:\n\n  - id: a\n    command: echo a: b\n    cpus: 1\n", `f:4: not YAML: mapping values are not allowed in this context`},
		{"first line", "a: b: c\nd: 1\n", `f:1: not YAML: mapping values are not allowed in this context`},
		{"tab", "tasks:\n\t- id: a\n", `f:2: not YAML: found character that cannot start any token`},
		{"tab in a map", "tasks:\n  - id: a\n\tcommand: echo\n", `f:3: not YAML: found a tab character that violates indentation`},
		{"tab after empty lines", "tasks:\n  - id: a\n    command: x\n\n\n\n\n\tcpus: 1\n", `f:8: not YAML: found a tab character that violates indentation`},
		{"open quote", "a: 'x\nb: 1\n", `f:2: not YAML: found unexpected end of stream`},
		{"anchor", "a: 1\nb: *x\n", `f:2: not YAML: unknown anchor 'x' referenced`},
		{"deep", "a: 1\nb: " + strings.Repeat("[", 20000), `f:2: not YAML: exceeded max depth of 10000`},

		// fields
		{"unknown", head + "- {id: a, command: x, cpu: 1}", `f:3: task "a": found the unknown field "cpu", did you mean cpus?`},
		{"swapped", head + "- {id: a, commnad: x}", "f:3: task \"a\": found the unknown field \"commnad\", did you mean command?\nf:3: task \"a\": found no command, and every task needs command or argv"},
		{"begins alike", head + "- {id: a, command: x, memory: 1}", `f:3: task "a": found the unknown field "memory", did you mean mem?`},
		{"dash", head + "- {id: a, command: x, kill-grace: 1s}", `f:3: task "a": found the unknown field "kill-grace", did you mean kill_grace?`},
		{"far", head + "- {id: a, command: x, zzzzzz: 1}", `f:3: task "a": found the unknown field "zzzzzz", allowed are id, command, argv, cpus, mem, disk, gpus, env, user, name, retries, timeout, kill_grace, priority, labels, uris, files, outputs, executor, after, group, constraints, ports, container, role, count, each, each_line`},
		{"twice", head + "- id: a\n  command: x\n  user: u\n  user: v\n", `f:6: task "a": found "user" twice, first on line 5; allowed is once`},
		{"twice on top", "defaults: {cpus: 1, mem: 1}\ntasks: [{id: a, command: x}]\ndefaults: {}\n", `f:3: found "defaults" twice, first on line 1; allowed is once`},
		{"key list", head + "- {id: a, command: x, [b]: 1}", `f:3: task "a": found a list as the name of a field, allowed is text`},
		{"item text", head + "- echo hi\n", `f:3: tasks: found "echo hi", allowed is a map of fields`},
		{"item null", head + "-\n", `f:3: tasks: found nothing, allowed is a map of fields`},
		{"tag", head + "- {id: a, command: !foo x}", `f:3: task "a": command: found the tag "!foo", allowed is a shell command`},
		{"merge of text", head + "- {id: a, command: x, <<: y}", `f:3: task "a": <<: found "y", allowed is a map or a list of maps`},

		{"too long", head + "- {id: a, argv: [" + strings.Repeat("x", 3<<20) + ", y], env: {A: " + strings.Repeat("x", 3<<20) + "}}",
			`f:3: task "a": found 6291458 bytes of text in all, allowed are at most 6291456: no command can be started with more`},

		// id
		{"no id", head + "- command: x\n", `f:3: found no id, and every task needs one`},
		{"bad id", head + "- {id: a b, command: x}", `f:3: task "a b": id: found "a b", allowed are ` + allowedID},
		{"launch id", head + "- {id: a.2, command: x}", `f:3: task "a.2": id: found "a.2", allowed are ` + allowedID},
		{"id null", head + "- {id: , command: x}", `f:3: id: found nothing, allowed is ` + allowedID},
		{"id twice", head + "- {id: a, command: x}\n- {id: a, command: y}\n", `f:4: task "a": id: found it a second time, first on line 3, allowed is once`},
		{"id of a count", head + "- {id: a-3, command: x}\n- {id: a, command: y, count: 4}\n", `f:3: task "a-3": id: found it here and among the 4 tasks of "a" on line 4, allowed is once`},
		{"long id", head + "- {id: " + strings.Repeat("a", 201) + ", command: x}", `f:3: task "` + strings.Repeat("a", 200) + `…": id: found 201 bytes, allowed are at most 200`},
		{"long id of a count", head + "- {id: " + strings.Repeat("a", 198) + ", command: x, count: 11}", `f:3: task "` + strings.Repeat("a", 198) + `": id: found 201 bytes with the number of the last of its 11 tasks, allowed are at most 200`},

		// command
		{"no command", head + "- id: a\n", `f:3: task "a": found no command, and every task needs command or argv`},
		{"both", head + "- id: a\n  argv: [x]\n  command: x\n", `f:5: task "a": found both command and argv, allowed is one of them`},
		{"blank", head + "- {id: a, command: ' '}", `f:3: task "a": command: found an empty text, allowed is a shell command`},
		{"command list", head + "- {id: a, command: [x]}", `f:3: task "a": command: found a list, allowed is a shell command`},
		{"command NUL", head + `- {id: a, command: "x\0y"}`, `f:3: task "a": command: found a NUL byte, allowed is text without one`},
		{"argv empty", head + "- {id: a, argv: []}", `f:3: task "a": argv: found an empty list, allowed is a list of the program and its arguments`},
		{"argv null", head + "- id: a\n  argv:\n  - x\n  - null\n", `f:6: task "a": argv: found nothing, allowed is text for each item`},
		{"argv text", head + "- {id: a, argv: x}", `f:3: task "a": argv: found "x", allowed is a list of the program and its arguments`},
		{"argv no program", head + "- {id: a, argv: ['', x]}", `f:3: task "a": argv: found an empty program, allowed is a list of the program and its arguments`},
		{"user null", head + "- {id: a, command: x, user: }", `f:3: task "a": user: found nothing, allowed is text`},
		{"name empty", head + "- {id: a, command: x, name: ''}", `f:3: task "a": name: found an empty text, allowed is one that is not`},

		// needs
		{"cpus missing", "tasks:\n- {id: a, command: x, mem: 1}", `f:2: task "a": found no cpus, and every task needs it, here or in defaults`},
		{"both missing", "tasks:\n- {id: a, command: x}", "f:2: task \"a\": found no cpus, and every task needs it, here or in defaults\nf:2: task \"a\": found no mem, and every task needs it, here or in defaults"},
		{"both zero", head + "- {id: a, command: x, cpus: 0, mem: 0}", `f:3: task "a": found no need of cpus and of mem, and a task must need some cpus or mem`},
		{"negative", head + "- {id: a, command: x, cpus: -1}", `f:3: task "a": cpus: found "-1", allowed is a number >= 0, to a thousandth`},
		{"NaN", head + "- {id: a, command: x, cpus: .nan}", `f:3: task "a": cpus: found ".nan", allowed is a number >= 0, to a thousandth`},
		{"Inf", head + "- {id: a, command: x, mem: .inf}", `f:3: task "a": mem: found ".inf", allowed is a whole number of MB >= 0, or one with a unit: 512MB, 2GB, 1TB`},
		{"fine", head + "- {id: a, command: x, cpus: 0.0005}", `f:3: task "a": cpus: found "0.0005", which is finer than a thousandth, allowed is a number >= 0, to a thousandth`},
		{"many cpus", head + "- {id: a, command: x, cpus: 1000001}", `f:3: task "a": cpus: found "1000001", allowed are at most 1000000`},
		{"half MB", head + "- {id: a, command: x, mem: 0.5}", `f:3: task "a": mem: found "0.5", which is not a whole number of MB, allowed is a whole number of MB >= 0, or one with a unit: 512MB, 2GB, 1TB`},
		{"much mem", head + "- {id: a, command: x, mem: 1e15}", `f:3: task "a": mem: found "1e15", allowed are at most 100000000000 MB`},
		{"unit", head + "- {id: a, command: x, mem: 2 bananas}", `f:3: task "a": mem: found "2 bananas", allowed is a whole number of MB >= 0, or one with a unit: 512MB, 2GB, 1TB`},
		{"mem list", head + "- {id: a, command: x, mem: [1]}", `f:3: task "a": mem: found a list, allowed is a whole number of MB >= 0, or one with a unit: 512MB, 2GB, 1TB`},
		{"gpus", head + "- {id: a, command: x, gpus: 0.5}", `f:3: task "a": gpus: found "0.5", allowed is a whole number from 0 to 1000000`},

		// numbers and times
		{"retries", head + "- {id: a, command: x, retries: -2}", `f:3: task "a": retries: found "-2", allowed is a whole number from -1 to 2147483647`},
		{"priority", head + "- {id: a, command: x, priority: 3000000000}", `f:3: task "a": priority: found "3000000000", allowed is a whole number from -2147483648 to 2147483647`},
		{"count", head + "- {id: a, command: x, count: 0}", `f:3: task "a": count: found "0", allowed is a whole number from 1 to 1000000`},
		{"octal", head + "- {id: a, command: x, count: 010}", `f:3: task "a": count: found "010", allowed is a whole number from 1 to 1000000`},
		{"no unit", head + "- {id: a, command: x, timeout: 30}", `f:3: task "a": timeout: found "30" without a unit, write 30s`},
		{"timeout zero", head + "- {id: a, command: x, timeout: 0}", `f:3: task "a": timeout: found "0", allowed is a duration > 0, such as 30s, 10m, 1h30m or 2d`},
		{"timeout negative", head + "- {id: a, command: x, timeout: -1s}", `f:3: task "a": timeout: found "-1s", allowed is a duration > 0, such as 30s, 10m, 1h30m or 2d`},
		{"timeout text", head + "- {id: a, command: x, timeout: soon}", `f:3: task "a": timeout: found "soon", allowed is a duration > 0, such as 30s, 10m, 1h30m or 2d`},
		{"timeout long", head + "- {id: a, command: x, timeout: 4000d}", `f:3: task "a": timeout: found "4000d", allowed are at most 10 years`},
		{"grace", head + "- {id: a, command: x, kill_grace: -1s}", `f:3: task "a": kill_grace: found "-1s", allowed is a duration >= 0, such as 3s, 1m30s or 2d`},

		// env, labels, uris
		{"env list", head + "- {id: a, command: x, env: [A=1]}", `f:3: task "a": env: found a list, allowed is a map of names to texts`},
		{"env null", head + "- id: a\n  command: x\n  env:\n    A:\n    B: 1\n", `f:6: task "a": env "A": found nothing, allowed is text, a number or a boolean`},
		{"env map", head + "- {id: a, command: x, env: {A: {b: c}}}", `f:3: task "a": env "A": found a map, allowed is text, a number or a boolean`},
		{"env NUL", head + `- {id: a, command: x, env: {A: "secret\0"}}`, `f:3: task "a": env "A": found a NUL byte, allowed is text without one`},
		{"env name", head + "- {id: a, command: x, env: {'A=B': 1}}", `f:3: task "a": env: found the name "A=B", allowed is text that is not empty, without = and NUL`},
		{"env ours", head + "- {id: a, command: x, env: {CMDQ_TASK: 1}}", `f:3: task "a": env: found CMDQ_TASK, which cmdq sets itself, allowed is any other name`},
		{"env twice", head + "- id: a\n  command: x\n  env:\n    A: 1\n    A: 1\n", `f:7: task "a": found "A" twice, first on line 6; allowed is once`},
		{"label name", head + "- {id: a, command: x, labels: {'': 1}}", `f:3: task "a": labels: found the name "", allowed is text that is not empty, without NUL`},
		{"uris text", head + "- {id: a, command: x, uris: http://x}", `f:3: task "a": uris: found "http://x", allowed is a list of addresses, or of maps with value`},
		{"uri null", head + "- {id: a, command: x, uris: [null]}", `f:3: task "a": uris: found nothing, allowed is text`},
		{"uri no value", head + "- {id: a, command: x, uris: [{cache: true}]}", `f:3: task "a": uris: found no value, and every uri needs one`},
		{"uri unknown", head + "- {id: a, command: x, uris: [{value: x, cached: true}]}", `f:3: task "a": found the unknown field "cached", did you mean cache?`},
		{"uri bool", head + "- {id: a, command: x, uris: [{value: x, cache: yes}]}", `f:3: task "a": uris cache: found "yes", allowed is true or false`},
		{"uri absolute", head + "- {id: a, command: x, uris: [{value: x, output_file: /etc/x}]}", `f:3: task "a": uris output_file: found "/etc/x", allowed is a relative path within the sandbox, without ..`},
		{"uri outside", head + "- {id: a, command: x, uris: [{value: x, output_file: a/../../x}]}", `f:3: task "a": uris output_file: found "a/../../x", allowed is a relative path within the sandbox, without ..`},

		// defaults: said once, whatever number of tasks
		{"defaults list", "defaults: [1]\ntasks: [{id: a, command: x}, {id: b, command: x}]", `f:1: defaults: found a list, allowed is a map of fields`},
		{"defaults cpus", "defaults: {cpus: x, mem: 1}\ntasks: [{id: a, command: x}, {id: b, command: x}]", `f:1: cpus: found "x", allowed is a number >= 0, to a thousandth`},
		{"defaults id", "defaults: {id: x, cpus: 1, mem: 1}\ntasks: [{id: a, command: x}]", `f:1: id: found in defaults, allowed is only in a task`},
		{"defaults unknown", "defaults: {cpus: 1, mem: 1, tiemout: 1s}\ntasks: [{id: a, command: x}]", `f:1: found the unknown field "tiemout", did you mean timeout?`},

		// an anchored mistake is one mistake
		{"aliased", head + "- {id: a, command: x, timeout: &t soon}\n- {id: b, command: x, timeout: *t}\n", `f:3: task "a": timeout: found "soon", allowed is a duration > 0, such as 30s, 10m, 1h30m or 2d`},
		{"many tasks", "defaults: {cpus: 1, mem: 1, count: 1000000}\ntasks:\n" + manyTasks(12), `f:13: task "k": found more than 10000000 tasks up to here, counted ones too, allowed are at most so many`},

		// all at once, by line
		{"all", "tasks:\n- id: b\n  cpus: -1\n  command: x\n  mem: 1\n- id: c\n  mem: 1\n  cpus: x\n  cmd: y\n", "f:3: task \"b\": cpus: found \"-1\", allowed is a number >= 0, to a thousandth\n" +
			"f:6: task \"c\": found no command, and every task needs command or argv\n" +
			"f:8: task \"c\": cpus: found \"x\", allowed is a number >= 0, to a thousandth\n" +
			"f:9: task \"c\": found the unknown field \"cmd\", allowed are id, command, argv, cpus, mem, disk, gpus, env, user, name, retries, timeout, kill_grace, priority, labels, uris, files, outputs, executor, after, group, constraints, ports, container, role, count, each, each_line"},
	}
}

// TestErrors holds what a person reads.
func TestErrors(t *testing.T) {
	for _, tt := range badFiles() {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse("f", []byte(tt.text))
			if err == nil {
				t.Fatalf("no error: %+v", f)
			}
			if err.Error() != tt.want {
				t.Errorf("got:\n%v\nwant:\n%s", err, tt.want)
			}
			if list := (Errors)(nil); !errors.As(err, &list) || len(list) == 0 {
				t.Errorf("not Errors: %T", err)
			}
		})
	}
}

func manyTasks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("- {id: " + string(rune('a'+i)) + ", command: x}\n")
	}
	return b.String()
}

func TestNearest(t *testing.T) {
	names := fieldNames[1:]
	for word, want := range map[string]string{
		"cpu": "cpus", "CPUs": "cpus", "cmnd": "", "comand": "command", "agrv": "argv", "environment": "env",
		"time-out": "timeout", "kilgrace": "kill_grace", "prio": "priority", "uri": "uris", "x": "",
		"label": "labels", strings.Repeat("cpus", 100): "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}
