package task

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parse reads a file that has no errors.
func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("tasks.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return f
}

const tutorial = `defaults:
  cpus: 0.1
  mem: 100
tasks:
  - id: taskHelloWorld
    command: echo HelloWorld
  - id: taskDIR
    command: mkdir -p HelloMesos
`

func TestTutorial(t *testing.T) {
	want := []*Spec{
		{ID: "taskHelloWorld", Line: 5, Command: "echo HelloWorld"},
		{ID: "taskDIR", Line: 7, Command: "mkdir -p HelloMesos"},
	}
	for _, s := range want {
		s.Resources, s.Retries, s.KillGrace = Resources{CPUs: 100, Mem: 100}, 3, 3*time.Second
	}
	texts := map[string]string{
		"as it is":   tutorial,
		"CRLF":       strings.ReplaceAll(tutorial, "\n", "\r\n"),
		"BOM":        "\ufeff" + tutorial,
		"no newline": strings.TrimRight(tutorial, "\n"),
		"document":   tutorial + "...\n# the end\n",
	}
	for name, text := range texts {
		if got := parse(t, text).Specs; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestEveryField(t *testing.T) {
	f := parse(t, `
tasks:
  - id: a
    argv: [prog, 1, true, ""]
    cpus: 1.5
    mem: 0.5GB
    disk: 1tb
    gpus: 2
    env: {N: 1, B: true, S: "x y", E: ""}
    user: 1000
    name: shown
    retries: -1
    timeout: 1d12h
    kill_grace: 0
    priority: -5
    labels: {team: a}
    uris:
      - http://h/x.tgz
      - {value: /y, extract: false, executable: true, cache: true, output_file: d/y}
    count: 2
`)
	want := &Spec{
		ID: "a", Line: 3, Argv: []string{"prog", "1", "true", ""},
		Resources: Resources{CPUs: 1500, Mem: 512, Disk: 1 << 20, GPUs: 2},
		Env:       map[string]string{"N": "1", "B": "true", "S": "x y", "E": ""},
		User:      "1000", Name: "shown", Retries: -1, Timeout: 36 * time.Hour, KillGrace: 0, Priority: -5,
		Labels: map[string]string{"team": "a"},
		URIs: []URI{
			{Value: "http://h/x.tgz", Extract: true},
			{Value: "/y", Executable: true, Cache: true, OutputFile: "d/y"},
		},
		Series: &Series{Count: 2},
	}
	if !reflect.DeepEqual(f.Specs[0], want) {
		t.Errorf("got  %+v\nwant %+v", f.Specs[0], want)
	}
}

func TestDefaults(t *testing.T) {
	f := parse(t, `
tasks:
  - {id: plain, command: x}
  - {id: own, command: x, cpus: 2, retries: 0, env: {A: own, C: 3}, labels: {l: 2}}
  - {id: same, command: x, env: {C: 3, A: own}}
  - {id: none, command: x, env: {}}
defaults: {cpus: 1, mem: 1, retries: 7, kill_grace: 9s, priority: 4, env: {A: 1, B: 2}, labels: {k: 1}}
`)
	plain, own, same, none := f.Specs[0], f.Specs[1], f.Specs[2], f.Specs[3]
	if plain.Retries != 7 || plain.KillGrace != 9*time.Second || plain.Priority != 4 || plain.Resources.CPUs != 1000 {
		t.Errorf("plain: %+v", plain)
	}
	if own.Retries != 0 || own.Resources.CPUs != 2000 || own.Resources.Mem != 1 {
		t.Errorf("own: %+v", own)
	}
	if want := (map[string]string{"A": "own", "B": "2", "C": "3"}); !maps.Equal(own.Env, want) {
		t.Errorf("env of own: %v", own.Env)
	}
	if want := (map[string]string{"k": "1", "l": "2"}); !maps.Equal(own.Labels, want) {
		t.Errorf("labels of own: %v", own.Labels)
	}
	for name, pair := range map[string][2]map[string]string{"none": {plain.Env, none.Env}, "same": {own.Env, same.Env}} {
		if reflect.ValueOf(pair[0]).Pointer() != reflect.ValueOf(pair[1]).Pointer() {
			t.Errorf("%s: equal maps are not shared: %v", name, pair)
		}
	}
}

func TestAliasesAndMerges(t *testing.T) {
	f := parse(t, `
defaults: {cpus: &c 1, mem: 1}
tasks:
  - &base
    id: base
    command: &cmd echo
    env: &env {A: 1}
    retries: 5
  - <<: *base
    id: merged
    env: {<<: *env, B: 2}
  - <<: [{priority: 1, retries: 9}, *base]
    id: listed
  - {id: aliased, command: *cmd, cpus: *c, env: *env}
`)
	merged, listed, aliased := f.Specs[1], f.Specs[2], f.Specs[3]
	if merged.ID != "merged" || merged.Command != "echo" || merged.Retries != 5 ||
		!maps.Equal(merged.Env, map[string]string{"A": "1", "B": "2"}) {
		t.Errorf("merged: %+v", merged)
	}
	if listed.Priority != 1 || listed.Retries != 9 || listed.Command != "echo" {
		t.Errorf("listed: the first map of a merge counts: %+v", listed)
	}
	if aliased.Command != "echo" || aliased.Resources.CPUs != 1000 || aliased.Env["A"] != "1" {
		t.Errorf("aliased: %+v", aliased)
	}
}

func TestTasks(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := parse(t, "defaults: {cpus: 1, mem: 1}\ntasks:\n- {id: a, command: x}\n- {id: b, command: x, count: 12}\n- {id: b-12, command: x}\n- {id: c, command: x, count: 1}\n")
	tasks := f.Tasks(at)
	if f.Len() != 15 || len(tasks) != f.Len() || cap(tasks) != f.Len() {
		t.Fatalf("Len %d, %d tasks, cap %d", f.Len(), len(tasks), cap(tasks))
	}
	for i, want := range map[int]Task{
		0:  {ID: "a", Spec: f.Specs[0], Index: -1},
		1:  {ID: "b-0", Spec: f.Specs[1], Index: 0},
		12: {ID: "b-11", Spec: f.Specs[1], Index: 11},
		13: {ID: "b-12", Spec: f.Specs[2], Index: -1},
		14: {ID: "c-0", Spec: f.Specs[3], Index: 0},
	} {
		want.Seq, want.Submitted, want.State = uint64(i), at, Idle
		if !reflect.DeepEqual(tasks[i], want) {
			t.Errorf("task %d: got %+v, want %+v", i, tasks[i], want)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tasks.yaml")
	if _, err := ReadFile(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("folder: %v", err)
	}
	if err := os.WriteFile(path, []byte(tutorial), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := ReadFile(path); err != nil || f.Len() != 2 || f.Name != path {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := Read("stdin", strings.NewReader("x: 1\n")); err == nil || !strings.HasPrefix(err.Error(), "stdin:1: ") {
		t.Errorf("the name is not that of the reader: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	if _, err := Parse("big", make([]byte, MaxFileSize+1)); err == nil || err.Error() != "big:1: found more than 256 MB, allowed are at most so many" {
		t.Error(err)
	}
	endless := strings.NewReader(strings.Repeat("x", 10_000))
	data, err := readAll(endless, 99)
	if err != nil || len(data) != 100 || endless.Len() == 0 {
		t.Errorf("%d bytes, %v: a file without an end must not be read on", len(data), err)
	}
}

// TestSums: what the largest file can need in all fits an int64 (queue and
// validate add up needs).
func TestSums(t *testing.T) {
	if maxMB > math.MaxInt64/MaxTasks || maxCPUs*1000 > math.MaxInt64/MaxTasks || maxGPUs > math.MaxInt64/MaxTasks {
		t.Error("a sum of the largest needs overflows")
	}
}

// TestAliasBomb: a small file of aliases in aliases ends with an error, after
// as many nodes as it is allowed; here that is fewer than usual.
func TestAliasBomb(t *testing.T) {
	var nested, wide strings.Builder
	nested.WriteString("defaults: {cpus: 1, mem: 1}\ntasks:\n- id: a\n  command: x\n  env: &e0 {A: 1}\n")
	for i := range 12 {
		list := strings.Repeat(fmt.Sprintf(", *e%d", i), 20)
		fmt.Fprintf(&nested, "- {id: b%d, command: x, env: &e%d {<<: [%s]}}\n", i, i+1, list[2:])
	}
	wide.WriteString("defaults: {cpus: 1, mem: 1}\ntasks:\n- id: a\n  command: x\n  env: &e\n")
	for i := range 1000 {
		fmt.Fprintf(&wide, "    V%d: 1\n", i)
	}
	for i := range 1000 {
		fmt.Fprintf(&wide, "- {id: b%d, command: x, env: *e}\n", i)
	}
	for name, text := range map[string]string{"nested": nested.String(), "wide": wide.String()} {
		r := newReader("f", []byte(text))
		r.left = 300_000
		r.file(r.document([]byte(text)))
		if err := r.err(); err == nil || strings.Count(err.Error(), "found aliases that stand for too much") != 1 {
			t.Errorf("%s: %.300v", name, err)
		}
	}
	_, err := Parse("f", []byte("defaults: {cpus: 1, mem: 1}\ntasks:\n- &a {id: a, command: x, <<: *a}\n"))
	if err == nil || !strings.Contains(err.Error(), "within each other") {
		t.Errorf("an anchor that holds itself: %v", err)
	}
}
