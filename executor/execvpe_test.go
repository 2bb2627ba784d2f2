package executor

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestExecvpe: what is tried, in which order, and what comes of it.
func TestExecvpe(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, d, "prog"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, prog string
		env        []string
		answers    map[string]error // nil: it starts
		tried      []string
		err        error
	}{
		{"a path is taken as it is", "sub/prog", []string{"PATH=one"}, nil, []string{"sub/prog"}, nil},
		{"the first that is there", "prog", []string{"PATH=none:one:two"}, nil, []string{"one/prog"}, nil},
		{"the first PATH counts", "prog", []string{"PATH=two", "PATH=one"}, nil, []string{"two/prog"}, nil},
		{"nothing is there", "prog", []string{"PATH=none"}, nil, nil, syscall.ENOENT},
		{"an empty part is the directory", "prog", []string{"PATH=:one"}, nil, []string{"one/prog"}, nil},
		{"the next one after a refusal", "prog", []string{"PATH=one:two"}, map[string]error{"one/prog": syscall.EACCES},
			[]string{"one/prog", "two/prog"}, nil},
		{"a refusal is told", "prog", []string{"PATH=one"}, map[string]error{"one/prog": syscall.EACCES}, []string{"one/prog"}, syscall.EACCES},
		{"a script without a first line", "prog", []string{"PATH=one"}, map[string]error{"one/prog": syscall.ENOEXEC},
			[]string{"one/prog", "/bin/sh"}, nil},
		{"another error ends it", "prog", []string{"PATH=one:two"}, map[string]error{"one/prog": syscall.E2BIG}, []string{"one/prog"}, syscall.E2BIG},
	} {
		var tried []string
		pid, err := Execvpe(tt.prog, dir, []string{"prog", "x"}, tt.env, func(path string, argv []string) (int, error) {
			tried = append(tried, path)
			if path == "/bin/sh" && !slices.Equal(argv, []string{"/bin/sh", "one/prog", "x"}) {
				t.Errorf("%s: the shell gets %q", tt.name, argv)
			}
			return 7, tt.answers[path]
		})
		if !errors.Is(err, tt.err) || !slices.Equal(tried, tt.tried) || (err == nil) != (pid == 7) {
			t.Errorf("%s: tried %q: %d, %v", tt.name, tried, pid, err)
		}
	}
}
