package task

import (
	"reflect"
	"testing"
	"time"
)

// TestEqual changes every field of a spec in turn, so that a field added to
// Spec cannot be forgotten in Equal.
func TestEqual(t *testing.T) {
	runs := map[string]bool{"Command": true, "Argv": true, "Env": true, "User": true, "URIs": true, "Files": true}
	base := func() *Spec {
		return &Spec{
			ID: "a", Line: 1, Command: "x", Argv: []string{"p"}, Resources: Resources{CPUs: 1}, Env: map[string]string{"A": "1"},
			User: "u", Name: "n", Retries: 1, Timeout: time.Second, KillGrace: time.Second, Priority: 1,
			Labels: map[string]string{"k": "v"}, URIs: []URI{{Value: "x"}}, Series: &Series{Count: 1},
			Files: []Input{{Path: "/x", Name: "x"}}, Outputs: []Output{{Path: "o"}}, Executor: ByCommand, Rules: &Rules{Group: "g"},
		}
	}
	changed := Spec{
		ID: "b", Line: 2, Command: "y", Argv: []string{"q"}, Resources: Resources{CPUs: 2}, Env: map[string]string{"A": "2"},
		User: "v", Name: "m", Retries: 2, Timeout: time.Minute, KillGrace: time.Minute, Priority: 2,
		Labels: map[string]string{"k": "w"}, URIs: []URI{{Value: "x", Cache: true}}, Series: &Series{Count: 2},
		Files: []Input{{Path: "/y", Name: "y"}}, Outputs: []Output{{Path: "o", Optional: true}}, Executor: ByCmdq, Rules: &Rules{Group: "h"},
	}
	if a, b := base(), base(); !a.Equal(b) || !a.RunsSame(b) {
		t.Fatal("equal specs differ")
	}
	fields := reflect.TypeFor[Spec]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		other := base()
		from := reflect.ValueOf(changed).Field(i)
		if from.IsZero() {
			t.Fatalf("%s: this test does not change it yet", name)
		}
		reflect.ValueOf(other).Elem().Field(i).Set(from)
		if got, want := base().Equal(other), name == "Line" || name == "Series"; got != want {
			t.Errorf("%s changed: Equal is %v", name, got)
		}
		if got, want := base().RunsSame(other), !runs[name]; got != want {
			t.Errorf("%s changed: RunsSame is %v", name, got)
		}
	}
	for what, f := range map[string]Input{"another path": {Path: "/y", Name: "x"}, "another name": {Path: "/x", Name: "y"}, "executable": {Path: "/x", Name: "x", Executable: true}} {
		other := base()
		other.Files = []Input{f}
		if base().Equal(other) || base().RunsSame(other) != (what == "executable") {
			t.Errorf("%s: Equal is %v, RunsSame %v", what, base().Equal(other), base().RunsSame(other))
		}
	}
}

// TestRulesEqual changes every field of rules and containers in turn. Of those
// only the container is something that runs, and where a task fits depends on
// some of them.
func TestRulesEqual(t *testing.T) {
	fits := map[string]bool{"Group": true, "Constraints": true, "Ports": true, "Role": true, "Container": true}
	changed := Rules{After: []ID{"a"}, Group: "g", Constraints: []Constraint{{"rack", Is, "r1"}}, Ports: 1,
		Container: &Container{Image: "i"}, Role: "r"}
	none := &Spec{}
	if !none.Equal(&Spec{Rules: &Rules{}}) || (*Rules)(nil).Key() != "" || (&Rules{}).Key() != "" {
		t.Error("rules that say nothing are not none")
	}
	fields := reflect.TypeFor[Rules]()
	for i := range fields.NumField() {
		name, other := fields.Field(i).Name, &Spec{Rules: &Rules{}}
		reflect.ValueOf(other.Rules).Elem().Field(i).Set(reflect.ValueOf(changed).Field(i))
		if none.Equal(other) || other.Equal(none) || !other.Equal(other) {
			t.Errorf("%s changed: they are equal", name)
		}
		if got, want := none.RunsSame(other), name != "Container"; got != want {
			t.Errorf("%s changed: RunsSame is %v", name, got)
		}
		if got, want := other.Rules.Key() != "", fits[name]; got != want {
			t.Errorf("%s changed: the key is %q", name, other.Rules.Key())
		}
	}
	of := func(c Container) *Spec { return &Spec{Rules: &Rules{Container: &c}} }
	one := Container{Type: "docker", Image: "i", Volumes: []Volume{{"/a", "/b", true}}}
	if same := one; !of(one).RunsSame(of(same)) {
		t.Error("equal containers differ")
	}
	for _, c := range []Container{{"mesos", "i", one.Volumes}, {"docker", "j", one.Volumes}, {"docker", "i", nil}, {"docker", "i", []Volume{{"/a", "/b", false}}}} {
		if of(one).RunsSame(of(c)) || of(one).Equal(of(c)) {
			t.Errorf("%v is like %v", c, one)
		}
	}
	for _, k := range [][2]Rules{
		{{Group: "a", Role: "b"}, {Group: "b", Role: "a"}}, {{Group: `a" 0 "b`}, {Group: "a", Role: "b"}},
		{{Constraints: []Constraint{{"a", Is, "b"}, {"c", Exists, ""}}}, {Constraints: []Constraint{{"a", Is, `b" "c exists`}}}},
	} {
		if k[0].Key() == k[1].Key() {
			t.Errorf("%v and %v have one key", k[0], k[1])
		}
	}
}

func TestDescribe(t *testing.T) {
	for want, s := range map[string]Spec{"echo hi": {Command: "echo hi"}, "prog a b": {Argv: []string{"prog", "a", "b"}}, "": {}} {
		if got := s.Describe(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestResources(t *testing.T) {
	a, b := Resources{100, 20, 3, 0}, Resources{700, 10, 0, 1}
	tests := []struct {
		name      string
		got, want Resources
	}{
		{"add", a.Add(b), Resources{800, 30, 3, 1}},
		{"sub", a.Sub(b), Resources{-600, 10, 3, -1}},
		{"max", a.Max(b), Resources{700, 20, 3, 1}},
		{"add and sub", a.Add(b).Sub(b), a},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	free := Resources{10, 10, 10, 10}
	if !free.Fits(free) || !(Resources{}).Fits(free) {
		t.Error("what is just as large fits")
	}
	for _, more := range []Resources{{CPUs: 11}, {Mem: 11}, {Disk: 11}, {GPUs: 11}} {
		if more.Fits(free) {
			t.Errorf("%v fits %v", more, free)
		}
	}
	for want, r := range map[string]Resources{
		"0.1 cpus, 100 MB":                  {CPUs: 100, Mem: 100},
		"1.5 cpus, 0 MB, 7 MB disk, 2 gpus": {CPUs: 1500, Disk: 7, GPUs: 2},
		"0.001 cpus, 1 MB":                  {CPUs: 1, Mem: 1},
		"1000000 cpus, 1 MB":                {CPUs: 1_000_000_000, Mem: 1},
		"0 cpus, 1 MB, 1 gpu":               {Mem: 1, GPUs: 1},
		"0 cpus, 1 MB, 2 gpus":              {Mem: 1, GPUs: 2},
		"12.345 cpus, 1 MB, 100000 MB disk": {CPUs: 12345, Mem: 1, Disk: 100000},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
