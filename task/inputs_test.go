package task

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parseFiles reads a tasks file /d/f, behind defaults that make its tasks whole:
// its first line is line 3. There are the files /d/a.txt, /d/b/c.sh (executable),
// /d/out, /d/{}, /d/stdout and /e/a.txt.
func parseFiles(text string) (*File, error) {
	there := map[string]bool{"/d/a.txt": false, "/d/b/c.sh": true, "/d/out": false, "/d/{}": false, "/d/stdout": false, "/e/a.txt": false}
	return ParseWith("/d/f", []byte(listHead+text), Outside{Look: func(path string) (bool, error) {
		executable, ok := there[path]
		if !ok {
			return false, &fs.PathError{Op: "stat", Path: path, Err: syscall.ENOENT}
		}
		return executable, nil
	}})
}

func TestFiles(t *testing.T) {
	a, c := Input{Path: "/d/a.txt", Name: "a.txt"}, Input{Path: "/d/b/c.sh", Name: "c.sh", Executable: true}
	tests := []struct {
		files string
		want  []Input
	}{
		{"[]", nil},
		{"[a.txt]", []Input{a}},
		{"[a.txt, b/c.sh]", []Input{a, c}},
		{"[./a.txt, x/../b//c.sh]", []Input{a, c}},
		{"[/e/a.txt]", []Input{{Path: "/e/a.txt", Name: "a.txt"}}},
		{"[{path: a.txt}, {path: b/c.sh}]", []Input{a, c}},
		{"[{name: x/y, path: a.txt}, a.txt]", []Input{{Path: "/d/a.txt", Name: "x/y"}, a}},
		{"[{path: a.txt, name: ./x//y}]", []Input{{Path: "/d/a.txt", Name: "x/y"}}},
		{"[{path: a.txt, name: stdout.txt}, {path: a.txt, name: x/stderr}]", []Input{{Path: "/d/a.txt", Name: "stdout.txt"}, {Path: "/d/a.txt", Name: "x/stderr"}}},
		{"['{}', {path: a.txt, name: 1}]", []Input{{Path: "/d/{}", Name: "{}"}, {Path: "/d/a.txt", Name: "1"}}},
	}
	for _, tt := range tests {
		f, err := parseFiles("- {id: t, command: x, files: " + tt.files + "}")
		if err != nil {
			t.Errorf("%s: %v", tt.files, err)
		} else if got := f.Specs[0].Files; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.files, got, tt.want)
		}
	}
}

func TestOutputs(t *testing.T) {
	tests := []struct {
		outputs string
		want    []Output
	}{
		{"[]", nil},
		{"[out.png]", []Output{{Path: "out.png"}}},
		{"['*.log', {path: 'd/[a-z]?/x', optional: true}]", []Output{{Path: "*.log"}, {Path: "d/[a-z]?/x", Optional: true}}},
		{"[{path: a, optional: false}, ./b/./c, stdout, stderr]", []Output{{Path: "a"}, {Path: "b/c"}, {Path: "stdout"}, {Path: "stderr"}}},
		{`['\*', '...', '{}']`, []Output{{Path: `\*`}, {Path: "..."}, {Path: "{}"}}},
	}
	for _, tt := range tests {
		f, err := parseFiles("- {id: t, command: x, outputs: " + tt.outputs + "}")
		if err != nil {
			t.Errorf("%s: %v", tt.outputs, err)
		} else if got := f.Specs[0].Outputs; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.outputs, got, tt.want)
		}
	}
}

// TestFilesInDefaults: a task takes those of defaults, or has its own instead.
func TestFilesInDefaults(t *testing.T) {
	text := strings.Replace(listHead, "mem: 1}", "mem: 1, files: [spec.go], outputs: [o], executor: cmdq}", 1) +
		"- {id: plain, command: x}\n- {id: own, command: x, files: [task.go], outputs: [p], executor: command}\n- {id: none, command: x, files: [], outputs: []}\n- {id: list, command: x, each: [a, b]}\n"
	f, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) []Input { return []Input{{Path: filepath.Join(here, name), Name: name}} }
	for i, want := range []Spec{
		{Files: of("spec.go"), Outputs: []Output{{Path: "o"}}, Executor: ByCmdq},
		{Files: of("task.go"), Outputs: []Output{{Path: "p"}}, Executor: ByCommand},
		{Executor: ByCmdq},
		{Files: of("spec.go"), Outputs: []Output{{Path: "o"}}, Executor: ByCmdq},
	} {
		if s := f.Specs[i]; !reflect.DeepEqual(s.Files, want.Files) || !reflect.DeepEqual(s.Outputs, want.Outputs) || s.Executor != want.Executor {
			t.Errorf("%s: %+v %+v %q", s.ID, s.Files, s.Outputs, s.Executor)
		}
	}
	if tasks := f.Tasks(time.Time{}); len(tasks) != 5 {
		t.Errorf("%d tasks", len(tasks))
	}
}

// badInputs have files, outputs and executors that are wrong.
func badInputs() []badTask {
	long := strings.Repeat("x", maxPath+1)
	const pattern = "a relative path within the sandbox, without .., in which * ? and [a-z] may stand for characters of a name"
	return []badTask{
		{"files: a.txt", `files: found "a.txt", allowed is a list of paths, or of maps with path`},
		{"files: {path: a.txt}", `files: found a map, allowed is a list of paths, or of maps with path`},
		{"files: [[a.txt]]", `files: found a list, allowed is the path of a file`},
		{"files: [null]", `files: found nothing, allowed is the path of a file`},
		{"files: ['']", `files: found an empty text, allowed is the path of a file`},
		{`files: ["a\0"]`, `files: found a NUL byte, allowed is text without one`},
		{"files: [none]", `files: "/d/none": no such file or directory`},
		{"files: [{path: ../none, name: a}]", `files path: "/none": no such file or directory`},
		{"files: [a.txt, a.txt]", `files: found the name "a.txt" a second time, allowed is once in a task`},
		{"files: [a.txt, /e/a.txt]", `files: found the name "a.txt" a second time, allowed is once in a task`},
		{"files: [a.txt, {path: b/c.sh, name: ./a.txt}]", `files: found the name "a.txt" a second time, allowed is once in a task`},
		{"files: [a.txt, {path: b/c.sh, name: a.txt/b/c}]", `files: found "a.txt", and "a.txt/b/c" within it, allowed is one of them`},
		{"files: [{path: a.txt, name: /x}]", `files name: found "/x", allowed is a relative path within the sandbox, without ..`},
		{"files: [{path: a.txt, name: x/../y}]", `files name: found "x/../y", allowed is a relative path within the sandbox, without ..`},
		{"files: [{path: a.txt, name: x/}]", `files name: found "x/", allowed is a relative path within the sandbox, without ..`},
		{"files: [{path: a.txt, name: .}]", `files name: found ".", allowed is a relative path within the sandbox, without ..`},
		{"files: [{path: a.txt, name: ''}]", `files name: found "", allowed is a relative path within the sandbox, without ..`},
		{"files: [{path: a.txt, name: null}]", `files name: found nothing, allowed is a relative path within the sandbox, without ..`},
		{"files: [{path: a.txt, name: " + long + "}]", `files name: found a name of 1025 bytes, allowed are at most 1024`},
		{"files: [{path: a.txt, name: ./stderr}]", `files name: found the name stderr, where what the command writes goes, allowed is any other name`},
		{"files: [stdout]", `files: found the name stdout, where what the command writes goes, allowed is any other name`},
		{"files: [{name: x}]", `files: found no path, and every file needs one`},
		{"files: [{path: a.txt, executable: true}]", `found the unknown field "executable", allowed are path, name`},
		{"files: [{path: none}, {path: none}]", `files path: "/d/none": no such file or directory` + "\n" + `files path: "/d/none": no such file or directory`},
		{"outputs: out", `outputs: found "out", allowed is a list of paths, or of maps with path`},
		{"outputs: [null]", `outputs: found nothing, allowed is ` + pattern},
		{"outputs: ['']", `outputs: found "", allowed is ` + pattern},
		{"outputs: [.]", `outputs: found ".", allowed is ` + pattern},
		{"outputs: [/x]", `outputs: found "/x", allowed is ` + pattern},
		{"outputs: [a//b]", `outputs: found "a//b", allowed is ` + pattern},
		{"outputs: [a/]", `outputs: found "a/", allowed is ` + pattern},
		{"outputs: [../x]", `outputs: found "../x", allowed is ` + pattern},
		{"outputs: [{path: a/../x}]", `outputs path: found "a/../x", allowed is ` + pattern},
		{"outputs: ['a[b']", `outputs: found "a[b", allowed is ` + pattern},
		{"outputs: ['a[b/c]']", `outputs: found "a[b/c]", allowed is ` + pattern},
		{`outputs: ['x\']`, `outputs: found "x\\", allowed is ` + pattern},
		{"outputs: [" + long + "]", `outputs: found a path of 1025 bytes, allowed are at most 1024`},
		{"outputs: [x, {path: ./x}]", `outputs: found "x" a second time, allowed is once in a task`},
		{"outputs: [{optional: true}]", `outputs: found no path, and every output needs one`},
		{"outputs: [{path: x, optional: maybe}]", `outputs optional: found "maybe", allowed is true or false`},
		{"outputs: [{path: x, option: true}]", `found the unknown field "option", did you mean optional?`},
		{"outputs: ['{}.log'], each: [a]", `outputs: found a path with {}, which the line of a list does not take the place of, allowed is a pattern such as *.log`},
		{"files: ['{}'], each: [a]", `files: found a name with {}, which the line of a list does not take the place of, allowed is a name without it`},
		{"executor: mesos", `executor: found "mesos", allowed is command (Mesos' own) or cmdq`},
		{"executor: {name: cmdq}", `executor: found a map, allowed is command (Mesos' own) or cmdq`},
		{"executor: null", `executor: found nothing, allowed is command (Mesos' own) or cmdq`},
	}
}

// TestBadFiles holds what a person reads of files, outputs and executor that are wrong.
func TestBadFiles(t *testing.T) {
	for _, tt := range badInputs() {
		f, err := parseFiles("- {id: t, command: x, " + tt.fields + "}\n")
		if err == nil {
			t.Errorf("%s: no error: %+v", tt.fields, f.Specs[0])
			continue
		}
		want := ""
		for i, what := range strings.Split(tt.want, "\n") {
			want += strings.Repeat("\n", min(i, 1)) + `/d/f:3: task "t": ` + what
		}
		if err.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", tt.fields, err, want)
		}
	}
}

// TestLinesOfFiles: what is wrong with one file of a long list is told with its line.
func TestLinesOfFiles(t *testing.T) {
	_, err := parseFiles("- id: t\n  command: x\n  outputs:\n    - x\n    - path: ..\n  files:\n    - a.txt\n    - none\n    - name: a.txt\n      path: b/c.sh\n")
	want := `/d/f:7: task "t": outputs path: found "..", allowed is ` + allowedPattern + `
/d/f:10: task "t": files: "/d/none": no such file or directory
/d/f:11: task "t": files: found the name "a.txt" a second time, allowed is once in a task`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestLookAt: what cannot be served is known before anything is launched, and
// nothing is waited for.
func TestLookAt(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]fs.FileMode{"plain": 0o644, "any": 0o654, "secret": 0} {
		if err := os.WriteFile(at(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "any", "dangling": "none"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"plain": false, "any": true, "link": true} {
		if got, err := LookAt(at(name)); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"none": "no such file or directory", "dangling": "no such file or directory",
		".": "it is no regular file", "fifo": "it is no regular file", "plain/x": "not a directory", "secret": "permission denied"} {
		t.Run(name, func(t *testing.T) {
			if name == "secret" && os.Geteuid() == 0 {
				t.Skip("root may read it")
			}
			if _, err := LookAt(at(name)); err == nil || withoutPath(err) != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

// TestLookedAtOnce: a million tasks of one file cost one look.
func TestLookedAtOnce(t *testing.T) {
	looks := 0
	_, err := ParseWith("/d/f", []byte(listHead+"- {id: a, command: x, files: [x, ./x]}\n- {id: b, command: x, files: [x]}\n"), Outside{Look: func(string) (bool, error) {
		looks++
		return false, syscall.EIO
	}})
	if list, ok := err.(Errors); !ok || len(list) != 3 || looks != 1 {
		t.Errorf("%d looks, %v", looks, err)
	}
}
