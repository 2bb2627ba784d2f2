package task

import (
	"bytes"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzParse: no text makes the reader panic; every error has a line of the
// file; what it takes has legal ids, each once, and needs within their bounds.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		tutorial, "", "\n", "tasks: []", "---\n---\n", "tasks:\n- {id: a, command: x, cpus: 1, mem: 1, count: 3}\n- {id: a-2, command: y}\n",
		"tasks:\n- &a {id: a, argv: [x], cpus: .5, mem: 1GB, env: {A: 1}, <<: *a}\n- *a\n", "a: 'x\n", "a: [\r\nb\r", "\ufeffa: 1",
		"defaults: {cpus: 1, mem: 1, each_line: l}\ntasks: [{id: a, command: 'x {}'}, {id: b, argv: [x], each: [p, 'q r']}, {id: c, command: x, count: 2}]",
		"defaults: {cpus: 1, mem: 1, env: &e {A: 1}, labels: {<<: *e}}\ntasks: [{id: a, command: x, uris: [u, {value: v}], timeout: 1d}]",
		"defaults: {cpus: 1, mem: 1, files: [a, {path: bb, name: d/e}], executor: cmdq}\ntasks: [{id: a, command: x, outputs: [o, {path: '*/[a-z].log', optional: true}]}]",
		"tasks:\n- {id: a, argv: [x], cpus: 1, mem: 1, files: [&f x, {path: *f, name: y/../z}, ../x], outputs: [../x, '[', a//b, ./a], executor: x, each: [a]}\n",
		"# c\n- a # d\n# e\n\n# f\n", "tasks:\n  - id: a\n   bad\n", "a: |\n  x\n b: *c\n", "%YAML 1.1\n---\na: !!int 1\n...\n", "a: b\u2028c: d\n  e",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseWith("f", data, Outside{List: func(path string) ([]byte, error) {
			if len(path)%2 == 0 {
				return nil, errors.New("none")
			}
			return data, nil
		}, Look: func(path string) (bool, error) {
			if !filepath.IsAbs(path) || len(path)%3 == 0 {
				return false, errors.New("none")
			}
			return len(path)%2 == 0, nil
		}, Known: func(name ID) bool { return len(name)%2 == 0 }})
		if err != nil {
			checkErrors(t, err, data)
			return
		}
		if file.Len() > 10_000 {
			return
		}
		checkTasks(t, file)
	})
}

func checkErrors(t *testing.T, err error, data []byte) {
	list := Errors(nil)
	if !errors.As(err, &list) || len(list) == 0 || err.Error() == "" {
		t.Fatalf("no Errors: %#v", err)
	}
	// \r and the separators of Unicode end a line too, to YAML.
	lines := 1 + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + bytes.Count(data, []byte("\u0085")) +
		bytes.Count(data, []byte("\u2028")) + bytes.Count(data, []byte("\u2029"))
	last := 1
	for _, e := range list {
		if e.File != "f" || e.What == "" || e.Line < last || e.Line > lines {
			t.Errorf("%+v, of %d lines, after line %d", e, lines, last)
		}
		last = e.Line
	}
}

func checkTasks(t *testing.T, file *File) {
	tasks := file.Tasks(time.Time{})
	if len(tasks) != file.Len() || len(tasks) == 0 {
		t.Fatalf("%d tasks, Len %d", len(tasks), file.Len())
	}
	seen := make(map[ID]bool)
	for i, task := range tasks {
		if what := checkID(string(task.ID)); what != "" || seen[task.ID] {
			t.Errorf("%q: seen %v, %s", task.ID, seen[task.ID], what)
		}
		seen[task.ID] = true
		s, need := task.Spec, task.Spec.Resources
		if (need.CPUs == 0 && need.Mem == 0) || !(Resources{}).Fits(need) ||
			!need.Fits(Resources{CPUs: maxCPUs * 1000, Mem: maxMB, Disk: maxMB, GPUs: maxGPUs}) {
			t.Errorf("%q needs %v", task.ID, need)
		}
		if (s.Command == "") == (len(s.Argv) == 0) || s.Retries < -1 || s.Timeout < 0 || s.KillGrace < 0 || s.Line < 1 {
			t.Errorf("%q: %+v", task.ID, s)
		}
		checkPaths(t, s)
		if task.Seq != uint64(i) || task.State != Idle || (task.Index >= 0) != (s.Series != nil) {
			t.Errorf("%+v", task)
		}
		if isOfList := s.Series != nil && s.Series.Lines != nil; isOfList != (task.Line() != "") || len(task.Line()) > maxLine ||
			len(task.Argv()) != len(s.Argv) || (task.Command() == "") != (s.Command == "") {
			t.Errorf("%q: line %q", task.ID, task.Line())
		}
	}
}

// checkPaths: nothing is put outside of a sandbox nor looked for there, and nothing
// in the place of another.
func checkPaths(t *testing.T, s *Spec) {
	names := make(map[string]bool)
	for _, f := range s.Files {
		if !filepath.IsAbs(f.Path) || !filepath.IsLocal(f.Name) || f.Name == "." || f.Name != path.Clean(f.Name) || len(f.Name) > maxPath || names[f.Name] {
			t.Errorf("%+v", f)
		}
		names[f.Name] = true
	}
	clear(names)
	for _, o := range s.Outputs {
		if len(o.Path) > maxPath || names[o.Path] || o.Path != path.Clean(o.Path) || !filepath.IsLocal(o.Path) {
			t.Errorf("%+v", o)
		}
		names[o.Path] = true
		for part := range strings.SplitSeq(o.Path, "/") {
			if _, err := path.Match(part, "x"); err != nil || part == "" {
				t.Errorf("%+v: %v", o, err)
			}
		}
	}
	if s.Executor != "" && s.Executor != ByCommand && s.Executor != ByCmdq {
		t.Errorf("executor %q", s.Executor)
	}
}
