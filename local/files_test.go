package local

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// TestFiles reads the sandbox of a task that has ended, and tries to read more.
func TestFiles(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "echo hello; mkdir sub; echo deep > sub/file.txt"))
	s.until("t1", mesos.TASK_FINISHED)
	sandbox, err := filepath.EvalSymlinks(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1"))
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	writeFile(t, outside, "secret")
	writeFile(t, filepath.Join(sandbox, "large"), strings.Repeat("0123456789", 10_000))
	writeFile(t, filepath.Join(sandbox, "utf8"), strings.Repeat("é", 40_000))
	for link, to := range map[string]string{"out": outside, "outdir": filepath.Dir(outside), "in": "sub/file.txt", "indir": "sub", "above": ".", "circle": "circle", "lost": "/nowhere/x", "absolute": filepath.Join(sandbox, "sub", "file.txt"), "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(sandbox, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(sandbox, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := "http://" + c.Agents()[0].Addr
	virtual := "/frameworks/" + s.id + "/executors/t1/runs/latest"
	latest := Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1")

	at := func(what, path string, more ...string) string {
		return agent + "/files/" + what + "?path=" + url.QueryEscape(path) + strings.Join(more, "")
	}
	for _, root := range []string{virtual, sandbox, latest} {
		if got := get[part](t, at("read", root+"/stdout", "&offset=0")); got.Data != "hello\n" {
			t.Errorf("%s: %+v", root, got)
		}
	}
	for path, want := range map[string]int{
		virtual + "/sub/../stdout": 200, virtual + "/in": 200, virtual + "/absolute": 200, virtual + "/./stdout": 200, virtual + "//stdout": 200,
		virtual + "/out": 400, virtual + "/outdir/secret": 400, virtual + "/circle": 400, virtual + "/circle/x": 400, virtual + "/lost": 404,
		virtual + "/above/indir/file.txt": 200, virtual + "/indir": 400, virtual + "/..": 400, virtual + "/../../../stdout": 400, virtual + "/sub/../../latest/stdout": 400,
		virtual + "/sub": 400, virtual: 400, virtual + "/fifo": 400, "": 400,
		virtual + "/nope": 404, virtual + "/dangling": 404, virtual + "/stdout/x": 404, "/etc/passwd": 404, "/": 404, outside: 404, c.cfg.WorkDir: 404,
		"/frameworks/../executors/t1/runs/latest/stdout": 404, "/frameworks/" + s.id + "/executors/t2/runs/latest/stdout": 404,
		"/frameworks/" + s.id + "/executors/t1/runs": 404, strings.Replace(sandbox, o.AgentID.Value, "other", 1) + "/stdout": 404,
	} {
		if status, _, body := ask(t, "GET", at("read", path, "&offset=0"), ""); status != want {
			t.Errorf("read %q: %d %s, want %d", path, status, body, want)
		}
		if status, _, body := ask(t, "GET", at("download", path), ""); status != want {
			t.Errorf("download %q: %d %s, want %d", path, status, body, want)
		}
	}
	checkRead(t, at, virtual)
	checkBrowse(t, at, virtual)
	status, header, body := ask(t, "GET", at("download", virtual+"/sub/file.txt"), "")
	if status != 200 || string(body) != "deep\n" || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") || header.Get("Content-Disposition") != "attachment; filename=file.txt" {
		t.Errorf("download: %d %v %q", status, header, body)
	}
}

type part struct {
	Data   string `json:"data"`
	Offset int64  `json:"offset"`
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func checkRead(t *testing.T, at func(what, path string, more ...string) string, root string) {
	t.Helper()
	for query, want := range map[string]part{
		"":                     {"", 100_000},
		"&offset=-1":           {"", 100_000},
		"&offset=-1&length=5":  {"", 100_000},
		"&offset=3&length=4":   {"3456", 3},
		"&offset=99998":        {"89", 99_998},
		"&offset=100000":       {"", 100_000},
		"&offset=200000":       {"", 200_000},
		"&offset=5&length=0":   {"", 5},
		"&offset=99999&length": {"9", 99_999},
	} {
		if got := get[part](t, at("read", root+"/large", query)); got != want {
			t.Errorf("%s: %.20q at %d, want %q at %d", query, got.Data, got.Offset, want.Data, want.Offset)
		}
	}
	for _, query := range []string{"&offset=x", "&offset=-2", "&offset=0&length=-2", "&offset=0&length=1e3", "&offset=99999999999999999999"} {
		if status, _, _ := ask(t, "GET", at("read", root+"/large", query), ""); status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, status)
		}
	}
	if got := get[part](t, at("read", root+"/large", "&offset=0")); len(got.Data) != maxRead {
		t.Errorf("%d bytes at once, want %d", len(got.Data), maxRead)
	}
	// A follower that starts in the middle of a character and goes on from there loses nothing.
	text, offset := "", int64(0)
	for {
		got := get[part](t, at("read", root+"/utf8", "&length=4099&offset="+strconv.FormatInt(offset, 10)))
		if got.Data == "" {
			break
		}
		text, offset = text+got.Data, offset+int64(len(got.Data))
	}
	if text != strings.Repeat("é", 40_000) {
		t.Errorf("following gives %d bytes", len(text))
	}
}

func checkBrowse(t *testing.T, at func(what, path string, more ...string) string, root string) {
	t.Helper()
	var names []string
	for _, f := range get[[]fileView](t, at("browse", root+"/")) {
		name, ok := strings.CutPrefix(f.Path, root+"/")
		if !ok || f.Nlink == 0 || f.UID == "" || f.GID == "" || f.Mtime == 0 || len(f.Mode) != 10 {
			t.Errorf("%+v", f)
		}
		names = append(names, f.Mode[:1]+name)
	}
	if got, want := strings.Join(names, " "), "dabove -absolute pfifo -in dindir -large -out -outdir -stderr -stdout dsub -utf8"; got != want {
		t.Errorf("the sandbox holds %s, want %s", got, want)
	}
	if got := get[[]fileView](t, at("browse", root+"/above/indir")); len(got) != 1 || got[0].Path != root+"/above/indir/file.txt" {
		t.Errorf("a linked directory holds %v", got)
	}
	for _, f := range get[[]fileView](t, at("browse", root)) {
		switch size := f.Size; f.Path {
		case root + "/in", root + "/absolute":
			if size != 5 {
				t.Errorf("what %s leads to has %d bytes", f.Path, size)
			}
		case root + "/out":
			if size == 6 {
				t.Errorf("%+v tells of what is out of the sandbox", f)
			}
		}
	}
	if got := get[[]fileView](t, at("browse", root+"/stdout")); len(got) != 0 {
		t.Errorf("a file holds %v", got)
	}
	for path, want := range map[string]int{"": 400, root + "/outdir": 400, root + "/../..": 400, root + "/nope": 404, "/": 404} {
		if status, _, _ := ask(t, "GET", at("browse", path), ""); status != want {
			t.Errorf("browse %q: %d, want %d", path, status, want)
		}
	}
}

func TestWholeRunes(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "é": "é", "aé": "aé", "a\xc3": "a", "a\xe2\x82": "a", "a\xf0\x9f\x98": "a", "\xc3": "\xc3", "a\xff": "a\xff", "a\x82\x82": "a\x82\x82",
	} {
		if got := string(wholeRunes([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzLocate(f *testing.F) {
	a := &agent{workDir: "/work", id: "A", ready: make(chan struct{})}
	close(a.ready)
	f.Add("/frameworks/F/executors/E/runs/latest/../x")
	f.Add("/work/slaves/A/frameworks/F/executors/E/runs/R/a/b")
	f.Fuzz(func(t *testing.T, name string) {
		p, err := a.locate(name)
		if err != nil {
			return
		}
		if full := filepath.Join(p.root, p.rest); full != p.root && !strings.HasPrefix(full, p.root+"/") || !strings.HasPrefix(p.root, "/work/slaves/A/frameworks/") {
			t.Fatalf("%q is %+v", name, p)
		}
	})
}
