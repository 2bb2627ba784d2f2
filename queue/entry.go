package queue

import (
	"cmp"
	"math"

	"cmdq/task"
)

// entry is a task and where it is. There may be a million of them: it adds no
// more than 16 bytes to the task, and they stand in front, near to the fields
// of the task that a search reads.
type entry struct {
	shape *shape // nil once the task has ended
	pos   int32  // the index in Queue.waits, parked, active or fetching, if it is there
	place place
	slot  bool  // there is one for it in its shape's line or among its late ones, perhaps a dead one
	near  int16 // the priority, or far if it is too large for this; saves a look at the spec
	task  task.Task
}

// place is the index that a task is in.
type place uint8

const (
	ready    place = iota // idle; counted by its shape, which holds a slot for it
	delayed               // idle; in Queue.waits
	parked                // idle; in Queue.parked, with when it would be due
	active                // starting or running; in Queue.active
	fetching              // in Queue.fetching
	ended                 // terminal; only in Queue.tasks
	gone                  // not in the queue
)

// order says where a task stands in the queue; the lowest goes first.
type order struct {
	rank int64 // the complement of the priority: turns the order around and never overflows
	seq  uint64
}

func (o order) before(p order) bool {
	if o.rank != p.rank {
		return o.rank < p.rank
	}
	return o.seq < p.seq
}

func (o order) compare(p order) int {
	return cmp.Or(cmp.Compare(o.rank, p.rank), cmp.Compare(o.seq, p.seq))
}

const far = math.MinInt16

func nearOf(priority int) int16 {
	if priority > far && priority <= math.MaxInt16 {
		return int16(priority)
	}
	return far
}

func (e *entry) order() order {
	priority := int64(e.near)
	if e.near == far {
		priority = int64(e.task.Spec.Priority)
	}
	return order{^priority, e.task.Seq}
}

func (e *entry) before(o *entry) bool { return e.order().before(o.order()) }
