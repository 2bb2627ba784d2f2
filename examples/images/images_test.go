package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTutorial runs the tasks.yaml of this folder, with each of the executors,
// over twelve pictures and one that is missing.
func TestTutorial(t *testing.T) {
	t.Parallel()
	tools := t.TempDir()
	build(t, filepath.Join(tools, "cmdq"), "cmdq")
	build(t, filepath.Join(tools, "images"), ".")
	pictures, err := pictures()
	if err != nil {
		t.Fatal(err)
	}
	for _, executor := range []string{"command", "cmdq"} {
		t.Run(executor, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, name := range []string{"tasks.yaml", filepath.Join(tools, "images")} {
				copyTo(t, dir, name)
			}
			server := newCounter(t, gallery(pictures))
			list, tasks := lines(server.URL, pictures)
			if err := os.WriteFile(filepath.Join(dir, "urls.txt"), []byte(list), 0o666); err != nil {
				t.Fatal(err)
			}
			out, status := start(t, dir, filepath.Join(tools, "cmdq"), "run", "--executor", executor, "--joblog", "joblog")
			if status != 1 {
				t.Fatalf("exit status %d, want 1 since one task fails\n%s", status, out)
			}
			if byCmdq := strings.Contains(out, "/tasks/invert-1\n"); byCmdq != (executor == "cmdq") {
				t.Errorf("where the sandboxes are does not look like executor %s:\n%s", executor, out)
			}
			checkEnds(t, filepath.Join(dir, "joblog"), tasks)
			checkOutputs(t, filepath.Join(dir, "outputs"), tasks)
			server.check(t, pictures)
		})
	}
}

func build(t *testing.T, to, what string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", to, what)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", what, err, out)
	}
}

func copyTo(t *testing.T, dir, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, info.Mode()); err != nil {
		t.Fatal(err)
	}
}

// The line of a URL that there is no picture at. The one after it is empty.
const missing = 5

// lines is a list of URLs, and the picture of each task that it makes, nil for
// the one that is missing. Some of the URLs have what a shell would fall for.
func lines(base string, pictures []picture) (list string, tasks map[string]*picture) {
	tasks = map[string]*picture{}
	var b strings.Builder
	number := 0
	add := func(line string, p *picture) {
		number++
		fmt.Fprintln(&b, line)
		if line != "" {
			tasks[fmt.Sprintf("invert-%d", number)] = p
		}
	}
	for i := range pictures {
		if number+1 == missing {
			add(base+"/missing.png", nil)
			add("", nil)
		}
		line := base + "/" + pictures[i].name
		if i%2 == 1 {
			line += "?a=1&b='$(kill+$PPID)'#\"`kill`"
		}
		add(line, &pictures[i])
	}
	return b.String(), tasks
}

// start runs a program to its end. What it says is told if the test fails.
func start(t *testing.T, dir, name string, args ...string) (stdout string, status int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 20 * time.Second
	var out, said bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &out, &said
	c.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -buildvcs=false")
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s %s said\n%s%s", name, strings.Join(args, " "), &said, &out)
		}
	})
	return out.String(), c.ProcessState.ExitCode()
}

// counter counts what a server was asked for.
type counter struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int // by path
}

func newCounter(t *testing.T, h http.Handler) *counter {
	c := &counter{asked: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked[r.URL.Path]++
		c.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// check finds each picture asked for once, and the missing one twice, since
// tasks.yaml allows a retry.
func (c *counter) check(t *testing.T, pictures []picture) {
	t.Helper()
	want := map[string]int{"/missing.png": 2}
	for _, p := range pictures {
		want["/"+p.name] = 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(c.asked, want) {
		t.Errorf("the server was asked for %v, want %v", c.asked, want)
	}
}

// checkEnds reads the joblog: every task finished, but for the one that had no
// picture, and that one says why.
func checkEnds(t *testing.T, joblog string, tasks map[string]*picture) {
	t.Helper()
	f, err := os.Open(joblog)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var end struct {
			ID       string
			State    string
			Attempts int
			ExitCode int    `json:"exit_code"`
			Stderr   string `json:"stderr_tail"`
		}
		if err := json.Unmarshal(in.Bytes(), &end); err != nil {
			t.Fatalf("%v: %s", err, in.Bytes())
		}
		picture, ok := tasks[end.ID]
		if !ok || seen[end.ID] {
			t.Errorf("an end too many: %s", in.Bytes())
		}
		seen[end.ID] = true
		good := end.State == "finished" && end.Attempts == 1 && end.ExitCode == 0 && end.Stderr == ""
		if picture == nil {
			good = end.State == "failed" && end.Attempts == 2 && end.ExitCode == 1 &&
				strings.HasPrefix(end.Stderr, "images: GET http://") && strings.HasSuffix(strings.TrimSpace(end.Stderr), "/missing.png: 404 Not Found")
		}
		if !good {
			t.Errorf("not the end that was to come: %s", in.Bytes())
		}
	}
	if len(seen) != len(tasks) {
		t.Errorf("%d tasks have ended, want %d", len(seen), len(tasks))
	}
}

// checkOutputs finds one file for each picture, and nothing else.
func checkOutputs(t *testing.T, dir string, tasks map[string]*picture) {
	t.Helper()
	var want, found []string
	for id, p := range tasks {
		if p != nil {
			want = append(want, filepath.Join(dir, id, "inverted.png"))
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(found)
	if !slices.Equal(found, want) {
		t.Fatalf("found %q\nwant %q", found, want)
	}
	for id, p := range tasks {
		if p != nil {
			checkPicture(t, filepath.Join(dir, id, "inverted.png"), p)
		}
	}
}

// checkPicture compares a picture with what it was made of, pixel by pixel. A
// JPEG loses something when it is encoded, so there the original is what comes
// out of it.
func checkPicture(t *testing.T, path string, p *picture) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Errorf("%s of %s: %v", path, p.name, err)
		return
	}
	original := p.image
	if filepath.Ext(p.name) == ".jpg" {
		if original, _, err = image.Decode(bytes.NewReader(p.data)); err != nil {
			t.Fatal(err)
		}
	}
	if got.Bounds() != original.Bounds() {
		t.Errorf("%s is %v, want %v", p.name, got.Bounds(), original.Bounds())
		return
	}
	b := got.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if from, is := pixel(original.At(x, y)), pixel(got.At(x, y)); !opposite(from, is) {
				t.Errorf("%s at %d,%d: %v became %v", p.name, x, y, from, is)
				return
			}
		}
	}
}

// pixel is a colour as red, green, blue and alpha, where alpha does not dim the
// others. All have 16 bits here, and 8 of them say something unless the colour
// is that of a picture with 16.
func pixel(c color.Color) [4]uint16 {
	switch c.(type) {
	case color.Gray16, color.RGBA64, color.NRGBA64:
		n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
		return [4]uint16{n.R, n.G, n.B, n.A}
	}
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return [4]uint16{uint16(n.R) * 0x101, uint16(n.G) * 0x101, uint16(n.B) * 0x101, uint16(n.A) * 0x101}
}

// opposite: together, light and dark are full light. Alpha is the same.
func opposite(from, is [4]uint16) bool {
	for i := range 3 {
		if int(from[i])+int(is[i]) != 0xffff {
			return false
		}
	}
	return from[3] == is[3]
}
