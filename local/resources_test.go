package local

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

func mustResources(t testing.TB, s string) Resources {
	t.Helper()
	if s == "" {
		return nil
	}
	r, err := ParseResources(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseResources(t *testing.T) {
	good := map[string]string{
		"cpus:8;mem:8192;disk:10000;ports:[31000-32000]": "cpus:8;disk:10000;mem:8192;ports:[31000-32000]",
		" cpus : 0.1 ; ":       "cpus:0.1",
		"cpus:0.1234":          "cpus:0.123",
		"ports:[5-6,1-2, 3-3]": "ports:[1-3, 5-6]",
		"ports:[1-10,3-4]":     "ports:[1-10]",
		"gpus:2;bugs:{b,a}":    "bugs:{a, b};gpus:2",
	}
	for in, want := range good {
		if got := mustResources(t, in).String(); got != "" && strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	bad := map[string]string{
		"":                 "nothing in it",
		"cpus:0":           "nothing in it",
		"cpus":             "not name:value",
		"cpus:":            "not name:value",
		":1":               "not name:value",
		"cpus:x":           "not a number",
		"cpus:-1":          "at least 0",
		"cpus:NaN":         "at least 0",
		"cpus:Inf":         "at least 0",
		"cpus:1e300":       "not that large",
		"cpus:1;cpus:1":    "twice",
		"cpus(ads):1":      "role",
		"cpus:[1-2]":       "must be a number",
		"gpus:0.5":         "whole",
		"ports:5":          "ranges",
		"ports:[2-1]":      "not a range",
		"ports:[1-2":       "does not end",
		"ports:[a-b]":      "not a range",
		"ports:[]":         "not a range",
		"bugs:{a,,b}":      "empty item",
		"bugs:{a":          "does not end",
		"my cpus:1":        "not a name",
		`[{"name":"cpus"}`: "not a name",
	}
	for in, want := range bad {
		if r, err := ParseResources(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error that says %q", in, r, err, want)
		}
	}
}

// model is resources as the sets of their units.
type model map[string]bool

func modelOf(r Resources) model {
	m := model{}
	for _, x := range r {
		for i := range x.scalar {
			m[fmt.Sprint(x.name, i)] = true
		}
		for _, s := range x.ranges {
			for n := s.begin; n <= s.end; n++ {
				m[fmt.Sprint(x.name, n)] = true
			}
		}
		for _, item := range x.set {
			m[x.name+item] = true
		}
	}
	return m
}

func randomResources(r *rand.Rand) Resources {
	var out Resources
	for _, name := range []string{"cpus", "mem", "gone"} {
		out = out.plus(Resources{{name: name, scalar: r.Int64N(4)}})
	}
	for range r.IntN(4) {
		begin := r.Uint64N(12)
		out = out.plus(Resources{{name: "ports", ranges: []span{{begin, begin + r.Uint64N(4)}}}})
	}
	for range r.IntN(3) {
		out = out.plus(Resources{{name: "set", set: []string{string(rune('a' + r.IntN(3)))}}})
	}
	return out
}

// TestResourcesAgainstModel compares the arithmetic with that of plain sets.
// Scalars add up, so that the union is only compared for the others.
func TestResourcesAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		a, b := randomResources(random), randomResources(random)
		ma, mb := modelOf(a), modelOf(b)
		contained := true
		for unit := range mb {
			contained = contained && ma[unit]
		}
		if a.contains(b) != contained {
			t.Fatalf("%d: %v contains %v: %v", i, a, b, !contained)
		}
		if contained && a.minus(b).plus(b).String() != a.String() {
			t.Fatalf("%d: %v - %v + %v is %v", i, a, b, b, a.minus(b).plus(b))
		}
		sum := a.plus(b)
		if !sum.contains(a) || !sum.contains(b) || sum.String() != b.plus(a).String() {
			t.Fatalf("%d: %v + %v is %v", i, a, b, sum)
		}
		if n := len(modelOf(a.minus(b))); contained && n != len(ma)-len(mb) {
			t.Fatalf("%d: %v - %v has %d units", i, a, b, n)
		}
		if rest := modelOf(Resources{a.minus(b).named("ports")}); true {
			for unit := range rest {
				if mb[unit] || !ma[unit] {
					t.Fatalf("%d: %v - %v holds %s", i, a, b, unit)
				}
			}
		}
	}
}

func TestResourcesWire(t *testing.T) {
	r := mustResources(t, "cpus:0.5;ports:[1-2,5-9];bugs:{a,b}")
	for _, form := range []wireForm{{}, {role: "*"}, {role: "ads", refined: true}} {
		wire := r.wire(form)
		back, err := fromWire(wire, form.role)
		if err != nil || back.String() != r.String() {
			t.Errorf("%+v: %v, %v", form, back, err)
		}
		for _, x := range wire {
			if (x.Role != nil) == form.refined || (x.AllocationInfo != nil) != (form.role != "") {
				t.Errorf("%+v: %v", form, x)
			}
		}
	}
	ads := "ads"
	apart := map[string]mesos.Resource{
		"reserved":  {Role: &ads},
		"refined":   {Reservations: []mesos.Resource_ReservationInfo{{Role: &ads}}},
		"allocated": {AllocationInfo: &mesos.Resource_AllocationInfo{Role: &ads}},
		"revocable": {Revocable: &mesos.Resource_RevocableInfo{}},
	}
	for name, x := range apart {
		x.Name, x.Type, x.Scalar = "cpus", mesos.SCALAR.Enum(), &mesos.Value_Scalar{Value: 0.1}
		got, err := fromWire([]mesos.Resource{x}, "*")
		if err != nil || r.contains(got) {
			t.Errorf("%s: %v, %v: fits into %v", name, got, err, r)
		}
	}
	for _, x := range []mesos.Resource{
		scalarResource("cpus", -1), scalarResource("gpus", 0.5), scalarResource("", 1), {Name: "cpus", Type: mesos.SCALAR.Enum()},
		{Name: "x", Type: mesos.TEXT.Enum()},
		{Name: "p", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: 2, End: 1}}}},
	} {
		if r, err := fromWire([]mesos.Resource{x}, "*"); err == nil {
			t.Errorf("%v is taken as %v", x, r)
		}
	}
	two, err := fromWire([]mesos.Resource{scalarResource("cpus", 0.1), scalarResource("cpus", 0.2)}, "*")
	if err != nil || two.scalar("cpus") != 300 {
		t.Errorf("two entries of a name are %v, %v", two, err)
	}
}

func TestMachineResources(t *testing.T) {
	one, err := MachineResources(t.TempDir()+"/not/there", 1)
	if err != nil {
		t.Fatal(err)
	}
	four, err := MachineResources(t.TempDir(), 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpus", "mem", "disk"} {
		if a, b := one.scalar(name), four.scalar(name); a <= 0 || b <= 0 || 4*b > a {
			t.Errorf("%s: %d for one agent, %d for each of four", name, a, b)
		}
	}
	var ports Resources
	for i := range 3 {
		p := portsOf(i, 3)
		if len(modelOf(ports.plus(p))) != len(modelOf(ports))+len(modelOf(p)) {
			t.Errorf("ports %v of agent %d are another's too", p, i)
		}
		ports = ports.plus(p)
	}
	if ports.String() != "ports:[31000-32000]" {
		t.Errorf("all ports are %v", ports)
	}
}

func FuzzParseResources(f *testing.F) {
	f.Add("cpus:8;mem:8192;ports:[31000-32000]")
	f.Add("a:{x,y};b:0.0001")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseResources(s)
		if err != nil {
			return
		}
		again, err := ParseResources(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q is %q, and that is %q, %v", s, r, again, err)
		}
	})
}
