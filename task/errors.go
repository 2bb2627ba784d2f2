package task

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Error is one thing that is wrong with a tasks file.
type Error struct {
	File string
	Line int    // from 1, always within the file
	Task string // the id as the file has it, legal or not; empty where there is none
	What string // what was found, and what is allowed
}

// Error is the line a person reads: `tasks.yaml:12: task "x": what`.
func (e Error) Error() string {
	if e.Task == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What)
	}
	return fmt.Sprintf("%s:%d: task %s: %s", e.File, e.Line, quote(e.Task, maxID), e.What)
}

// Errors is all that is wrong with one file, ordered by line; never empty.
type Errors []Error

// Error lists them all, one a line, without a line break at the end.
func (e Errors) Error() string {
	var b strings.Builder
	for i, x := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(x.Error())
	}
	return b.String()
}

// report gathers the errors of one file. A node is blamed once for one thing,
// however many tasks come to it through an alias.
type report struct {
	file string
	last int    // the last line of the file
	task string // id of the task being read
	list Errors
	said map[blame]bool
}

type blame struct {
	node *yaml.Node
	what string
}

// fail notes what is wrong at n.
func (r *report) fail(n *yaml.Node, format string, args ...any) {
	b := blame{n, fmt.Sprintf(format, args...)}
	if r.said[b] {
		return
	}
	if r.said == nil {
		r.said = make(map[blame]bool)
	}
	r.said[b] = true
	r.failLine(n.Line, b.what)
}

func (r *report) failLine(line int, what string) {
	line = min(max(line, 1), r.last)
	r.list = append(r.list, Error{File: r.file, Line: line, Task: r.task, What: what})
}

// wrong notes that n does not hold what the field allows.
func (r *report) wrong(n *yaml.Node, name, allowed string) {
	r.fail(n, "%s: found %s, allowed is %s", name, found(n), allowed)
}

// err is what was gathered, by line, or nil.
func (r *report) err() error {
	if len(r.list) == 0 {
		return nil
	}
	slices.SortStableFunc(r.list, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return r.list
}

// found says what a node holds, in a person's words.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode && n.Tag == "!!map":
		return "a map"
	case n.Kind == yaml.SequenceNode && n.Tag == "!!seq":
		return "a list"
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "nothing"
	case n.Kind == yaml.ScalarNode && hasKnownTag(n):
		return quote(n.Value, 60)
	}
	return "the tag " + quote(n.Tag, 60)
}

// quote is s in quotes, cut after limit bytes, control characters escaped.
func quote(s string, limit int) string {
	if len(s) <= limit {
		return strconv.Quote(s)
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strconv.Quote(s[:limit] + "…")
}

// unknown notes a key that is none of the names, with the nearest of them.
func (r *report) unknown(key *yaml.Node, names []string) {
	if near := nearest(key.Value, names); near != "" {
		r.fail(key, "found the unknown field %s, did you mean %s?", quote(key.Value, 60), near)
		return
	}
	r.fail(key, "found the unknown field %s, allowed are %s", quote(key.Value, 60), strings.Join(names, ", "))
}

// nearest is the name that was probably meant, or nothing: one that begins
// alike (memory, mem), or else one that a few slips away.
func nearest(word string, names []string) string {
	if len(word) < 2 || len(word) > 40 {
		return ""
	}
	word = strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best, least := "", max(1, len(word)/3)+1
	for _, name := range names {
		if d := distance(word, name); d < least {
			best, least = name, d
		}
	}
	if best != "" {
		return best
	}
	for _, name := range names {
		if len(word) >= 3 && len(name) >= 3 && (strings.HasPrefix(word, name) || strings.HasPrefix(name, word)) {
			return name
		}
	}
	return ""
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour to make b out of a (the restricted Damerau-Levenshtein distance).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
