package queue

import (
	"math/bits"
	"slices"

	"cmdq/task"
)

// smallest is the number of leaves of a new tree.
const smallest = 16

// tree finds the shape whose head goes first among those that fit.
//
// It is a full binary tree in a slice: node 1 is the root, those below node i
// are 2i and 2i+1, and leaf i is node len(leaves)+i. Each node knows which of
// the leaves below has the head that goes first, and the least of each
// resource that any of them needs: where that does not fit, nothing below does.
//
// It prunes well while neighbours need about the same. So the leaves are sorted
// along a curve through the needs (see alongCurve) once enough of them were
// given out at random.
type tree struct {
	nodes  []node
	leaves []*shape
	free   []int32 // leaves without a shape
	strays int     // leaves given out since the leaves were sorted

	frontier frontier // of the search; kept for its memory
}

// node sums up the leaves below it that have ready tasks.
type node struct {
	least task.Resources // of each resource, the least that one of them needs
	first order          // of the head that goes first
	leaf  int32          // whose head that is; none if there is none
}

const none = -1

func newTree() tree {
	var t tree
	t.build(nil, smallest)
	return t
}

// first is the shape whose head goes first of those that fit into free and
// that admit (nil: all) accepts, or nil.
//
// It takes the subtrees in the order of their first heads. If such a head is
// not to be had, it goes down to its leaf and leaves the subtrees beside the way
// for later, so that each leaf is looked at once at most and in order.
func (t *tree) first(free task.Resources, admit func(*task.Task) bool) *shape {
	if used := len(t.leaves) - len(t.free); t.strays > smallest+used/4 {
		t.sort()
	}
	t.frontier = t.frontier[:0]
	t.look(1, free)
	for len(t.frontier) > 0 {
		i := t.frontier.pop()
		leaf := t.nodes[i].leaf
		if s := t.leaves[leaf]; s.key.need.Fits(free) && (admit == nil || admit(&s.head.task)) {
			return s
		}
		for int(i) < len(t.leaves) {
			way, beside := 2*i, 2*i+1
			if t.nodes[way].leaf != leaf {
				way, beside = beside, way
			}
			t.look(beside, free)
			if !t.nodes[way].least.Fits(free) {
				break
			}
			i = way
		}
	}
	return nil
}

// look keeps a subtree for the search if something below it may fit.
func (t *tree) look(i int32, free task.Resources) {
	if n := &t.nodes[i]; n.leaf != none && n.least.Fits(free) {
		t.frontier.push(step{n.first, i})
	}
}

// add gives a shape a leaf.
func (t *tree) add(s *shape) {
	if len(t.free) == 0 {
		t.build(t.leaves, 2*len(t.leaves))
	}
	last := len(t.free) - 1
	s.leaf = t.free[last]
	t.free = t.free[:last]
	t.leaves[s.leaf] = s
	t.strays++
}

// drop takes the leaf from a shape that has no ready tasks.
func (t *tree) drop(s *shape) {
	t.leaves[s.leaf] = nil
	t.free = append(t.free, s.leaf)
	if used := len(t.leaves) - len(t.free); len(t.leaves) > smallest && used < len(t.leaves)/8 {
		t.sort()
	}
}

// update follows a change of the head of a shape up to the root, or to where
// it makes no difference.
func (t *tree) update(s *shape) {
	i := len(t.leaves) + int(s.leaf)
	t.nodes[i] = leafNode(s)
	for i /= 2; i >= 1; i /= 2 {
		n := join(&t.nodes[2*i], &t.nodes[2*i+1])
		if n == t.nodes[i] {
			return
		}
		t.nodes[i] = n
	}
}

// sort puts neighbours beside each other, in a tree of a fitting size.
func (t *tree) sort() {
	shapes := make([]*shape, 0, len(t.leaves)-len(t.free))
	for _, s := range t.leaves {
		if s != nil {
			shapes = append(shapes, s)
		}
	}
	slices.SortFunc(shapes, func(a, b *shape) int { return alongCurve(a.key.need, b.key.need) })
	size := smallest
	for size < len(shapes) {
		size *= 2
	}
	t.build(shapes, size)
	t.strays = 0
}

// build makes the tree anew, with these shapes on the first of its leaves. It
// leaves the old slice of leaves as it is: Shapes may be walking along it.
func (t *tree) build(shapes []*shape, size int) {
	t.leaves = make([]*shape, size)
	copy(t.leaves, shapes)
	t.nodes = make([]node, 2*size)
	t.free = make([]int32, 0, size-len(shapes))
	for i := size - 1; i >= 0; i-- {
		s := t.leaves[i]
		if s == nil {
			t.free = append(t.free, int32(i))
			t.nodes[size+i] = node{leaf: none}
			continue
		}
		s.leaf = int32(i)
		t.nodes[size+i] = leafNode(s)
	}
	for i := size - 1; i >= 1; i-- {
		t.nodes[i] = join(&t.nodes[2*i], &t.nodes[2*i+1])
	}
}

func leafNode(s *shape) node {
	if s.head == nil {
		return node{leaf: none}
	}
	return node{least: s.key.need, first: s.head.order(), leaf: s.leaf}
}

func join(a, b *node) node {
	switch {
	case b.leaf == none:
		return *a
	case a.leaf == none:
		return *b
	}
	n := *a
	if b.first.before(a.first) {
		n.first, n.leaf = b.first, b.leaf
	}
	n.least = task.Resources{
		CPUs: min(a.least.CPUs, b.least.CPUs),
		Mem:  min(a.least.Mem, b.least.Mem),
		Disk: min(a.least.Disk, b.least.Disk),
		GPUs: min(a.least.GPUs, b.least.GPUs),
	}
	return n
}

// alongCurve compares two needs by their place on a Z-order curve: as if the
// bits of their parts were shuffled together, the highest first. That is decided
// by the part that differs in the highest bit.
func alongCurve(a, b task.Resources) int {
	parts := [...][2]int64{{a.CPUs, b.CPUs}, {a.Mem, b.Mem}, {a.Disk, b.Disk}, {a.GPUs, b.GPUs}}
	highest, result := 0, 0
	for _, p := range parts {
		if n := bits.Len64(uint64(p[0] ^ p[1])); n > highest {
			highest, result = n, 1
			if p[0] < p[1] {
				result = -1
			}
		}
	}
	return result
}
