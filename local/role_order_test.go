package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// TestRoleOrder gives each role some cpus of 100 and a count, "role cpus count".
func TestRoleOrder(t *testing.T) {
	tests := []struct{ roles, want string }{
		{"a 1 0, b 0 0", "b a"},
		{"a 0 0, b 0 0", "a b"},
		{"a 0 1, b 0 0", "b a"},
		{"a/x 1 0, a/y 0 0, b 2 0", "a/y a/x b"},
		{"a/x 2 0, a/y 2 0, b 3 0", "b a/x a/y"},
		{"a 1 0, a/x 0 0", "a/x a"},
		{"a 0 0, a/x 0 0", "a a/x"},
		{"a 1 0, a/x 2 0, a/x/y 3 0, b 5 0", "b a a/x a/x/y"},
		{"ab 1 0, a/b 1 0, a 1 0", "ab a a/b"},
		{"* 1 0, a 1 1", "* a"},
	}
	for _, tt := range tests {
		m := &master{roleCounts: map[string]int{}}
		byRole := map[string]Resources{}
		var roles []string
		for _, x := range strings.Split(tt.roles, ", ") {
			part := strings.Fields(x)
			roles = append(roles, part[0])
			byRole[part[0]] = Resources{{name: "cpus", scalar: 1000 * int64(part[1][0]-'0')}}
			for range int(part[2][0] - '0') {
				m.countAllocation(part[0])
			}
		}
		tree := newRoleTree(byRole, m.roleCounts, mustResources(t, "cpus:100"))
		for range 3 {
			slices.SortFunc(roles, tree.compare)
			if got := strings.Join(roles, " "); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.roles, got, tt.want)
			}
			slices.Reverse(roles)
		}
	}
}

// FuzzRoleOrder: the order is one, whatever roles there are.
func FuzzRoleOrder(f *testing.F) {
	f.Add("a,a/b,a/b/c,ab")
	f.Fuzz(func(t *testing.T, text string) {
		roles := strings.Split(text, ",")
		roles = slices.DeleteFunc(roles, func(r string) bool { return validateRole(r) != "" })
		slices.Sort(roles)
		roles = slices.Compact(roles)
		byRole := map[string]Resources{}
		for i, r := range roles {
			byRole[r] = Resources{{name: "cpus", scalar: int64(i%3) + 1}}
		}
		tree := newRoleTree(byRole, map[string]int{}, Resources{{name: "cpus", scalar: 100}})
		slices.SortFunc(roles, tree.compare)
		for i, a := range roles {
			for j, b := range roles {
				if got := tree.compare(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
					t.Fatalf("%q against %q is %d at %d and %d of %q", a, b, got, i, j, roles)
				}
			}
		}
	})
}

// TestHierarchyShares: a team with two roles gets no more than one with one.
func TestHierarchyShares(t *testing.T) {
	var agents []string
	for range 40 {
		agents = append(agents, "cpus:1;mem:100")
	}
	e := newMasterEnv(t, agents...)
	x, y, b := e.join(inRoles("a/x")), e.join(inRoles("a/y")), e.join(inRoles("b"))
	e.allocateWanted()
	e.check()
	if len(x.offers) != 10 || len(y.offers) != 10 || len(b.offers) != 20 {
		t.Errorf("offers are shared %d, %d and %d", len(x.offers), len(y.offers), len(b.offers))
	}
	for _, f := range []*framework{x, y, b} {
		e.removeFramework(f, "test")
	}
	e.tick()
	if len(e.roleCounts) != 0 {
		t.Errorf("%v is kept of roles that are gone", e.roleCounts)
	}
}

func TestMinAllocatable(t *testing.T) {
	for _, tt := range []struct {
		min, free string
		want      bool
	}{
		{"cpus:0.01|mem:32", "cpus:0.01", true}, {"cpus:0.01|mem:32", "cpus:0.009;mem:31;disk:1000", false}, {"cpus:1;mem:32", "cpus:4", false},
		{"cpus:1;mem:32", "cpus:1;mem:32", true}, {"cpus:1|mem:32", "", false},
	} {
		sets, err := parseMinAllocatable(tt.min)
		if err != nil {
			t.Fatal(err)
		}
		var free Resources
		if tt.free != "" {
			free = mustResources(t, tt.free)
		}
		if got := sets.allows(free); got != tt.want {
			t.Errorf("%s allows %s: %v", tt.min, tt.free, got)
		}
	}
	for _, bad := range []string{"|", "cpus", "ports:[1-2]", "cpus:1|", "cpus:-1"} {
		if CheckMinAllocatable(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	any := leastOf(&mesos.FrameworkInfo{OfferFilters: map[string]mesos.OfferFilters{"*": {MinAllocatableResources: &mesos.OfferFilters_MinAllocatableResources{}}, "a": {}}})
	if least, own := any["*"]; !own || !least.allows(mustResources(t, "cpus:0.001")) {
		t.Error("a framework that takes anything is not offered everything")
	}
	if _, own := any["a"]; own {
		t.Error("a filter that says nothing is more than the master's")
	}
}

// TestOfferList: what is said first of an ACCEPT with several wrong offers.
func TestOfferList(t *testing.T) {
	e := newMasterEnv(t, "cpus:1;mem:100", "cpus:1;mem:100", "cpus:1;mem:100")
	f, g := e.join(inRoles("a", "b")), e.join(inRoles("c"))
	agents := e.agents
	a1 := e.newOffer(f, agents[0], "a", mustResources(t, "cpus:0.5")).id
	b1 := e.newOffer(f, agents[0], "b", mustResources(t, "cpus:0.5")).id
	a2 := e.newOffer(f, agents[1], "a", agents[1].total).id
	c3 := e.newOffer(g, agents[2], "c", agents[2].total).id
	for _, tt := range []struct{ ids, want, used string }{
		{"", "No offers specified", ""},
		{a1, "", a1},
		{"x " + a1 + " " + a1, "Duplicate offer " + a1, a1},
		{c3 + " x", "Offer x is no longer valid", ""},
		{a1 + " " + b1 + " " + c3, "invalid framework", a1 + " " + b1},
		{a2 + " " + b1, "same role", a2 + " " + b1},
		{a1 + " " + a2, "one single agent", a1 + " " + a2},
	} {
		var ids []mesos.OfferID
		for _, id := range strings.Fields(tt.ids) {
			ids = append(ids, mesos.OfferID{Value: id})
		}
		list, text := e.offersOf(f, ids)
		var used []string
		for _, o := range list {
			used = append(used, o.id)
		}
		if !strings.Contains(text, tt.want) || (text == "") != (tt.want == "") || strings.Join(used, " ") != tt.used {
			t.Errorf("%s: %q, %s used; want %q, %s", tt.ids, text, used, tt.want, tt.used)
		}
	}
}
