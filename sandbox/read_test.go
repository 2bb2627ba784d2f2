package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makeContent is what commands of these tests make: binary, and larger than a part.
const makeContent = `printf 'a\0b\377c\r\n' >bin; head -c 300000 /dev/zero >large; printf end >>large
mkdir -p sub/deeper empty; echo x >sub/y; chmod 755 sub/y; echo z >sub/deeper/z
ln -s sub lsub; ln -s sub/y ly; ln -s nowhere dangling; ln -s /etc/passwd evil; ln -s .. up; mkfifo fifo
printf 'one\ntwo\nthree\n' >&2; echo out
mkdir -p tasks/t2; echo err2 >tasks/t2/stderr; echo out2 >tasks/t2/stdout`

// TestRead reads a sandbox in each way there is: from the agent of the cluster
// and from the disk, while the cluster lives and after it.
func TestRead(t *testing.T) {
	c := startCluster(t)
	l := c.run("t1", makeContent)
	remote, disk := &Remote{Door: c.agents}, Disk{Dir: c.dir}
	t.Run("remote", func(t *testing.T) { checkReading(t, remote, l) })
	t.Run("disk", func(t *testing.T) {
		onlyEmbedded(t)
		checkReading(t, disk, l)
	})
	t.Run("after the end", func(t *testing.T) {
		onlyEmbedded(t)
		c.stop()
		checkReading(t, disk, l)
		if _, _, err := remote.Read(t.Context(), l, "bin", 0, 10); err == nil || final(err) || errors.Is(err, ErrNotFound) {
			t.Errorf("remote: %v, want what may be gone the next time", err)
		}
	})
}

func onlyEmbedded(t *testing.T) {
	t.Helper()
	if os.Getenv("CMDQ_TEST_MASTER") != "" {
		t.Skip("only the embedded Mesos is read from disk, and ends")
	}
}

func checkReading(t *testing.T, f Files, l Launch) {
	ctx := t.Context()
	list, err := f.List(ctx, l, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		switch e.Name {
		case "bin":
			if e.Size != 7 || !e.Mode.IsRegular() || e.Modified.IsZero() {
				t.Errorf("bin: %+v", e)
			}
		case "sub":
			if !e.Mode.IsDir() {
				t.Errorf("sub: %+v", e)
			}
		case "fifo":
			if e.Mode.IsRegular() || e.Mode.IsDir() {
				t.Errorf("fifo: %+v", e)
			}
		case "dangling", "up": // Mesos leaves out what stat(2) does not find
			continue
		}
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "bin empty evil fifo large lsub ly stderr stdout sub tasks" {
		t.Errorf("the sandbox has %s", got)
	}
	if list, err = f.List(ctx, l, "sub"); err != nil || len(list) != 2 || list[1].Name != "y" || list[1].Mode&0o111 == 0 {
		t.Errorf("sub: %v, %v", list, err)
	}
	if list, err = f.List(ctx, l, "empty"); err != nil || len(list) != 0 {
		t.Errorf("empty: %v, %v", list, err)
	}

	nested := Launch{Framework: l.Framework, Agent: l.Agent, Executor: l.Task, Task: "t2"}
	large := append(bytes.Repeat([]byte{0}, 300_000), "end"...)
	for _, tt := range []struct {
		l      Launch
		name   string
		offset int64
		most   int
		want   string
		size   int64
	}{
		{l, "bin", 0, 100, "a\x00b\xffc\r\n", 7},
		{l, "bin", 2, 2, "b\xff", 7},
		{l, "bin", 0, 0, "", 7},
		{l, "bin", 7, 100, "", 7},
		{l, "bin", 1000, 100, "", 7},
		{l, "ly", 0, 100, "x\n", 2},
		{l, "lsub/deeper/z", 0, 100, "z\n", 2},
		{l, "stdout", 0, 3, "out", 4},
		{nested, "stdout", 0, 100, "out2\n", 5},
		{nested, "stderr", 0, 100, "err2\n", 5},
		{l, "large", 299_999, 1 << 20, "\x00end", int64(len(large))},
		{l, "large", 0, 1 << 20, string(large[:PartSize]), int64(len(large))},
	} {
		if l.Task == "t1" && tt.name == "stdout" && os.Getenv("CMDQ_TEST_MASTER") != "" && tt.l == l {
			continue // Mesos' command executor writes there too
		}
		data, size, err := f.Read(ctx, tt.l, tt.name, tt.offset, tt.most)
		if string(data) != tt.want || size != tt.size || err != nil {
			t.Errorf("read %s of %s at %d: %.20q (%d) of %d, %v; want %.20q of %d", tt.name, tt.l.Task, tt.offset, data, len(data), size, err, tt.want, tt.size)
		}
	}
	for _, offset := range []int64{0, 7, 299_990, int64(len(large)), int64(len(large)) + 9} {
		r, err := f.Open(ctx, l, "large", offset)
		if err != nil {
			t.Errorf("open at %d: %v", offset, err)
			continue
		}
		got, err := io.ReadAll(r)
		if want := large[min(offset, int64(len(large))):]; !bytes.Equal(got, want) || err != nil {
			t.Errorf("open at %d: %d bytes, %v; want %d", offset, len(got), err, len(want))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	checkNotRead(t, f, l)
}

// checkNotRead tries what must not be read.
func checkNotRead(t *testing.T, f Files, l Launch) {
	other := func(change func(*Launch)) Launch {
		o := l
		change(&o)
		return o
	}
	for _, tt := range []struct {
		l    Launch
		name string
		want string // "not found" or "refused"
	}{
		{l, "nope", "not found"},
		{l, "bin/x", "not found"},
		{l, "dangling", "not found"},
		{other(func(o *Launch) { o.Task = "t9" }), "bin", "not found"},
		{other(func(o *Launch) { o.Framework = "f9" }), "bin", "not found"},
		{other(func(o *Launch) { o.Executor = "e9" }), "bin", "not found"},
		{l, "evil", "refused"},
		{l, "sub", "refused"},
		{l, "up", "refused"},
		{l, "../stdout", "refused"},
		{l, "/etc/passwd", "refused"},
		{l, "sub/../bin", "refused"},
		{l, "sub//y", "refused"},
		{l, "a\x00b", "refused"},
		{l, strings.Repeat("x", 256), "refused"},
		{l, strings.Repeat("x/", 3000) + "x", "refused"},
		{other(func(o *Launch) { o.Task = ".." }), "bin", "refused"},
		{other(func(o *Launch) { o.Framework = "a/b" }), "bin", "refused"},
		{other(func(o *Launch) { o.Agent = "" }), "bin", "refused"},
		{other(func(o *Launch) { o.Executor = "." }), "bin", "refused"},
		{other(func(o *Launch) { o.Task = "a\nb" }), "bin", "refused"},
	} {
		_, _, read := f.Read(t.Context(), tt.l, tt.name, 0, 10)
		_, open := f.Open(t.Context(), tt.l, tt.name, 0)
		for what, err := range map[string]error{"read": read, "open": open} {
			got := fmt.Sprint(err)
			switch {
			case errors.Is(err, ErrNotFound):
				got = "not found"
			case final(err):
				got = "refused"
			}
			if got != tt.want {
				t.Errorf("%s %.40q of %.40q: %v, want it %s", what, tt.name, tt.l, err, tt.want)
			}
		}
	}
	if _, err := f.List(t.Context(), other(func(o *Launch) { o.Task = "t9" }), ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("list of no sandbox: %v", err)
	}
	if _, err := f.List(t.Context(), l, ".."); !final(err) {
		t.Errorf("list ..: %v", err)
	}
}

// TestDiskLinks: a command can put links in the place of its sandbox and of what
// that lies in. They are not followed.
func TestDiskLinks(t *testing.T) {
	l := Launch{Framework: "f", Agent: "a", Task: "t"}
	for _, at := range []string{"slaves/a", "slaves/a/frameworks/f/executors/t", "slaves/a/frameworks/f/executors/t/runs", "slaves/a/frameworks/f/executors/t/runs/1"} {
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			run := filepath.Join(dir, "slaves/a/frameworks/f/executors/t/runs/1")
			if err := os.MkdirAll(run, 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(run, "secret"), "mine")
			if err := os.Symlink("1", filepath.Join(run, "../latest")); err != nil {
				t.Fatal(err)
			}
			if data, _, err := (Disk{dir}).Read(t.Context(), l, "secret", 0, 10); string(data) != "mine" || err != nil {
				t.Fatalf("%q, %v", data, err)
			}
			place := filepath.Join(dir, at)
			if err := os.Rename(place, place+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Base(place)+".away", place); err != nil {
				t.Fatal(err)
			}
			if data, _, err := (Disk{dir}).Read(t.Context(), l, "secret", 0, 10); err == nil {
				t.Errorf("read %q through a link", data)
			}
		})
	}
	for _, latest := range []string{"../runs/1", "/", "..", "."} {
		dir := t.TempDir()
		runs := filepath.Join(dir, "slaves/a/frameworks/f/executors/t/runs")
		if err := os.MkdirAll(filepath.Join(runs, "1"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(latest, filepath.Join(runs, "latest")); err != nil {
			t.Fatal(err)
		}
		if list, err := (Disk{dir}).List(t.Context(), l, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("latest is %s: %v, %v", latest, list, err)
		}
	}
}

func TestVirtual(t *testing.T) {
	for _, tt := range []struct {
		l    Launch
		want string
	}{
		{Launch{Framework: "f", Agent: "a", Task: "x.1"}, "/frameworks/f/executors/x.1/runs/latest"},
		{Launch{Framework: "f", Agent: "a", Executor: "e", Task: "x.1"}, "/frameworks/f/executors/e/runs/latest/tasks/x.1"},
	} {
		if got := tt.l.virtual(); got != tt.want {
			t.Errorf("%+v is at %s, want %s", tt.l, got, tt.want)
		}
	}
}

func TestDiskCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Disk{t.TempDir()}).List(ctx, Launch{Framework: "f", Agent: "a", Task: "t"}, ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOneLine(t *testing.T) {
	got := (&Refused{Status: 400, Words: "a\x1b[31m\nb\xff" + strings.Repeat("x", 5000)}).Error()
	if !strings.HasPrefix(got, "refused with status 400: a [31m b x") || len(got) > 1100 || slices.Contains([]byte(got), 0x1b) {
		t.Errorf("%q", got)
	}
}
