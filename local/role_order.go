package local

import (
	"cmp"
	"strings"
)

// roleTree is who comes first among the roles: the children of each level by
// dominant share, then by how often they have been allocated something, then
// by name (Mesos: src/master/allocator/mesos/sorter/drf). What is allocated to
// a role counts for all roles above it. A role with frameworks of its own that
// is also above others is a child of itself: "a/." beside "a/b".
type roleTree struct {
	total     Resources
	allocated map[string]Resources // by path
	counts    map[string]int       // by path
	shares    map[string]float64   // by path, once they are known
}

// newRoleTree takes what is allocated to each role that has frameworks, and how
// often something was.
func newRoleTree(byRole map[string]Resources, counts map[string]int, total Resources) *roleTree {
	t := &roleTree{total: total, allocated: map[string]Resources{}, counts: counts, shares: map[string]float64{}}
	for role, r := range byRole {
		for path := range rolePaths(role) {
			t.allocated[path] = t.allocated[path].plus(r)
		}
	}
	return t
}

// rolePaths runs through the nodes that a role is in, from the top: a, a/b and
// a/b/. for a/b.
func rolePaths(role string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := range len(role) {
			if role[i] == '/' && !yield(role[:i]) {
				return
			}
		}
		_ = yield(role) && yield(role+"/.")
	}
}

// compare is negative if role a comes before role b.
func (t *roleTree) compare(a, b string) int {
	if a == b {
		return 0
	}
	for end := 0; ; end++ {
		na, nb := nodeAt(a, end), nodeAt(b, end)
		if na != nb {
			return cmp.Or(cmp.Compare(t.share(na), t.share(nb)), cmp.Compare(t.counts[na], t.counts[nb]), cmp.Compare(na, nb))
		}
		end = len(na)
	}
}

// nodeAt is the node of a role's path whose last part begins at byte from; the
// role itself as its own child if it ends before that.
func nodeAt(role string, from int) string {
	if from > len(role) {
		return role + "/."
	}
	if i := strings.IndexByte(role[from:], '/'); i >= 0 {
		return role[:from+i]
	}
	return role
}

func (t *roleTree) share(path string) float64 {
	s, known := t.shares[path]
	if !known {
		s = dominant(t.allocated[path], t.total)
		t.shares[path] = s
	}
	return s
}

// countAllocation notes that a role was allocated something.
func (m *master) countAllocation(role string) {
	for path := range rolePaths(role) {
		m.roleCounts[path]++
	}
}

// forgetRoles drops the counts of roles that no framework is in any more.
func (m *master) forgetRoles() {
	live := map[string]bool{}
	for _, f := range m.frameworks {
		for role := range f.roles {
			for path := range rolePaths(role) {
				live[path] = true
			}
		}
	}
	for path := range m.roleCounts {
		if !live[path] {
			delete(m.roleCounts, path)
		}
	}
}
