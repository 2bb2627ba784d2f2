package task

// Series makes several tasks of one spec: that of number n is ID-n, and finds n
// as its CMDQ_INDEX. It is not changed once made. A long list is several specs,
// each with a part of it: so a change of one line costs the journal one part,
// and no record grows with the list.
type Series struct {
	First int      // the lowest number: 0 with count, 1 where a list begins
	Count int      // how many numbers there are from First on, without Lines
	Lines []string // of each or each_line: that of number First and so on; an empty one has no task
}

// numbers is how many numbers there are from First on, those without a task too.
func (s *Series) numbers() int {
	if s.Lines != nil {
		return len(s.Lines)
	}
	return s.Count
}

// has tells whether there is a task of number n.
func (s *Series) has(n int) bool {
	i := n - s.First
	return i >= 0 && i < s.numbers() && (s.Lines == nil || s.Lines[i] != "")
}

// Len is the number of tasks of the spec.
func (s *Spec) Len() int {
	if s.Series == nil {
		return 1
	}
	if s.Series.Lines == nil {
		return s.Series.Count
	}
	n := 0
	for _, line := range s.Series.Lines {
		if line != "" {
			n++
		}
	}
	return n
}

// Line is what each or each_line has for the task, its CMDQ_LINE. It is empty
// for a task of no list, and for no other.
func (t *Task) Line() string {
	s := t.Spec.Series
	if s == nil || s.Lines == nil || !s.has(t.Index) {
		return ""
	}
	return s.Lines[t.Index-s.First]
}

// cutLines cuts lines, of which the first is number 1, into parts of about limit
// bytes, and what is left at the end into ever smaller ones, so that a line that
// is appended makes only small parts other ones. The text of each part is a piece
// of memory of its own, so that a part that is still in use does not hold all of
// a file.
func cutLines(lines []string, limit int) []*Series {
	var parts []*Series
	least := leastPart
	if limit > partText {
		least = limit // each part repeats the rest of its spec, which is long
	}
	left := 0
	for _, line := range lines {
		left += len(line) + lineOverhead
	}
	for from := 0; from < len(lines); {
		if lines[from] == "" {
			left -= lineOverhead
			from++
			continue
		}
		want := limit
		for want > left && want > least {
			want /= 2
		}
		to, last, size := from, from, 0
		for ; to < len(lines) && size < want; to++ {
			size += len(lines[to]) + lineOverhead
			if lines[to] != "" {
				last = to
			}
		}
		parts = append(parts, &Series{First: 1 + from, Lines: together(lines[from : last+1])})
		from, left = to, left-size
	}
	return parts
}

// leastPart is how many bytes are not cut any further.
const leastPart = 1 << 10

// lineOverhead is what a line takes in the journal beside its text, at most.
const lineOverhead = 3

// together copies lines into one piece of memory.
func together(lines []string) []string {
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	text := make([]byte, 0, size)
	for _, line := range lines {
		text = append(text, line...)
	}
	all, out := string(text), make([]string, len(lines))
	for i, line := range lines {
		out[i], all = all[:len(line)], all[len(line):]
	}
	return out
}
