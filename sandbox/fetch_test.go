package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmdq/task"
)

var testLaunch = Launch{Framework: "f", Agent: "a", Task: "t.1"}

// wanted makes outputs of patterns; one that ends in ? is optional.
func wanted(patterns ...string) []task.Output {
	var list []task.Output
	for _, p := range patterns {
		path, optional := strings.CutSuffix(p, "?")
		list = append(list, task.Output{Path: path, Optional: optional})
	}
	return list
}

// contents are the files below a directory, and its empty directories.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			if below, err := os.ReadDir(path); err != nil || len(below) > 0 {
				return err
			}
			found[name+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(path)
		found[name] = string(data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

func TestFetch(t *testing.T) {
	big := strings.Repeat("0123456789", 30_000)
	sandbox := map[string]string{
		"a.txt": "A", "b.txt": "B", "c.bin": "\x00\xff", "stdout": "out", ".hidden": "h", "big": big, "nothing": "",
		"sub/x.txt": "X", "sub/y.txt": "Y", "sub/deeper/z.txt": "Z", "other/x.txt": "OX", "void/": "",
	}
	for _, tt := range []struct {
		patterns string
		want     string // names; their contents are those of the sandbox
		missing  string
	}{
		{"a.txt", "a.txt", ""},
		{"*.txt", "a.txt b.txt", ""},
		{"*.txt a.txt [ab].txt", "a.txt b.txt", ""},
		{"big nothing", "big nothing", ""},
		{"sub/x.txt", "sub/x.txt", ""},
		{"*/x.txt", "other/x.txt sub/x.txt", ""},
		{"s*/deeper/*", "sub/deeper/z.txt", ""},
		{"sub", "sub/deeper/z.txt sub/x.txt sub/y.txt", ""},
		{"void", "void/", ""},
		{"?hidden", ".hidden", ""},
		{"nope", "", "nope"},
		{"nope? a.txt/x? *.jpg?", "", ""},
		{"a.txt nope/x sub/*.jpg sub/nope?", "a.txt", "nope/x sub/*.jpg"},
	} {
		t.Run(tt.patterns, func(t *testing.T) {
			dir := t.TempDir()
			f := newTree(t, sandbox)
			got, err := Fetch(t.Context(), f, testLaunch, wanted(strings.Fields(tt.patterns)...), Place{filepath.Join(dir, "outputs"), "t"})
			want := map[string]string{}
			for _, name := range strings.Fields(tt.want) {
				want[name] = sandbox[name]
			}
			if have := contents(t, filepath.Join(dir, "outputs/t")); !maps.Equal(have, want) || err != nil {
				t.Errorf("%.100q, %v; want %.100q", have, err, want)
			}
			bytes := 0
			for _, text := range want {
				bytes += len(text)
			}
			files := len(want)
			if tt.want == "void/" {
				files = 0
			}
			if strings.Join(got.Missing, " ") != tt.missing || got.Files != files || got.Bytes != int64(bytes) {
				t.Errorf("%+v, want %q missing, %d files, %d bytes", got, tt.missing, files, bytes)
			}
			if tt.want == "" {
				if _, err := os.Stat(filepath.Join(dir, "outputs")); err == nil {
					t.Error("a directory for nothing")
				}
			}
		})
	}
}

func TestFetchNoSandbox(t *testing.T) {
	f := newTree(t, nil)
	f.fail = func(what, _ string, _ int) error { return ErrNotFound }
	got, err := Fetch(t.Context(), f, testLaunch, wanted("a?", "b"), Place{t.TempDir(), "t"})
	if !errors.Is(err, ErrNotFound) || final(err) || len(got.Missing) > 0 || !strings.Contains(err.Error(), "agent a has no sandbox of t.1") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFetchModes(t *testing.T) {
	dir := t.TempDir()
	f := newTree(t, map[string]string{"run": "x", "data": "y"})
	f.mode["run"] = 0o755 | fs.ModeSetuid
	if _, err := Fetch(t.Context(), f, testLaunch, wanted("*"), Place{dir, "t"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"t/run": 0o755, "t/data": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestFetchReplaces: what an earlier run left stays whole until all is there.
func TestFetchReplaces(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	writeFile(t, outside, "mine")
	writeFile(t, filepath.Join(dir, "t/a"), "old a")
	writeFile(t, filepath.Join(dir, "t/kept"), "kept")
	if err := os.Symlink(outside, filepath.Join(dir, "t/b")); err != nil {
		t.Fatal(err)
	}
	f := newTree(t, map[string]string{"a": "new a", "b": strings.Repeat("b", 100_000)})
	f.cut = func(string, int64) int64 { return 1000 }
	if _, err := Fetch(t.Context(), f, testLaunch, wanted("a", "b"), Place{dir, "t"}); err == nil || final(err) {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "t/a")); string(got) != "old a" || err != nil {
		t.Errorf("a is %q, %v before all was there", got, err)
	}
	f.cut = nil
	if _, err := Fetch(t.Context(), f, testLaunch, wanted("a", "b"), Place{dir, "t"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "new a", "b": strings.Repeat("b", 100_000), "kept": "kept"}
	if got := contents(t, filepath.Join(dir, "t")); !maps.Equal(got, want) {
		t.Errorf("%.200q", got)
	}
	if got, err := os.ReadFile(outside); string(got) != "mine" || err != nil {
		t.Errorf("outside is %.20q, %v", got, err)
	}
}

// TestFetchResumes: a try goes on where the one before it stopped, unless the
// file is another one.
func TestFetchResumes(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	dir := t.TempDir()
	f := newTree(t, map[string]string{"big": text})
	f.cut = func(_ string, offset int64) int64 {
		if offset < 600_000 {
			return 200_000
		}
		return -1
	}
	launch := testLaunch
	try := func() error {
		_, err := Fetch(t.Context(), f, launch, wanted("big"), Place{dir, "t"})
		return err
	}
	for range 3 {
		if err := try(); err == nil || final(err) {
			t.Fatal(err)
		}
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 200_000, 400_000, 600_000}; !slices.Equal(f.opens, want) {
		t.Errorf("opened at %d, want %d", f.opens, want)
	}
	if got := contents(t, dir); len(got) != 1 || got["t/big"] != text {
		t.Errorf("%d files", len(got))
	}

	for what, change := range map[string]func(){
		"time":   func() { f.changed["big"] = time.Unix(5, 0) },
		"size":   func() { f.files["big"] = text + "x" },
		"launch": func() { launch.Task = "t.2" },
	} {
		f.cut, f.opens = func(string, int64) int64 { return 200_000 }, nil
		if err := try(); err == nil {
			t.Fatal("no break")
		}
		change()
		f.cut = nil
		if err := try(); err != nil || !slices.Equal(f.opens, []int64{0, 0}) {
			t.Errorf("another %s: opened at %d, %v; want it to start over", what, f.opens, err)
		}
		if got := contents(t, dir); len(got) != 1 || got["t/big"] != f.files["big"] {
			t.Errorf("another %s: %d files", what, len(got))
		}
	}
}

// TestFetchChanged: a file that changes while it is fetched is not taken.
func TestFetchChanged(t *testing.T) {
	for what, change := range map[string]func(f *tree){
		"grew":     func(f *tree) { f.files["a"] = strings.Repeat("a", 200_001) },
		"shrank":   func(f *tree) { f.files["a"] = "a" },
		"is newer": func(f *tree) { f.changed["a"] = time.Unix(9, 0) },
		"is gone":  func(f *tree) { delete(f.files, "a") },
		"is more":  func(f *tree) { f.files["sub/b"] = "b" },
	} {
		dir := t.TempDir()
		f := newTree(t, map[string]string{"a": strings.Repeat("a", 200_000), "sub/x": "x"})
		changed := false
		f.fail = func(call, name string, _ int) error {
			if call == "open" && !changed {
				changed = true
				change(f)
			}
			return nil
		}
		_, err := Fetch(t.Context(), f, testLaunch, wanted("*"), Place{dir, "t"})
		if (!errors.Is(err, errChanged) && !errors.Is(err, ErrNotFound)) || final(err) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "t/a")); err == nil {
			t.Errorf("%s: a was taken", what)
		}
		if _, err := Fetch(t.Context(), f, testLaunch, wanted("*"), Place{dir, "t"}); err != nil {
			t.Errorf("%s: the next try: %v", what, err)
		}
	}
}

// TestFetchInTheWay: what cannot be put in its place is known before anything is
// fetched, and final.
func TestFetchInTheWay(t *testing.T) {
	outside := t.TempDir()
	for name, tt := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"a directory":             {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "t/a"), 0o755) }, "t/a: a directory is in the way of a file"},
		"a file":                  {func(dir string) error { writeFile(t, filepath.Join(dir, "t/sub"), "x"); return nil }, "t/sub: a file is in the way"},
		"a file for the place":    {func(dir string) error { writeFile(t, filepath.Join(dir, "t"), "x"); return nil }, "/t"},
		"a link out of the place": {func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "t")) }, "escapes"},
		"a link out of sub": {func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "t"), 0o755), os.Symlink(outside, filepath.Join(dir, "t/sub")))
		}, "escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.make(dir); err != nil {
				t.Fatal(err)
			}
			f := newTree(t, map[string]string{"a": "x", "sub/b": "b"})
			_, err := Fetch(t.Context(), f, testLaunch, wanted("*"), Place{dir, "t"})
			if err == nil || !final(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if f.reads+len(f.opens) > 0 {
				t.Error("it was fetched")
			}
		})
	}
	for _, name := range []string{"", ".", "..", "../t", "/t", "a/../.."} {
		if _, err := Fetch(t.Context(), newTree(t, map[string]string{"a": ""}), testLaunch, wanted("a"), Place{t.TempDir(), name}); err == nil || !final(err) {
			t.Errorf("place %q: %v", name, err)
		}
	}
	if list, err := os.ReadDir(outside); len(list) > 0 || err != nil {
		t.Errorf("outside has %v, %v", list, err)
	}
}

var manyDirs = func() []Entry {
	list := make([]Entry, 300)
	for i := range list {
		list[i] = Entry{Name: fmt.Sprint(i), Mode: fs.ModeDir | 0o755}
	}
	return list
}()

// TestFetchHostile: an agent that lies gets nothing written outside of the place,
// and holds nobody up.
func TestFetchHostile(t *testing.T) {
	names := func(names ...string) func(string, []Entry) []Entry {
		return func(_ string, list []Entry) []Entry {
			for _, name := range names {
				list = append(list, Entry{Name: name, Size: 1, Mode: 0o644})
			}
			return list
		}
	}
	for name, tt := range map[string]struct {
		entry func(dir string, list []Entry) []Entry
		want  string // of the error; "": there is none
	}{
		"up":           {names("../x"), "a path and no name"},
		"absolute":     {names("/etc/passwd"), "a path and no name"},
		"below":        {names("a/b"), "a path and no name"},
		"parent":       {names(".."), "not a name of its own"},
		"itself":       {names("."), "not a name of its own"},
		"empty":        {names(""), "an empty name"},
		"NUL":          {names("a\x00b"), "a path and no name"},
		"long":         {names(strings.Repeat("x", 256)), "longer than 255 bytes"},
		"ours":         {names(partPrefix + "outputs-1"), "are taken"},
		"file and dir": {names("a", "a"), ""},
		"very large": {func(string, []Entry) []Entry {
			return []Entry{{Name: "a", Size: math.MaxInt64, Mode: 0o644}}
		}, "bytes more are needed"},
		"negative": {func(string, []Entry) []Entry { return []Entry{{Name: "a", Size: -1, Mode: 0o644}} }, "-1 bytes more are needed"},
		"deep": {func(dir string, _ []Entry) []Entry {
			return []Entry{{Name: "d", Mode: fs.ModeDir | 0o755, Size: int64(len(dir))}}
		}, "deeper than 64 directories"},
		"wide": {func(dir string, _ []Entry) []Entry {
			if strings.Count(dir, "/") > 2 {
				return nil
			}
			return manyDirs
		}, "more than"},
		"special": {func(string, []Entry) []Entry {
			return []Entry{{Name: "fifo", Mode: fs.ModeNamedPipe | 0o644}, {Name: "odd", Mode: fs.ModeIrregular}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			f := newTree(t, map[string]string{"a": "x", "d": "", "b": ""})
			f.entry = tt.entry
			_, err := Fetch(t.Context(), f, testLaunch, wanted("*"), Place{filepath.Join(top, "outputs"), "t"})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			for name := range contents(t, top) {
				if !strings.HasPrefix(name, "outputs/t/") && name != "outputs/t/" {
					t.Errorf("there is %s", name)
				}
			}
			if _, err := os.Stat(filepath.Join(top, "x")); err == nil {
				t.Error("written outside")
			}
		})
	}
}

// TestFetchLinks: an agent may tell links as links.
func TestFetchLinks(t *testing.T) {
	link := func(names ...string) func(string, []Entry) []Entry {
		return func(dir string, list []Entry) []Entry {
			if dir == "" {
				for _, name := range names {
					list = append(list, Entry{Name: name, Mode: fs.ModeSymlink | 0o777})
				}
			}
			return list
		}
	}
	dir := t.TempDir()
	f := newTree(t, map[string]string{"a": "x", "to/f": "y"})
	f.entry = link("dangling")
	got, err := Fetch(t.Context(), f, testLaunch, wanted("*", "dangling"), Place{dir, "t"})
	if err != nil || !slices.Equal(got.Missing, []string{"dangling"}) || got.Files != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	f.entry = link("out")
	f.fail = func(what, name string, _ int) error {
		if name == "out" {
			return refused("it leaves the sandbox")
		}
		return nil
	}
	if _, err := Fetch(t.Context(), f, testLaunch, wanted("*"), Place{dir, "t"}); !final(err) {
		t.Error(err)
	}
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	f := newTree(t, map[string]string{"stdout": strings.Repeat("out\x00", 50_000), "stderr": "", "other": "x"})
	f.fail = func(what, name string, _ int) error {
		if what == "open" { // it grows while it is copied
			f.files["stdout"] += "more"
		}
		return nil
	}
	if err := Keep(t.Context(), f, testLaunch, Place{dir, "t/attempt-2"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"t/attempt-2/stdout": strings.Repeat("out\x00", 50_000), "t/attempt-2/stderr": ""}
	if got := contents(t, dir); !maps.Equal(got, want) {
		t.Errorf("%.200q", got)
	}
	if err := Keep(t.Context(), newTree(t, map[string]string{"x": ""}), testLaunch, Place{dir, "none"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory for nothing")
	}
}

// TestFetchUnsynced: a file that the disk refused is fetched anew, and is not in
// its place before the disk has it.
func TestFetchUnsynced(t *testing.T) {
	defer func() { syncFile = (*os.File).Sync }()
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 100_000)
	f := newTree(t, map[string]string{"o.txt": text})
	synced := 0
	syncFile = func(file *os.File) error {
		if synced++; synced == 1 {
			return syscall.EIO
		}
		return file.Sync()
	}
	try := func() error {
		_, err := Fetch(t.Context(), f, testLaunch, wanted("o.txt"), Place{dir, "t"})
		return err
	}
	if err := try(); !errors.Is(err, syscall.EIO) || final(err) {
		t.Fatal(err)
	}
	if got := contents(t, dir); got["t/o.txt"] != "" {
		t.Errorf("it is there: %d bytes", len(got["t/o.txt"]))
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	if want := []int64{0, 0}; synced != 2 || !slices.Equal(f.opens, want) {
		t.Errorf("synced %d times, opened at %d, want %d", synced, f.opens, want)
	}
	if got := contents(t, dir); len(got) != 1 || got["t/o.txt"] != text {
		t.Errorf("%d files", len(got))
	}
	// One that was whole before a crash may not be on the disk yet either.
	syncFile = func(file *os.File) error { synced++; return file.Sync() }
	place, err := (Place{dir, "u"}).open(testLaunch, "outputs")
	if err != nil {
		t.Fatal(err)
	}
	defer place.close()
	whole := found{Entry: Entry{Size: int64(len(text))}, name: "o.txt"}
	if err := place.root.WriteFile(place.part(whole), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := place.fetch(t.Context(), f, whole); err != nil || synced != 3 || len(f.opens) != 2 {
		t.Errorf("synced %d times, opened at %d, %v", synced, f.opens, err)
	}
}
