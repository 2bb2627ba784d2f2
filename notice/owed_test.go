package notice

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

func TestWait(t *testing.T) {
	for tries, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second,
		10: 5 * time.Minute, 100: 5 * time.Minute, 1 << 40: 5 * time.Minute} {
		if got := wait(tries); got != want {
			t.Errorf("after try %d: %s, not %s", tries, got, want)
		}
	}
}

// A log never has more of an address than its host.
func TestPlace(t *testing.T) {
	for _, tt := range []struct {
		notice task.Notice
		want   string
	}{
		{task.Notice{Command: "mail -s secret"}, "the command"},
		{task.Notice{URL: "https://ann:secret@hooks.example.com:8443/T0/secret?key=secret"}, "https://hooks.example.com:8443"},
		{task.Notice{URL: "http://[::1]:80/secret"}, "http://[::1]:80"},
		{task.Notice{URL: "mailto:secret"}, "its address"},
		{task.Notice{URL: "http://secret\x7f/"}, "its address"},
	} {
		if got := place(tt.notice); got != tt.want {
			t.Errorf("%+v: %q, not %q", tt.notice, got, tt.want)
		}
	}
}

func TestOwe(t *testing.T) {
	now := time.Date(2026, 11, 21, 17, 0, 0, 5e6, time.FixedZone("", 3600))
	code := 3
	m := Message{ID: "run-1/finish/0", Kind: Failure, Text: "render-7 <failed>", File: "tasks.yaml", Began: Stamp(now), At: Stamp(now), Tasks: 2,
		States: map[string]int{"failed": 1, "idle": 1}, Task: &Failed{ID: "render-7", ExitCode: &code, Stderr: "no\n\xffspace"}}
	o, err := Owe(task.Notice{Command: "true"}, m, now)
	if err != nil {
		t.Fatal(err)
	}
	if o.ID != m.ID || o.Kind != Failure || !o.Next.Equal(now) || o.Tries != 0 {
		t.Errorf("owed is %+v", o)
	}
	var back Message
	d := json.NewDecoder(bytes.NewReader(o.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if back.Began != "2026-11-21T16:00:00.005Z" || back.ID != m.ID || *back.Task.ExitCode != 3 || back.Task.Stderr != "no\n\ufffdspace" {
		t.Errorf("the body says %s", o.Body)
	}
}

// docs/operations.md shows a message with all that one can have, and names every
// variable that a command gets.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json\n")
	shown, _, _ := strings.Cut(rest, "```")
	d := json.NewDecoder(strings.NewReader(shown))
	d.DisallowUnknownFields()
	var m Message
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(shown), &fields); err != nil {
		t.Fatal(err)
	}
	missing := func(of reflect.Type, fields map[string]any) {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if _, ok := fields[name]; !ok {
				t.Errorf("the example has no %s", name)
			}
		}
	}
	missing(reflect.TypeFor[Message](), fields)
	missing(reflect.TypeFor[Failed](), fields["task"].(map[string]any))

	o, err := Owe(task.Notice{Command: "true"}, m, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var given []string
	for _, v := range environment(nil, o) {
		name, _, _ := strings.Cut(v, "=")
		given = append(given, name)
	}
	_, rest, _ = strings.Cut(string(text), "## Notices")
	named := regexp.MustCompile("`(CMDQ_[A-Z_]+)`").FindAllStringSubmatch(rest, -1)
	var told []string
	for _, n := range named {
		told = append(told, n[1])
	}
	slices.Sort(given)
	slices.Sort(told)
	if !slices.Equal(given, told) {
		t.Errorf("a command gets %v, and is told of %v", given, told)
	}
}
