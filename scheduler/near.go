package scheduler

import (
	"cmp"
	"slices"

	"cmdq/task"
)

// maxSlips is how many letters an id may be away from the one that was meant.
const maxSlips = 3

// near are the ids that a person may have meant, at most three: first of all, of
// a series by its name, some of its tasks.
func (s *state) near(id task.ID) []task.ID {
	type slip struct {
		id task.ID
		n  int
	}
	var best []slip
	for t := range s.queue.All() {
		n := 0
		if t.Spec.ID != id {
			if n = slips(string(id), string(t.ID)); n > maxSlips || 2*n > len(id) {
				continue
			}
		}
		best = append(best, slip{t.ID, n})
		slices.SortFunc(best, func(a, b slip) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.id, b.id)) })
		best = best[:min(len(best), 3)]
	}
	var out []task.ID
	for _, b := range best {
		out = append(out, b.id)
	}
	return out
}

// slips counts the letters to insert, drop or change to make b out of a; more
// than maxSlips count as one more.
func slips(a, b string) int {
	if d := len(a) - len(b); d > maxSlips || d < -maxSlips || len(a) > 250 || len(b) > 250 {
		return maxSlips + 1
	}
	var rows [2][256]uint8
	for j := range len(b) + 1 {
		rows[0][j] = uint8(j)
	}
	for i := 1; i <= len(a); i++ {
		above, row := &rows[(i-1)%2], &rows[i%2]
		row[0] = uint8(i)
		least := row[0]
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(above[j]+1, row[j-1]+1, change)
			least = min(least, row[j])
		}
		if least > maxSlips {
			return maxSlips + 1
		}
	}
	return int(rows[len(a)%2][len(b)])
}
