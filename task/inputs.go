package task

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"
)

// LookAt tells whether a file that a task names in files has any x bit. What is
// missing, no regular file, or not readable is an error. It waits for nothing.
func LookAt(path string) (executable bool, err error) {
	info, err := os.Stat(path) // first, since to open a device may do something
	if err != nil {
		return false, fmt.Errorf("look at the file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("look at the file: %w", &fs.PathError{Op: "open", Path: path, Err: errors.New("it is no regular file")})
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, fmt.Errorf("look at the file: %w", err)
	}
	if err := f.Close(); err != nil {
		return false, fmt.Errorf("look at the file: %w", err)
	}
	return info.Mode().Perm()&0o111 != 0, nil
}

// looked is what LookAt said of a path.
type looked struct {
	executable bool
	what       string // is wrong with it
}

// maxPath bounds a path within a sandbox, in bytes.
const maxPath = 1024

const allowedName = "a relative path within the sandbox, without .."

// files reads those of this machine that go into the sandbox.
func (r *reader) files(n *yaml.Node) []Input {
	items, ok := r.items("files", n, "a list of paths, or of maps with path")
	if !ok || len(items) == 0 {
		return nil
	}
	files := make([]Input, 0, len(items))
	taken := make(map[string]bool, len(items))
	for _, item := range items {
		f, at := r.input(item)
		if f.Path == "" || f.Name == "" {
			continue // which was said
		}
		if taken[f.Name] {
			r.fail(at, "files: found the name %s a second time, allowed is once in a task", quote(f.Name, 200))
		}
		taken[f.Name] = true
		files = append(files, f)
	}
	for _, f := range files {
		for dir := path.Dir(f.Name); dir != "."; dir = path.Dir(dir) {
			if taken[dir] {
				r.fail(deref(n), "files: found %s, and %s within it, allowed is one of them", quote(dir, 200), quote(f.Name, 200))
			}
		}
	}
	return files
}

// input reads one item of files. After an error Path or Name is empty. At is
// where its name comes from.
func (r *reader) input(n *yaml.Node) (f Input, at *yaml.Node) {
	at = deref(n)
	if at.Kind != yaml.MappingNode {
		f = r.inputAt("files", at)
		if f.Path != "" {
			f.Name = r.inputName("files", at, filepath.Base(f.Path))
		}
		return f, at
	}
	entries, ok := r.entries("files", at, "a map with path")
	named := slices.IndexFunc(entries, func(e pair) bool { return e.name == "name" })
	found := false
	for _, e := range entries {
		switch e.name {
		case "path":
			found = true
			file := r.inputAt("files path", deref(e.value))
			f.Path, f.Executable = file.Path, file.Executable
			if named < 0 && f.Path != "" {
				f.Name = r.inputName("files path", deref(e.value), filepath.Base(f.Path))
			}
		case "name":
			at = deref(e.value)
			if s, ok := r.scalar("files name", at, allowedName); ok {
				f.Name = r.inputName("files name", at, s)
			}
		default:
			r.unknown(e.key, []string{"path", "name"})
		}
	}
	if ok && !found {
		r.fail(deref(n), "files: found no path, and every file needs one")
	}
	return f, at
}

// inputAt finds a file; after an error its Path is empty.
func (r *reader) inputAt(name string, n *yaml.Node) Input {
	text, ok := r.scalar(name, n, "the path of a file")
	if ok && text == "" {
		r.fail(n, "%s: found an empty text, allowed is the path of a file", name)
	}
	if text == "" {
		return Input{}
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(r.folder, text)
	}
	full, err := filepath.Abs(text)
	if err != nil {
		r.fail(n, "%s: %s: %v", name, quote(text, 200), err)
		return Input{}
	}
	l, ok := r.looked[full]
	if !ok {
		l.executable, err = r.look(full)
		if err != nil {
			l.what = withoutPath(err)
		}
		r.looked[full] = l
	}
	if l.what != "" {
		r.fail(n, "%s: %s: %s", name, quote(text, 200), l.what)
		return Input{}
	}
	return Input{Path: r.keep(full), Executable: l.executable}
}

// inputName is where in the sandbox the file is put.
func (r *reader) inputName(name string, n *yaml.Node, s string) string {
	if len(s) > maxPath {
		r.fail(n, "%s: found a name of %d bytes, allowed are at most %d", name, len(s), maxPath)
		return ""
	}
	if !isInSandbox(s) {
		r.fail(n, "%s: found %s, allowed is %s", name, quote(s, 200), allowedName)
		return ""
	}
	s = path.Clean(s)
	if first, _, _ := strings.Cut(s, "/"); first == "stdout" || first == "stderr" {
		r.fail(n, "%s: found the name %s, where what the command writes goes, allowed is any other name", name, first)
		return ""
	}
	return r.keep(s)
}

// isInSandbox tells whether s is the path of a file below a directory that stays
// there.
func isInSandbox(s string) bool {
	return !path.IsAbs(s) && path.Clean(s) != "." && !strings.HasSuffix(s, "/") && !slices.Contains(strings.Split(s, "/"), "..")
}

// withoutPath is an error of a file without the path, which may hold anything.
func withoutPath(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return err.Error()
}
