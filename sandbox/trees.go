package sandbox

import (
	"bytes"
	"regexp"
)

// What Mesos' command executor says of the processes that it sends a signal to
// (src/launcher/executor.cpp; 3rdparty/stout/include/stout/os/process.hpp):
//
//	I1122 … executor.cpp:969] Sent SIGTERM to the following process trees:
//	[␠
//	-+- 3467 sh -c echo a␠
//	 |--- 3480 sleep 50␠
//	 \--- 3483 sleep 1␠
//	]
//
// Trees are told apart by an empty line; there may be none. A command is its
// arguments, each with a space behind it, or in parentheses that of a zombie. Where it
// has several lines, so has the tree, and only those of children begin with a mark
// (" |", or spaces). A command that is about to be started is still Mesos' own, with
// all of its environment among its arguments, secrets too.
//
// The announcement may stand behind a line of the command without an end.
var (
	treesBegin = regexp.MustCompile(`(?m)[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.-]+\.cpp:\d+\] .*process trees:$`)
	treeLine   = regexp.MustCompile(`(?m)^[ |]*[|\\]?-[-+]- \d+ `)
)

// What tells these lines from others; the expressions are slow.
const announced = "process trees:\n"

var launching = []string{"--launch_info=", "mesos-containerizer launch --"}

// launchesIn finds the lines of commands that are about to be started.
func launchesIn(data []byte) [][]int {
	var spans [][]int
	for _, mark := range launching {
		spans = append(spans, linesWith(data, mark)...)
	}
	return spans
}

// linesWith finds the lines that hold a mark.
func linesWith(data []byte, mark string) [][]int {
	var spans [][]int
	for end := 0; ; {
		at := bytes.Index(data[end:], []byte(mark))
		if at < 0 {
			return spans
		}
		at += end
		begin := bytes.LastIndexByte(data[:at], '\n') + 1
		line, _, _ := bytes.Cut(data[at:], []byte("\n"))
		end = min(at+len(line)+1, len(data))
		spans = append(spans, []int{begin, end})
	}
}

// treesIn finds all process trees in a text, with what announces them.
func treesIn(data []byte) [][]int {
	var spans [][]int
	if end := restOfTrees(data); end > 0 {
		spans = append(spans, []int{0, end})
	}
	var begins [][]int // of what announces them, and of what is behind that
	for _, line := range linesWith(data, announced) {
		if at := treesBegin.FindIndex(data[line[0]:line[1]]); at != nil {
			begins = append(begins, []int{line[0] + at[0], line[1]})
		}
	}
	for i, at := range begins {
		end := len(data)
		if i+1 < len(begins) {
			end = begins[i+1][0] // no message has another one in it, and no byte is looked at twice
		}
		most := min(end, at[0]+mesosMost)
		spans = append(spans, []int{at[0], at[1] + endOfTrees(data[at[1]:max(at[1], most)], most < end)})
	}
	return spans
}

// endOfTrees finds the end of trees at the beginning of a text. It is that of the
// text, up to another message of Mesos, if they have none: a message that is too long
// is cut. more tells whether the text was longer than a message can be.
func endOfTrees(text []byte, more bool) int {
	if next := mesosLog.FindIndex(text); next != nil {
		text, more = text[:next[0]], false
	}
	end, sure, again := 0, false, false
	lines := lineReader{text: text}
	for lines.next() {
		switch {
		case !lines.closes():
			again = again || sure && treeLine.Match(lines.line)
		case !sure:
			end, sure = lines.end, lines.closesTrees()
		case again: // so that was a line of a command
			end, again = lines.end, false
		}
	}
	switch {
	case sure, end > 0 && !more:
		return end
	case more:
		return bytes.LastIndexByte(text, '\n') + 1
	}
	return len(text)
}

// restOfTrees finds the end of trees whose beginning is not in a text, such as that of
// a file that was rotated; 0: it does not begin in trees.
func restOfTrees(data []byte) int {
	next := mesosLog.FindIndex(data)
	if next == nil || next[0] > mesosMost || treesBegin.Match(data[:next[0]]) {
		return 0
	}
	end, told := 0, false
	lines := lineReader{text: data[:next[0]]}
	for lines.next() {
		told = told || lines.end == next[0] || treeLine.Match(lines.line) || len(launchesIn(lines.line)) > 0
		if told && lines.closes() && lines.closesTrees() {
			end = lines.end
		}
	}
	return end
}

// lineReader goes through the lines of a text.
type lineReader struct {
	text       []byte
	end        int // of the line, with its newline
	line       []byte
	last, then []byte // the line before it, and the one before that
}

func (r *lineReader) next() bool {
	if r.end == len(r.text) {
		return false
	}
	r.then, r.last = r.last, r.line
	line, _, whole := bytes.Cut(r.text[r.end:], []byte("\n"))
	r.line = line
	if r.end += len(line); whole {
		r.end++
	}
	return true
}

// closes tells whether the line may be the last one of trees.
func (r *lineReader) closes() bool { return string(r.line) == "]" }

// closesTrees tells whether such a line is that, by what is before it: a command, or
// no tree at all.
func (r *lineReader) closesTrees() bool {
	if len(r.last) == 0 {
		return string(r.then) == "[ "
	}
	c := r.last[len(r.last)-1]
	return c == ' ' || c == ')'
}
