package queue

// What the queue must not cost: memory for what has gone, and looks at what
// does not fit.

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"cmdq/task"
)

// TestShapesDoNotPileUp: a queue that has seen many shapes keeps none of them
// once their tasks have ended.
func TestShapesDoNotPileUp(t *testing.T) {
	q := New()
	for i := range 5000 {
		id := task.ID(fmt.Sprint(i))
		add(t, q, id, uint64(i), &task.Spec{Resources: need(int64(i), int64(5000-i))})
		if i >= 100 {
			old := task.ID(fmt.Sprint(i - 100))
			if first := q.First(need(5000, 5000), nil); first.ID != old {
				t.Fatalf("first is %s, want %s", first.ID, old)
			}
			q.Launch(old)
			q.End(old, task.Finished)
		}
	}
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	if len(q.shapes) != 100 || len(q.tree.leaves) > 256 {
		t.Errorf("%d shapes and %d leaves for 100 ready tasks", len(q.shapes), len(q.tree.leaves))
	}
	for i := 4900; i < 5000; i++ {
		q.End(task.ID(fmt.Sprint(i)), task.Killed)
	}
	if len(q.shapes) != 0 || len(q.tree.leaves) != smallest {
		t.Errorf("%d shapes and %d leaves for no ready task", len(q.shapes), len(q.tree.leaves))
	}
	if err := q.Check(); err != nil {
		t.Error(err)
	}
}

// TestSlotsDoNotPileUp: tasks that leave the middle of a line leave no more
// dead slots behind than there are live ones, and slack.
func TestSlotsDoNotPileUp(t *testing.T) {
	const n = 5000
	q := New()
	for i := range n {
		add(t, q, task.ID(fmt.Sprint(i)), uint64(i), &task.Spec{})
	}
	for i := n - 1; i > 0; i-- { // the head stays
		q.Remove(task.ID(fmt.Sprint(i)))
	}
	for range n { // one task comes and goes, before others
		q.Launch("0")
		add(t, q, "x", n, &task.Spec{})
		q.Retry("0", time.Time{})
		q.Remove("x")
	}
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	s := q.shapes[key{}]
	if slots := cap(s.line) + cap(s.late); slots > 8*slack {
		t.Errorf("memory for %d slots for 1 task", slots)
	}
}

// TestLateOnesAreSortedAfterCompaction: most of those that came back leave
// again from the middle, and what stays goes in the order of the queue.
func TestLateOnesAreSortedAfterCompaction(t *testing.T) {
	const n = 400
	one := &task.Spec{Resources: need(1, 1)}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		q := New()
		add(t, q, "last", n, one)
		for _, i := range r.Perm(n) {
			add(t, q, task.ID(fmt.Sprint(i)), uint64(i), one)
		}
		for _, i := range r.Perm(n)[:n*3/4] {
			q.Remove(task.ID(fmt.Sprint(i)))
			if err := q.Check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

// TestSearchLooksAtFewShapes: whatever order the shapes came in, a search in
// vain looks only at the nodes along the edge of what fits.
func TestSearchLooksAtFewShapes(t *testing.T) {
	const side = 32
	q := New()
	for i, at := range rand.New(rand.NewPCG(1, 4)).Perm(side * side) {
		x, y := int64(at%side), int64(at/side)
		add(t, q, task.ID(fmt.Sprint(i)), uint64(i), &task.Spec{Resources: need(100+x, 200-x+y)})
	}
	for x := range int64(side) {
		free := need(100+x, 199-x) // so many cpus go with 200-x MB at least
		if got := q.First(free, nil); got != nil {
			t.Fatalf("%v fits %v", got.Spec.Resources, free)
		}
		looked := 0
		for _, n := range q.tree.nodes[1:] {
			if n.leaf != none && n.least.Fits(free) {
				looked++
			}
		}
		if looked > 3*side {
			t.Errorf("a search for %v looks at %d nodes over %d shapes", free, looked, side*side)
		}
	}
}

// TestEntrySize: with a million tasks each word counts.
func TestEntrySize(t *testing.T) {
	if more := unsafe.Sizeof(entry{}) - unsafe.Sizeof(task.Task{}); more > 16 {
		t.Errorf("an entry has %d bytes more than its task, want at most 16", more)
	}
}
