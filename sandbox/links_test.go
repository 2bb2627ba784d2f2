package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// linked are commands that leave links, and what has to come of each.
var linked = []struct {
	id, command string
	outputs     string
	want        map[string]string
	disk        map[string]string // nil: the same
	skipped     int
	diskSkipped int
}{
	{
		id: "venv", outputs: "env", skipped: 1, diskSkipped: 2,
		command: `mkdir -p env/bin env/lib; echo cfg >env/cfg; ln -s /bin/sh env/bin/sh; ln -s lib env/lib64; echo m >env/lib/m; : >env/lib/e`,
		want:    map[string]string{"env/bin/": "", "env/cfg": "cfg\n", "env/lib/m": "m\n", "env/lib/e": "", "env/lib64/m": "m\n", "env/lib64/e": ""},
		disk:    map[string]string{"env/bin/": "", "env/cfg": "cfg\n", "env/lib/m": "m\n", "env/lib/e": ""},
	},
	{
		id: "up", outputs: "o", skipped: 1, diskSkipped: 1,
		command: `mkdir o; echo x >o/f; ln -s .. o/up`,
		want:    map[string]string{"o/f": "x\n"},
	},
	{
		id: "self", outputs: "o", skipped: 1, diskSkipped: 1,
		command: `mkdir o; echo x >o/f; ln -s . o/self`,
		want:    map[string]string{"o/f": "x\n"},
	},
	{
		id: "below", outputs: "o/d", skipped: 1, diskSkipped: 1,
		command: `mkdir -p o/d/e; echo x >o/d/f; ln -s ../.. o/d/e/up`,
		want:    map[string]string{"o/d/f": "x\n", "o/d/e/": ""},
	},
	{
		id: "each-other", outputs: "o", skipped: 2, diskSkipped: 2,
		command: `mkdir -p o/a o/b; echo a >o/a/f; echo b >o/b/g; ln -s ../b o/a/x; ln -s ../a o/b/y`,
		want:    map[string]string{"o/a/f": "a\n", "o/a/x/g": "b\n", "o/b/g": "b\n", "o/b/y/f": "a\n"},
		disk:    map[string]string{"o/a/f": "a\n", "o/b/g": "b\n"},
	},
	{
		id: "in", outputs: "o", diskSkipped: 1,
		command: `mkdir o p; echo x >o/f; echo y >p/g; ln -s ../p/g o/l; ln -s ../p o/ld`,
		want:    map[string]string{"o/f": "x\n", "o/l": "y\n", "o/ld/g": "y\n"},
		disk:    map[string]string{"o/f": "x\n", "o/l": "y\n"},
	},
	{
		id: "out", outputs: "o", skipped: 3, diskSkipped: 3,
		command: `mkdir o; echo x >o/f; ln -s /etc/passwd o/h; ln -s /etc o/e; ln -s nope o/dangling; ln -s /proc/self/environ o/zero`,
		want:    map[string]string{"o/f": "x\n"},
	},
	{
		id: "on-the-way", outputs: "*/r.txt", // of which nobody said that it should lead out
		command: `mkdir o; echo x >o/r.txt; ln -s /etc p; ln -s /etc/passwd q`,
		want:    map[string]string{"o/r.txt": "x\n"},
	},
	{
		id: "circle", outputs: "o",
		command: `mkdir o; echo x >o/f; ln -s b o/a; ln -s a o/b`,
		want:    map[string]string{"o/f": "x\n"},
	},
	{
		id: "same-names", outputs: "o", // no link at all, however alike they are
		command: `mkdir -p o/d/d/d; for d in o o/d o/d/d; do echo x >$d/f; done; touch -d @1700000000 o/d/d/d o/d/d o/d o o/f o/d/f o/d/d/f`,
		want:    map[string]string{"o/f": "x\n", "o/d/f": "x\n", "o/d/d/f": "x\n", "o/d/d/d/": ""},
	},
}

// TestFetchLinked fetches directories with links in them in each way there is.
func TestFetchLinked(t *testing.T) {
	c := startCluster(t)
	remote, disk := &Remote{Door: c.agents}, Disk{Dir: c.dir}
	for _, tt := range linked {
		l := c.run(tt.id, tt.command)
		if tt.disk == nil {
			tt.disk = tt.want
		}
		t.Run(tt.id, func(t *testing.T) { checkLinked(t, remote, l, tt.outputs, tt.want, tt.skipped) })
		t.Run(tt.id+" from disk", func(t *testing.T) {
			onlyEmbedded(t)
			checkLinked(t, disk, l, tt.outputs, tt.disk, tt.diskSkipped)
		})
	}
	l := c.run("named", `ln -s /etc/passwd h; ln -s /etc e; ln -s /proc/self/environ z; mkdir o; ln -s /etc/passwd o/h; ln -s /etc o/e`)
	for _, outputs := range []string{"h", "e", "z", "o h", "o/h", "o o/h", "o/h o", "o/e", "o o/e", "o/*"} {
		t.Run("named "+outputs, func(t *testing.T) {
			if got, err := Fetch(t.Context(), remote, l, wanted(strings.Fields(outputs)...), Place{t.TempDir(), "t"}); !final(err) {
				t.Errorf("%+v, %v", got, err)
			}
			if _, err := Fetch(t.Context(), disk, l, wanted(strings.Fields(outputs)...), Place{t.TempDir(), "t"}); c.embedded() && !final(err) {
				t.Errorf("from disk: %v", err)
			}
		})
	}
}

func checkLinked(t *testing.T, f Files, l Launch, outputs string, want map[string]string, skipped int) {
	t.Helper()
	dir := t.TempDir()
	got, err := Fetch(t.Context(), f, l, wanted(strings.Fields(outputs)...), Place{dir, "t"})
	have := map[string]string{}
	for name, text := range contents(t, dir) {
		have[strings.TrimPrefix(name, "t/")] = text
	}
	files := 0
	for name := range want {
		if !strings.HasSuffix(name, "/") {
			files++
		}
	}
	if !maps.Equal(have, want) || got.Skipped != skipped || got.Files != files || err != nil {
		t.Errorf("%q, %+v, %v; want %q, %d left out", have, got, err, want, skipped)
	}
}

// TestFetchRefused: what an agent does not let us read below what matched is left
// out, unless it may let us the next time, or lets us read nothing at all.
func TestFetchRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		outputs string
		skipped int
		want    error // as is; nil: it goes well
	}{
		{"inaccessible", &Refused{Status: http.StatusBadRequest, Words: "it is inaccessible"}, "o", 1, nil},
		{"no such file", ErrNotFound, "o", 1, nil},
		{"named", &Refused{Status: http.StatusBadRequest}, "o o/bad", 0, &Refused{Status: http.StatusBadRequest}},
		{"named first", &Refused{Status: http.StatusBadRequest}, "o/bad o", 0, &Refused{Status: http.StatusBadRequest}},
		{"named and no such file", ErrNotFound, "o/bad", 0, ErrNotFound},
		{"forbidden", &Refused{Status: http.StatusForbidden}, "o", 0, &Refused{Status: http.StatusForbidden}},
		{"by us", refused("more than can be"), "o", 0, refused("more than can be")},
		{"away", errAway, "o", 0, errAway},
	} {
		for _, what := range []string{"read", "open", "list"} {
			t.Run(tt.name+", "+what, func(t *testing.T) {
				files := map[string]string{"o/f": "x", "o/bad": "y"}
				switch what {
				case "open":
					files["o/bad"] = strings.Repeat("y", PartSize+1)
				case "list":
					files = map[string]string{"o/f": "x", "o/bad/f": "y"}
				}
				f := newTree(t, files)
				f.fail = func(call, name string, _ int) error {
					if call == what && name == "o/bad" {
						return tt.err
					}
					return nil
				}
				dir := t.TempDir()
				got, err := Fetch(t.Context(), f, testLaunch, wanted(strings.Fields(tt.outputs)...), Place{dir, "t"})
				if tt.want != nil {
					if err == nil || final(err) != final(tt.want) || !strings.Contains(err.Error(), tt.want.Error()) && !errors.Is(err, errChanged) {
						t.Errorf("%+v, %v, want %v", got, err, tt.want)
					}
					return
				}
				if have := contents(t, dir); err != nil || got.Skipped != tt.skipped || got.Files != 1 || got.Bytes != 1 || !maps.Equal(have, map[string]string{"t/o/f": "x"}) {
					t.Errorf("%v, %+v, %v", slices.Sorted(maps.Keys(have)), got, err)
				}
			})
		}
	}
}

// TestFetchGone: a file below what matched that is there no more is looked for again.
func TestFetchGone(t *testing.T) {
	f := newTree(t, map[string]string{"o/f": "x", "o/gone": "y"})
	f.fail = func(call, name string, _ int) error {
		if call == "read" && name == "o/gone" {
			delete(f.files, "o/gone")
		}
		return nil
	}
	if _, err := Fetch(t.Context(), f, testLaunch, wanted("o"), Place{t.TempDir(), "t"}); err == nil || final(err) {
		t.Error(err)
	}
	if got, err := Fetch(t.Context(), f, testLaunch, wanted("o"), Place{t.TempDir(), "t"}); err != nil || got.Files != 1 || got.Skipped != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestFetchEndless: a directory that is in itself, as an agent tells it, is left
// out; where that cannot be found out, the next try finds out.
func TestFetchEndless(t *testing.T) {
	for name, tt := range map[string]struct {
		far  error // for what is far below
		ok   bool
		last bool // a try will come to the same
	}{
		"on and on":      {nil, true, false},
		"too many links": {&Refused{Status: http.StatusBadRequest}, true, false},
		"away":           {errAway, false, false},
		"forbidden":      {&Refused{Status: http.StatusForbidden}, false, true},
		"not so far":     {ErrNotFound, true, false}, // they are alike, and one cannot be listed
	} {
		t.Run(name, func(t *testing.T) {
			f := newTree(t, map[string]string{})
			f.entry = func(dir string, _ []Entry) []Entry {
				return []Entry{{Name: "o", Mode: fs.ModeDir | 0o755, Size: 9, Modified: time.Unix(7, 0)}}
			}
			f.fail = func(call, name string, _ int) error {
				if strings.Count(name, "/") >= maxDepth {
					return tt.far
				}
				return nil
			}
			got, err := Fetch(t.Context(), f, testLaunch, wanted("o"), Place{t.TempDir(), "t"})
			if (err == nil) != tt.ok || err == nil && got.Skipped != 1 || err != nil && final(err) != tt.last {
				t.Errorf("%+v, %v", got, err)
			}
			if f.lists > 300 {
				t.Errorf("%d listings", f.lists)
			}
		})
	}
}

// TestRefusedWords: an agent's path for what we asked for does not hide why.
func TestRefusedWords(t *testing.T) {
	a, remote := startAgent(t, nil)
	deep := strings.Repeat("directory/", 30) + "file"
	for words, want := range map[string]string{
		"'/var/mesos/slaves/S0/x/runs/1/%s' is inaccessible.\n":                                            `refused with status 400: it is inaccessible.`,
		"Failed to determine canonical path of '/w/runs/1/%s': Too many levels of symbolic links.\n":       `: Failed to determine canonical path of it: Too many levels of symbolic links.`,
		"Failed to determine canonical path of '/w/runs/1/%s/other': Too many levels of symbolic links.\n": `of '/w/runs/1/%s/other': Too many levels of symbolic links.`,
	} {
		a.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, words, deep)
			return true
		}
		want = strings.ReplaceAll(want, "%s", deep)
		_, list := remote.List(t.Context(), testLaunch, deep)
		_, _, read := remote.Read(t.Context(), testLaunch, deep, 0, 1)
		_, open := remote.Open(t.Context(), testLaunch, deep, 0)
		for _, err := range []error{list, read, open} {
			if err == nil || !final(err) || !strings.HasSuffix(err.Error(), want) || strings.HasSuffix(want, "inaccessible.") && len(err.Error()) > 290 {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}
