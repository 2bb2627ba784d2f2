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
		"defaults: {cpus: 1, mem: 1, group: g, after: [s]}\ntasks: [{id: a, command: x, constraints: [rack == r1, 'gpu  exists'], ports: 2}, {id: s, command: x, count: 3, after: []}, {id: b, command: y, after: [s-1, a, kk], role: r/s}]",
		"groups: {g: {max_running: 1, max_failures: 0, on_failure: cancel, on_finish: x}, h: {on_first_failure: [a, {url: 'http://b'}]}}\non_finish: {command: c}\ntasks: [{id: a, command: x, cpus: 1, mem: 1, container: {image: 'i:1', type: docker, volumes: ['/a:/b:ro', '/c:/d']}}]",
		"tasks: [{id: a, command: x, cpus: 1, mem: 1, after: b}, {id: b, command: x, cpus: 1, mem: 1, after: [c-1]}, {id: c, each: [p], command: x, cpus: 1, mem: 1, after: a}]",
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
		checkRules(t, file)
		checkPolicy(t, &file.Policy)
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

// checkRules: what a file says of where its tasks run can be said again, and what
// they wait for is there, and lets all of them run at last.
func checkRules(t *testing.T, file *File) {
	byName := make(map[ID]bool)
	for _, task := range file.Tasks(time.Time{}) {
		byName[task.ID], byName[task.Spec.ID] = true, true
	}
	for _, s := range file.Specs {
		r := s.Rules
		if r == nil {
			continue
		}
		if r.Equal(nil) || !r.Equal(r) || r.Ports < 0 || r.Ports > maxPorts || strings.HasPrefix(r.Role, "-") {
			t.Errorf("%+v", r)
		}
		for _, name := range r.After {
			if !byName[name] && len(name)%2 != 0 { // the others are known from elsewhere
				t.Errorf("%s waits for %q", s.ID, name)
			}
		}
		for _, c := range r.Constraints {
			if again, ok := parseConstraint(c.String()); !ok || again != c {
				t.Errorf("%q is read back as %+v", c, again)
			}
		}
		c := r.Container
		if c == nil {
			continue
		}
		if c.Image == "" || c.Type != MesosContainer && c.Type != DockerContainer || s.Executor == ByCmdq {
			t.Errorf("%+v", c)
		}
		for _, v := range c.Volumes {
			if again, ok := parseVolume(v.String()); !ok || again != v || !path.IsAbs(v.Host) || !path.IsAbs(v.Container) {
				t.Errorf("%q is read back as %+v", v, again)
			}
		}
	}
	if file.Len() < 20 && !allCanRun(file) {
		t.Error("some wait for each other")
	}
}

func checkPolicy(t *testing.T, p *Policy) {
	notices := append(p.OnFinish, p.OnFailure...)
	for name, g := range p.Groups {
		if name == "" || !isIDText(name) || g.MaxRunning < 0 || g.MaxFailures < Unlimited {
			t.Errorf("%q: %+v", name, g)
		}
		notices = append(append(notices, g.Finish...), g.Failure...)
	}
	for _, n := range notices {
		if (n.Command == "") == (n.URL == "") {
			t.Errorf("%+v", n)
		}
	}
}
