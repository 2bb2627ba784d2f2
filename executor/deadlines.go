package executor

import (
	"container/heap"
	"slices"
	"time"
)

// deadlines are the times at which something of a task may be due, the soonest
// first. A time that does not hold any more stays in until it has passed; who
// takes it out looks at the task.
type deadlines struct {
	heap deadlineHeap
	full int // how many there may be before those of ended tasks are thrown out
}

// minFull keeps short heaps as they are.
const minFull = 1000

type deadline struct {
	at   time.Time
	task *task
}

func (d *deadlines) add(at time.Time, t *task) {
	if len(d.heap) >= max(d.full, minFull) {
		d.heap = slices.DeleteFunc(d.heap, func(x deadline) bool { return x.task.phase == over })
		heap.Init(&d.heap)
		d.full = 2 * len(d.heap)
	}
	heap.Push(&d.heap, deadline{at, t})
}

// next is the soonest time; zero: there is none.
func (d *deadlines) next() time.Time {
	if len(d.heap) == 0 {
		return time.Time{}
	}
	return d.heap[0].at
}

// passed takes out what is due, in order.
func (d *deadlines) passed(now time.Time) []*task {
	var list []*task
	for len(d.heap) > 0 && !d.heap[0].at.After(now) {
		list = append(list, heap.Pop(&d.heap).(deadline).task)
	}
	return list
}

type deadlineHeap []deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h deadlineHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *deadlineHeap) Push(x any)        { *h = append(*h, x.(deadline)) }
func (h *deadlineHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = deadline{}
	*h = old[:len(old)-1]
	return last
}
