package executor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMain sets the umask, as modes depend on it, and lets the test binary be
// a nursery.
func TestMain(m *testing.M) {
	if command := os.Getenv(nurseryEnv); command != "" {
		os.Exit(actAsNursery(command))
	}
	syscall.Umask(0o022)
	os.Exit(m.Run())
}

// write makes a file of the test's own and returns its path.
func write(t testing.TB, name string, content []byte, mode fs.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// tree lists what is below dir, sorted: "name mode content", "name/ mode" or
// "name -> target".
func tree(t testing.TB, dir string) []string {
	t.Helper()
	list := []string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, dir+"/")
		switch {
		case d.IsDir():
			list = append(list, fmt.Sprintf("%s/ %o", name, info.Mode().Perm()))
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			list = append(list, name+" -> "+to)
			return err
		default:
			b, err := os.ReadFile(p)
			if len(b) > 20 {
				b = fmt.Appendf(nil, "(%d bytes)", len(b))
			}
			list = append(list, fmt.Sprintf("%s %o %s", name, unixMode(info.Mode()), b))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// unixMode is a mode's permissions with setuid, setgid and sticky.
func unixMode(m fs.FileMode) uint32 {
	n := uint32(m.Perm())
	for i, bit := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if m&bit != 0 {
			n |= 0o1000 << i
		}
	}
	return n
}

func wantTree(t testing.TB, dir string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("sandbox holds %q, want %q", got, want)
	}
}

func TestFetchCopies(t *testing.T) {
	plain := write(t, "plain", []byte("hello"), 0o640)
	suid := write(t, "suid", []byte("hello"), 0o755|fs.ModeSetuid)
	open := write(t, "open", []byte("hello"), 0o666)
	zipped := write(t, "x.tgz", []byte("no archive"), 0o644)
	tests := []struct {
		name string
		uri  URI
		want []string
	}{
		{"path", URI{Value: plain}, []string{"plain 640 hello"}},
		{"leading space", URI{Value: " " + plain}, []string{"plain 640 hello"}},
		{"file URI", URI{Value: "file://" + plain}, []string{"plain 640 hello"}},
		{"file URI with host", URI{Value: "file://localhost" + plain}, []string{"plain 640 hello"}},
		{"setuid is dropped", URI{Value: suid}, []string{"suid 755 hello"}},
		{"umask holds", URI{Value: open}, []string{"open 644 hello"}},
		{"executable", URI{Value: plain, Executable: true}, []string{"plain 755 hello"}},
		{"not an archive", URI{Value: plain, Extract: true}, []string{"plain 640 hello"}},
		{"executable is not extracted", URI{Value: zipped, Extract: true, Executable: true}, []string{"x.tgz 755 no archive"}},
		{"extract is off", URI{Value: zipped}, []string{"x.tgz 644 no archive"}},
		{"output file decides", URI{Value: zipped, Extract: true, OutputFile: "plain"}, []string{"plain 644 no archive"}},
		{"output file in directories", URI{Value: plain, OutputFile: "a/./b/c"}, []string{"a/ 755", "a/b/ 755", "a/b/c 640 hello"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := new(Fetcher).Fetch(t.Context(), dir, []URI{tt.uri}); err != nil {
				t.Fatal(err)
			}
			wantTree(t, dir, tt.want...)
		})
	}
}

func TestFetchReplacesWhatHasTheName(t *testing.T) {
	dir := t.TempDir()
	canary := write(t, "canary", []byte("alive"), 0o600)
	src := write(t, "f", []byte("new"), 0o644)
	if err := os.Symlink(canary, filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	if err := new(Fetcher).Fetch(t.Context(), dir, []URI{{Value: src}}); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, "f 644 new")
	wantFile(t, canary, "alive")
}

func wantFile(t testing.TB, name, want string) {
	t.Helper()
	if b, err := os.ReadFile(name); err != nil || string(b) != want {
		t.Errorf("%s holds %q, %v, want %q", name, b, err, want)
	}
}

func TestFetchRefuses(t *testing.T) {
	plain := write(t, "plain", []byte("hello"), 0o644)
	dirs := t.TempDir()
	pipe := filepath.Join(dirs, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		uri  URI
		want string
	}{
		{"empty", URI{}, "relative path"},
		{"relative", URI{Value: "a/b"}, "relative path"},
		{"relative file", URI{Value: "file://a/b"}, "absolute path"},
		{"no path", URI{Value: "http://host"}, "no path"},
		{"bare slash", URI{Value: "http://host/"}, "no path"},
		{"directory", URI{Value: "http://host/a/"}, "names no file"},
		{"dot dot", URI{Value: "http://host/a/.."}, "names no file"},
		{"root", URI{Value: "file:///"}, "no path"},
		{"backslash", URI{Value: `/a\b`}, "illegal character"},
		{"quote", URI{Value: "/a'b"}, "illegal character"},
		{"NUL", URI{Value: "/a\x00b"}, "illegal character"},
		{"ftp", URI{Value: "ftp://host/a"}, `scheme "ftp"`},
		{"hdfs", URI{Value: "hdfs://host/a"}, `scheme "hdfs"`},
		{"s3", URI{Value: "s3://bucket/a"}, `scheme "s3"`},
		{"upper case", URI{Value: "HTTP://host/a"}, `scheme "HTTP"`},
		{"missing", URI{Value: plain + "x"}, "no such file"},
		{"a directory", URI{Value: dirs}, "not a regular file"},
		{"a pipe", URI{Value: pipe}, "not a regular file"},
		{"a device", URI{Value: "/dev/zero"}, "not a regular file"},
		{"output absolute", URI{Value: plain, OutputFile: "/tmp/x"}, "within the sandbox"},
		{"output dot dot", URI{Value: plain, OutputFile: "a/../../x"}, "within the sandbox"},
		{"output inner dot dot", URI{Value: plain, OutputFile: "a/../x"}, "within the sandbox"},
		{"output dot", URI{Value: plain, OutputFile: "."}, "within the sandbox"},
		{"output directory", URI{Value: plain, OutputFile: "a/"}, "within the sandbox"},
		{"output through a link", URI{Value: plain, OutputFile: "out/x"}, "escapes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, outside := t.TempDir(), t.TempDir()
			if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
				t.Fatal(err)
			}
			err := new(Fetcher).Fetch(t.Context(), dir, []URI{tt.uri})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "fetch ") {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			wantTree(t, dir, "out -> "+outside)
			wantTree(t, outside)
		})
	}
}

// All URIs are checked before the first is fetched (Mesos: validateUris).
func TestFetchChecksAllFirst(t *testing.T) {
	dir := t.TempDir()
	uris := []URI{{Value: write(t, "a", nil, 0o644)}, {Value: "gopher://h/x"}}
	if err := new(Fetcher).Fetch(t.Context(), dir, uris); err == nil {
		t.Fatal("no error")
	}
	wantTree(t, dir)
}

func TestFetchStopsAtTheFirstFailure(t *testing.T) {
	dir := t.TempDir()
	uris := []URI{{Value: write(t, "a", nil, 0o644)}, {Value: "/nowhere/x"}, {Value: write(t, "b", nil, 0o644)}}
	err := new(Fetcher).Fetch(t.Context(), dir, uris)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `"/nowhere/x"`) {
		t.Errorf("got %v", err)
	}
	wantTree(t, dir, "a 644 ")
}

func TestFetchCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	f := &Fetcher{CacheDir: t.TempDir()}
	for _, cache := range []bool{false, true} {
		err := f.Fetch(ctx, dir, []URI{{Value: write(t, "a", []byte("x"), 0o644), Cache: cache}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cache %v: got %v", cache, err)
		}
	}
	wantTree(t, dir)
	wantTree(t, f.CacheDir)
}

func TestRedacted(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b?c":                         "/a/b?c",
		"http://h/a":                     "http://h/a",
		"http://h/a?token=secret":        "http://h/a?…",
		"http://h?token=secret":          "http://h?…",
		"http://h/a#token=secret":        "http://h/a#…",
		"http://h/a?b#c":                 "http://h/a?…#…",
		"https://me:secret@h:1/a@b":      "https://…@h:1/a@b",
		"https://me:sec@ret@h/a/b?x=/@y": "https://…@h/a/b?…",
	} {
		if got := Redacted(in); got != want {
			t.Errorf("Redacted(%q) = %s, want %s", in, got, want)
		}
	}
}
