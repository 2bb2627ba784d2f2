package local

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Resources is what an agent has, an offer holds or a task needs: one entry a
// name, sorted by name, none of them empty. The value is never changed once
// made, so that it may be shared. Scalars are integers in thousandths, as
// Mesos compares them.
type Resources []resource

// resource is one entry: a scalar unless it has spans or items.
type resource struct {
	name   string
	scalar int64    // thousandths
	ranges []span   // sorted, neither overlapping nor touching
	set    []string // sorted, each once
}

// span is a range of whole numbers, both ends included.
type span struct{ begin, end uint64 }

func (r resource) empty() bool { return r.scalar <= 0 && len(r.ranges) == 0 && len(r.set) == 0 }

// named finds the entry of a name; an empty one if there is none.
func (r Resources) named(name string) resource {
	for _, x := range r {
		if x.name == name {
			return x
		}
	}
	return resource{name: name}
}

// scalar is the thousandths of a scalar resource; 0 if it is not there.
func (r Resources) scalar(name string) int64 { return r.named(name).scalar }

// maxSum bounds the sum of scalars, in thousandths, so that the next one does not
// wrap around: 2049 of maxScalar would be less than nothing, and so nothing.
const maxSum = math.MaxInt64 / 2

// plus is r + o.
func (r Resources) plus(o Resources) Resources {
	return merge(r, o, func(a, b resource) resource {
		a.scalar = min(a.scalar+b.scalar, maxSum)
		a.ranges = joinSpans(a.ranges, b.ranges)
		a.set = joinSets(a.set, b.set)
		return a
	})
}

// minus is r - o; what o has beyond r is ignored.
func (r Resources) minus(o Resources) Resources {
	return merge(r, o, func(a, b resource) resource {
		a.scalar = max(0, a.scalar-b.scalar)
		a.ranges = cutSpans(a.ranges, b.ranges)
		a.set = cutSet(a.set, b.set)
		return a
	})
}

// contains tells whether all of o is in r.
func (r Resources) contains(o Resources) bool {
	i := 0
	for _, want := range o {
		for i < len(r) && r[i].name < want.name {
			i++
		}
		if i == len(r) || r[i].name != want.name {
			return false
		}
		have := r[i]
		if have.scalar < want.scalar || len(cutSpans(want.ranges, have.ranges)) > 0 || len(cutSet(want.set, have.set)) > 0 {
			return false
		}
	}
	return true
}

// merge walks both lists by name and combines the entries of each name.
func merge(r, o Resources, combine func(a, b resource) resource) Resources {
	if len(o) == 0 {
		return r
	}
	out := make(Resources, 0, max(len(r), len(o)))
	keep := func(x resource) {
		if !x.empty() {
			out = append(out, x)
		}
	}
	i, j := 0, 0
	for i < len(r) || j < len(o) {
		switch {
		case j == len(o) || i < len(r) && r[i].name < o[j].name:
			keep(r[i])
			i++
		case i == len(r) || o[j].name < r[i].name:
			keep(combine(resource{name: o[j].name}, o[j]))
			j++
		default:
			keep(combine(r[i], o[j]))
			i, j = i+1, j+1
		}
	}
	return out
}

// joinSpans is the union.
func joinSpans(a, b []span) []span {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.begin, y.begin) })
	out := all[:1]
	for _, s := range all[1:] {
		last := &out[len(out)-1]
		if s.begin > last.end && s.begin-last.end > 1 {
			out = append(out, s)
		} else {
			last.end = max(last.end, s.end)
		}
	}
	return out
}

// cutSpans is a without what is in b.
func cutSpans(a, b []span) []span {
	if len(b) == 0 || len(a) == 0 {
		return a
	}
	var out []span
	for _, s := range a {
		gone := false
		for _, c := range b {
			if c.end < s.begin || c.begin > s.end {
				continue
			}
			if c.begin > s.begin {
				out = append(out, span{s.begin, c.begin - 1})
			}
			if c.end >= s.end {
				gone = true
				break
			}
			s.begin = c.end + 1
		}
		if !gone {
			out = append(out, s)
		}
	}
	return out
}

func joinSets(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func cutSet(a, b []string) []string {
	if len(b) == 0 || len(a) == 0 {
		return a
	}
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

// formatScalar writes thousandths as a decimal without trailing zeros.
func formatScalar(milli int64) string {
	return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64)
}

// value writes an entry as Mesos does: 0.5, [31000-32000], {a, b}.
func (r resource) value() string {
	switch {
	case r.ranges != nil:
		parts := make([]string, len(r.ranges))
		for i, s := range r.ranges {
			parts[i] = fmt.Sprintf("%d-%d", s.begin, s.end)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case r.set != nil:
		return "{" + strings.Join(r.set, ", ") + "}"
	}
	return formatScalar(r.scalar)
}

// String is Mesos' notation, as ParseResources reads it.
func (r Resources) String() string {
	parts := make([]string, len(r))
	for i, x := range r {
		parts[i] = x.name + ":" + x.value()
	}
	return strings.Join(parts, ";")
}
