package task

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// document reads the one YAML document of a file. It gives nil after an error.
func (r *report) document(data []byte) *yaml.Node {
	if line, what := badText(data); what != "" {
		r.failLine(line, what)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := decode(dec, &doc)
	if errors.Is(err, io.EOF) {
		r.failLine(1, "found an empty file, allowed is a map with tasks")
		return nil
	}
	if err != nil {
		r.syntax(err, data)
		return nil
	}
	switch err := decode(dec, &second); {
	case err == nil:
		r.failLine(second.Line, "found a second document, allowed is one in a file")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err, data)
		return nil
	}
	return doc.Content[0]
}

// decode reads the next document. yaml.v3 panics on a few malformed texts (its
// "internal error … please report"); to a reader those are bad YAML too.
func decode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: cannot be read (%v)", p)
		}
	}()
	return dec.Decode(n)
}

var yamlError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntax notes an error of yaml.v3 with the line it belongs to.
//
// yaml.v3 gives three kinds of lines (its decode.go, parser.fail). The scanner's
// are right, but for a tab within a text, and left out where they are 1. The
// grammar's are one too low, and often those of the list or map in which the
// trouble is, a long way above it. Other errors have none. For the latter two the
// file is read once more, line by line, to see how far yaml.v3 comes.
func (r *report) syntax(err error, data []byte) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		r.failLine(1, "not YAML: "+err.Error())
		return
	}
	line, _ := strconv.Atoi(m[1]) // no digits: 0
	what := "not YAML: " + m[2]
	switch {
	case isGrammar(m[2]):
		begin, noticed := line+1, stopLine(data)
		if line > 0 && begin < noticed {
			what += fmt.Sprintf(", in what begins on line %d", begin)
		}
		line = noticed
	case line == 0 && !isScanner(m[2]), strings.HasPrefix(m[2], "found a tab character"):
		line = stopLine(data)
	}
	r.failLine(line, what)
}

func isGrammar(what string) bool {
	for _, expected := range []string{"key", "'-' indicator", "node content", "',' or ']'", "',' or '}'", "<document start>"} {
		if what == "did not find expected "+expected {
			return true
		}
	}
	return false
}

// isScanner tells whether yaml.v3 names the line of this error unless it is 1.
func isScanner(what string) bool {
	return !strings.HasPrefix(what, "unknown anchor") && !strings.HasPrefix(what, "exceeded max depth") &&
		!strings.HasPrefix(what, "cannot be read")
}

// stopLine is the line up to which yaml.v3 reads before it gives up.
func stopLine(data []byte) int {
	lines := &lineReader{rest: data}
	dec := yaml.NewDecoder(lines)
	for {
		if err := decode(dec, new(yaml.Node)); err != nil {
			return lines.begun
		}
	}
}

// lineReader hands out at most one line a call and counts them.
type lineReader struct {
	rest  []byte
	begun int
	mid   bool // within a line
}

func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	if !l.mid {
		l.begun++
	}
	end := bytes.IndexByte(l.rest, '\n') + 1
	if end == 0 {
		end = len(l.rest)
	}
	n := copy(p, l.rest[:end])
	l.mid = n < end
	l.rest = l.rest[n:]
	return n, nil
}

// lineCount counts lines as yaml.v3 does, so that no error of its lies behind the end.
func lineCount(data []byte) int {
	n := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) - bytes.Count(data, []byte("\r\n"))
	for _, rare := range []string{"\u0085", "\u2028", "\u2029"} {
		n += bytes.Count(data, []byte(rare))
	}
	if len(data) > 0 && data[len(data)-1] != '\n' && data[len(data)-1] != '\r' {
		n++
	}
	return max(n, 1)
}

// badText finds what is no text to YAML, for which yaml.v3 gives no line. The
// set of characters is that of YAML 1.1 §5.1.
func badText(data []byte) (line int, what string) {
	for i := 0; i < len(data); {
		c, size := rune(data[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(data[i:])
		}
		switch {
		case c == utf8.RuneError && size == 1:
			what = fmt.Sprintf("found the byte 0x%02x, allowed is text in UTF-8", data[i])
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r', c >= 0x7f && c < 0xa0 && c != 0x85, c == 0xfffe, c == 0xffff:
			what = fmt.Sprintf("found the control character 0x%02x, allowed is text (write \"\\x%02[1]x\" where it is meant)", c)
		}
		if what != "" {
			return bytes.Count(data[:i], []byte("\n")) + 1, what
		}
		i += size
	}
	return 0, ""
}
