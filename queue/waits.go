package queue

import (
	"container/heap"
	"time"
)

// wait is a delayed task and when it is due.
type wait struct {
	at    time.Time
	entry *entry
}

// waits is a heap by time (container/heap); each entry knows its index.
type waits []wait

func (w *waits) add(at time.Time, e *entry) {
	e.pos = int32(len(*w))
	*w = append(*w, wait{at, e})
	heap.Fix(w, len(*w)-1)
}

func (w waits) Len() int           { return len(w) }
func (w waits) Less(i, j int) bool { return w[i].at.Before(w[j].at) }

func (w waits) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].entry.pos, w[j].entry.pos = int32(i), int32(j)
}

// Push is for container/heap; add is what the queue calls.
func (w *waits) Push(x any) { *w = append(*w, x.(wait)) }

// Pop is for container/heap.
func (w *waits) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	(*w)[last] = wait{}
	*w = (*w)[:last]
	return x
}
