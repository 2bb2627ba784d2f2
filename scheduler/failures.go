package scheduler

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"cmdq/task"
)

// FailureGroup are tasks that failed, or were killed, alike.
type FailureGroup struct {
	Key     string // names it to RetryTasks
	State   task.State
	Reason  string
	Exit    task.Exit
	Line    string // the last one of standard error, blurred
	Count   int
	Example task.ID // the first of them in the queue
	seq     uint64
}

// failureOf is what a failure has in common with those alike.
type failureOf struct {
	state  task.State
	reason string
	exit   task.Exit
	line   string
}

func failure(end *task.End) failureOf {
	exit := end.Exit
	if end.Reason == cancelled || end.Reason == groupStopped {
		exit = task.Exit{} // it is told by that why they ended, whatever they were at
	}
	return failureOf{end.State, end.Reason, exit, blur(lastLine(end.Stderr))}
}

// FailureKey names the group of failures that a task is in: a short hash.
func FailureKey(t *task.Task) string {
	if t.End == nil {
		return ""
	}
	return failure(t.End).key()
}

func (f failureOf) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %v %d %q %q", f.state, f.reason, f.exit.Known, f.exit.Code, f.exit.Signal, f.line))
	return hex.EncodeToString(sum[:4])
}

// Failed are the tasks of a queue that ended otherwise than finished, as far as that
// is needed to group them. It keeps nothing of the queue.
type Failed []failed

type failed struct {
	id  task.ID
	seq uint64
	end task.End
}

// FailedOf finds them, which is quick; to group them takes longer.
func FailedOf(tasks iter.Seq[*task.Task]) Failed {
	var out Failed
	for t := range tasks {
		if t.State == task.Failed || t.State == task.Killed {
			out = append(out, failed{t.ID, t.Seq, *t.End})
		}
	}
	return out
}

// Groups are those alike together, the largest group first.
func (f Failed) Groups() []FailureGroup {
	groups := map[failureOf]*FailureGroup{}
	for i := range f {
		t := &f[i]
		kind := failure(&t.end)
		g := groups[kind]
		if g == nil {
			g = &FailureGroup{Key: kind.key(), State: kind.state, Reason: kind.reason, Exit: kind.exit, Line: kind.line, Example: t.id, seq: t.seq}
			groups[kind] = g
		}
		g.Count++
		if t.seq < g.seq {
			g.Example, g.seq = t.id, t.seq
		}
	}
	out := make([]FailureGroup, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b FailureGroup) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.seq, b.seq)) })
	return out
}

// Failures groups the tasks that ended otherwise than finished, the largest group
// first.
func Failures(tasks iter.Seq[*task.Task]) []FailureGroup { return FailedOf(tasks).Groups() }

func lastLine(text string) string {
	text = strings.TrimRight(text, " \t\r\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

var aUUID = regexp.MustCompile(`(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// blur puts a * for what differs between lines that say the same: paths and
// addresses, numbers, and what looks like a hash.
func blur(line string) string {
	const most = 200
	line = line[:min(len(line), 2*most)]
	if strings.Count(line, "-") >= 4 { // the expression is slow
		line = aUUID.ReplaceAllLiteralString(line, "0") // a number like any other
	}
	line = strings.ToValidUTF8(line[:min(len(line), most)], "")
	var out strings.Builder
	for len(line) > 0 {
		n := 0
		for n < len(line) && inWord(line[n]) {
			n++
		}
		if n == 0 {
			out.WriteByte(line[0])
			line = line[1:]
			continue
		}
		blurWord(&out, line[:n])
		line = line[n:]
	}
	return out.String()
}

// inWord tells whether a byte is part of a word, a path or a number.
func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || strings.IndexByte("_.+~@%-/", c) >= 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func blurWord(out *strings.Builder, word string) {
	hex, digits := 0, 0
	for i := range len(word) {
		c := word[i]
		if isDigit(c) {
			digits++
		}
		if isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' {
			hex++
		}
	}
	body := strings.TrimRight(word, ".")
	switch {
	case strings.Contains(word, "/"), digits > 0 && hex == len(body) && hex >= 6,
		digits > 0 && strings.HasPrefix(word, "0x"):
		out.WriteString("*" + word[len(body):])
	case digits == 0:
		out.WriteString(word)
	default:
		for i := 0; i < len(word); i++ {
			if !isDigit(word[i]) {
				out.WriteByte(word[i])
			} else if i == 0 || !isDigit(word[i-1]) {
				out.WriteByte('*')
			}
		}
	}
}
