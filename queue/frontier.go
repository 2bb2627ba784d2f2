package queue

// step is a subtree that a search has yet to look into.
type step struct {
	first order
	node  int32
}

// frontier is a heap of steps. It is written out, without container/heap,
// since it is the inner loop of First and would allocate there.
type frontier []step

func (f *frontier) push(s step) {
	h := append(*f, s)
	*f = h
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !s.first.before(h[up].first) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = s
}

// pop takes the step whose head goes first, and returns its node.
func (f *frontier) pop() int32 {
	h := *f
	node := h[0].node
	last := len(h) - 1
	s := h[last]
	h = h[:last]
	*f = h
	i := 0
	for {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && h[down+1].first.before(h[down].first) {
			down++
		}
		if !h[down].first.before(s.first) {
			break
		}
		h[i] = h[down]
		i = down
	}
	if last > 0 {
		h[i] = s
	}
	return node
}
