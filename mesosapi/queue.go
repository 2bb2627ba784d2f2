package mesosapi

// queue is a first-in first-out queue. The zero value is empty.
type queue[T any] struct {
	items []T // items[:head] have left
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(x T) {
	if q.head > 64 && q.head*2 > len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, x)
}

// pop takes the oldest item out of a queue that is not empty.
func (q *queue[T]) pop() T {
	x := q.items[q.head]
	clear(q.items[q.head : q.head+1]) // nothing that has left is kept alive
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return x
}
