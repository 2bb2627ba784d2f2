package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writerIn gives a function that writes a file of a directory and says its path.
func writerIn(t *testing.T, dir string) func(name, text string) string {
	return func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

// TestTasksFileIsRemembered: a file that is as the journal describes it is not
// read again; any other is.
func TestTasksFileIsRemembered(t *testing.T) {
	dir := t.TempDir()
	write := writerIn(t, dir)
	list := write("list", "x\ny\n")
	path := write("tasks.yaml", "tasks: [{id: a, command: 'echo {}', cpus: 1, mem: 1, each_line: "+list+"}]\n")
	first := &tasksFile{path: path, user: "ann"}
	if file, err := first.read(); err != nil || file.Len() != 2 {
		t.Fatal(file, err)
	}
	known := first.describe()
	read := func(user, description string) bool {
		t.Helper()
		again := &tasksFile{path: path, user: user}
		again.expect(description)
		file, err := again.read()
		if err != nil {
			t.Fatal(err)
		}
		return file != nil
	}
	if read("ann", known) {
		t.Error("read again, though nothing has changed")
	}
	// instead is what is known, but for one thing.
	instead := func(old, text string) string {
		t.Helper()
		other := strings.Replace(known, old, text, 1)
		if other == known {
			t.Fatalf("%s is not in %s", old, known)
		}
		return other
	}
	format, sum := fmt.Sprintf(`"format":%d`, seenFormat), hex.EncodeToString(first.seen[:])
	for name, description := range map[string]string{"nothing": "", "no JSON": "{", "no whole sum": instead(sum, sum[2:]),
		"another format": instead(format, fmt.Sprintf(`"format":%d`, seenFormat-1))} {
		if !read("ann", description) {
			t.Errorf("not read with %s known of it", name)
		}
	}
	if !read("bob", known) {
		t.Error("not read for another user, who may not run all of it")
	}
	write("list", "x\nz\n")
	if !read("ann", known) {
		t.Error("not read after its list has changed")
	}
	write("list", "x\ny\n")
	write("tasks.yaml", "tasks: [{id: b, command: 'true', cpus: 1, mem: 1}]\n")
	if !read("ann", known) {
		t.Error("not read after it has changed")
	}
}

// TestListsAreRememberedFromElsewhere: a start in another directory does not take
// the list that it finds there for that of the file.
func TestListsAreRememberedFromElsewhere(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(here, "tasks.yaml", "tasks: [{id: a, command: 'echo {}', cpus: 1, mem: 1, each_line: list}]\n")
	write(here, "list", "x\n")
	write(there, "list", "x\n")
	t.Chdir(here)
	first := &tasksFile{path: "tasks.yaml"}
	if _, err := first.read(); err != nil {
		t.Fatal(err)
	}
	known := first.describe()
	t.Chdir(there)
	for _, changed := range []bool{false, true} {
		if changed {
			write(here, "list", "x\ny\n")
		}
		again := &tasksFile{path: filepath.Join(here, "tasks.yaml")}
		again.expect(known)
		if file, err := again.read(); err != nil || (file != nil) != changed {
			t.Errorf("changed: %v; read again: %v (%v)", changed, file != nil, err)
		}
	}
}

// TestMissingFilesAreFollowed: a tasks file that was refused for a file that was
// missing is read again once that is there, and not before.
func TestMissingFilesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	write := writerIn(t, dir)
	there := write("there", "")
	f := &tasksFile{path: write("tasks.yaml", "tasks: [{id: a, command: x, cpus: 1, mem: 1, files: [there, one, two]}]\n")}
	if _, err := f.read(); err == nil {
		t.Fatal("taken, though two of its files are missing")
	}
	if got, want := f.paths(), []string{filepath.Join(dir, "one"), filepath.Join(dir, "two"), f.path}; !slices.Equal(got, want) {
		t.Errorf("watched: %q, want %q", got, want)
	}
	if file, err := f.read(); file != nil || err != nil {
		t.Errorf("read again, though nothing has changed: %v, %v", file, err)
	}
	write("one", "")
	if _, err := f.read(); err == nil {
		t.Error("not read again, or taken, with the first of the missing files")
	}
	write("two", "")
	if file, err := f.read(); err != nil || file == nil || len(file.Specs[0].Files) != 3 {
		t.Errorf("not taken with all its files: %v, %v", file, err)
	}
	write("two", "changed")
	if err := os.Remove(there); err != nil {
		t.Fatal(err)
	}
	if file, err := f.read(); file != nil || err != nil || len(f.paths()) != 1 {
		t.Errorf("read again when what its files hold changed: %v, %v, watched %q", file, err, f.paths())
	}
}

// TestStandardInputFromElsewhere: the same text begins its paths where it is read.
func TestStandardInputFromElsewhere(t *testing.T) {
	first := &tasksFile{path: "-"}
	t.Chdir(t.TempDir())
	first.seen[0] = 1
	known := first.describe()
	again := &tasksFile{path: "-"}
	if again.expect(known); again.seen != first.seen {
		t.Error("another text in the same folder")
	}
	t.Chdir(t.TempDir())
	again = &tasksFile{path: "-"}
	if again.expect(known); again.seen == first.seen {
		t.Error("the same text in another folder")
	}
}
