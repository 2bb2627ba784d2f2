package task

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxArgument is what Linux takes for one argument or variable, in bytes
// without the NUL at its end (execve(2), MAX_ARG_STRLEN).
const maxArgument = 128<<10 - 1

const maxLine = maxArgument - len("CMDQ_LINE=")

// ReadList reads a file that each_line names, up to one byte more than
// MaxFileSize. It waits for nothing: what is no regular file is an error.
func ReadList(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read the list: %w", &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file")})
	}
	data, err := readAll(f, MaxFileSize)
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	return data, nil
}

// oneSeries tells whether a task, or defaults, makes several tasks, and notes it
// if that is said twice.
func (r *reader) oneSeries(e *[numFields]*yaml.Node) bool {
	first := noField
	for _, f := range []field{fieldCount, fieldEach, fieldEachLine} {
		if e[f] == nil {
			continue
		}
		if first != noField {
			later := e[f]
			if e[first].Line > later.Line {
				later = e[first]
			}
			r.fail(later, "found both %s and %s, allowed is one of count, each and each_line", fieldNames[first], fieldNames[f])
		}
		first = f
	}
	return first != noField
}

// each is a list in the tasks file itself.
func (r *reader) each(n *yaml.Node) *Series {
	items, ok := r.items("each", n, "a list of texts")
	switch {
	case !ok:
		return nil
	case len(items) == 0:
		r.fail(deref(n), "each: found an empty list, allowed is one text or more")
		return nil
	case len(items) > MaxCount:
		r.fail(deref(n), "each: found %d texts, allowed are at most %d", len(items), MaxCount)
		return nil
	}
	lines := make([]string, len(items))
	for i, item := range items {
		s, ok := r.scalar("each", item, "text for each item")
		if ok && s == "" {
			r.fail(deref(item), "each: found an empty text, allowed is one that is not")
		}
		if len(s) > maxLine {
			r.fail(deref(item), "each: found a text of %d bytes, allowed are at most %d: no command can be started with more", len(s), maxLine)
		}
		lines[i] = s
	}
	return &Series{First: 1, Lines: lines}
}

// list is a file of each_line: its lines, or what is wrong with it.
type list struct {
	lines []string
	what  string
}

// eachLine is a list in a file of its own. What its lines hold may be a secret,
// as what env holds: no error shows it.
func (r *reader) eachLine(n *yaml.Node) *Series {
	path, ok := r.scalar("each_line", n, "the name of a file")
	if ok && path == "" {
		r.fail(deref(n), "each_line: found an empty text, allowed is the name of a file")
	}
	if path == "" {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.folder, path)
	}
	l, ok := r.lists[path]
	if !ok {
		l = r.readLines(path)
		r.lists[path] = l
	}
	if l.what != "" {
		r.fail(deref(n), "each_line: %s: %s", quote(path, 200), l.what)
		return nil
	}
	return &Series{First: 1, Lines: l.lines}
}

func (r *reader) readLines(path string) list {
	data, err := r.readList(path)
	if err != nil {
		return list{what: withoutPath(err)}
	}
	if r.listBytes += len(data); r.listBytes > MaxFileSize {
		return list{what: fmt.Sprintf("found more than %d MB in the lists up to here, allowed are at most so many", MaxFileSize>>20)}
	}
	return splitLines(data)
}

// splitLines cuts a file into its lines. They end in LF or CRLF, and the last one
// may end with the file; an empty one is no task, but counts.
func splitLines(data []byte) list {
	text := strings.TrimPrefix(string(data), "\ufeff")
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	if n > MaxCount {
		return list{what: fmt.Sprintf("found %d lines, allowed are at most %d", n, MaxCount)}
	}
	lines, some := make([]string, 0, n), false
	for len(lines) < n {
		line, rest, _ := strings.Cut(text, "\n")
		line, text = strings.TrimSuffix(line, "\r"), rest
		lines = append(lines, line)
		some = some || line != ""
		what := ""
		switch {
		case len(line) > maxLine:
			what = fmt.Sprintf("has %d bytes, allowed are at most %d: no command can be started with more", len(line), maxLine)
		case strings.IndexByte(line, 0) >= 0:
			what = "has a NUL byte, allowed is text without one"
		case !utf8.ValidString(line):
			what = "is not UTF-8, allowed is text in UTF-8"
		default:
			continue
		}
		return list{what: fmt.Sprintf("line %d %s", len(lines), what)}
	}
	if !some {
		return list{what: "found no line with any text, allowed is one or more"}
	}
	return list{lines: lines}
}

// partsKey is a list, by its first line, and how it is cut.
type partsKey struct {
	first *string
	limit int
}

// appendParts appends the spec, or those that take its place since its list is
// cut into parts. The text of a part is about as much as that of the spec, or
// more: then the journal, where each part is a spec, has at most twice the text
// that there is.
func (r *reader) appendParts(specs []*Spec, s *Spec, n *yaml.Node) []*Spec {
	if s.Series == nil || s.Series.Lines == nil {
		return append(specs, s)
	}
	before := r.listLines
	if r.listLines += len(s.Series.Lines); r.listLines > MaxTasks {
		if before <= MaxTasks {
			r.fail(n, "found lists of more than %d lines up to here, allowed are at most so many", MaxTasks)
		}
		return append(specs, s)
	}
	r.fillable(s, n)
	key := partsKey{&s.Series.Lines[0], partText}
	for key.limit < s.size() && key.limit < maxSpec {
		key.limit *= 2
	}
	parts, ok := r.parts[key]
	if !ok {
		parts = cutLines(s.Series.Lines, key.limit)
		r.parts[key] = parts
	}
	for _, part := range parts {
		one := *s
		one.Series = part
		specs = append(specs, &one)
	}
	return specs
}

// partText is how many bytes of lines a spec of little text has.
const partText = 64 << 10

// fillable checks that every line can be put into what the task runs.
func (r *reader) fillable(s *Spec, n *yaml.Node) {
	inQuotes := strings.Contains(s.Command, hole) && quotedHole(s.Command)
	redirected := redirected(s.Command)
	longest, at := 0, 0 // as the command has it
	for i, line := range s.Series.Lines {
		if inQuotes && line != "" && !isPlain(line) {
			r.fail(n, "line %d of the list has characters with a meaning to the shell, and command has {} within quotes, allowed is {} "+
				"without quotes around it, since it is quoted already, or \"$CMDQ_LINE\"", s.Series.First+i)
			inQuotes = false
		}
		length := len(line)
		if s.Command != "" {
			length = quotedLen(line)
			if redirected && allDigits(line) {
				length += len("''")
			}
		}
		if length > longest {
			longest, at = length, s.Series.First+i
		}
	}
	all := s.size() + longest
	for _, text := range append([]string{s.Command}, s.Argv...) {
		more := strings.Count(text, hole) * (longest - len(hole))
		all += max(more, 0)
		if more > 0 && len(text)+more > maxArgument {
			r.fail(n, "line %d of the list makes an argument of %d bytes, allowed are at most %d: no command can be started with more",
				at, len(text)+more, maxArgument)
			return
		}
	}
	if all > maxSpec {
		r.fail(n, "found %d bytes of text in all with line %d of the list, allowed are at most %d: no command can be started with more", all, at, maxSpec)
	}
}
