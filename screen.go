package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is a terminal on which the output of a command is shown. Lines, tabs and
// colours are kept; whatever else a terminal would obey is shown instead, and what
// would be written over a line comes below it. One goroutine writes.
type screen struct {
	out   io.Writer
	rest  []byte // the beginning of a character, or of a sequence
	began bool   // a colour, or the like, may still be on
}

// maxSequence bounds a sequence of colours, in bytes.
const maxSequence = 64

// newScreen is for what a command wrote, if out is a terminal; else it is out
// itself, and gets every byte. end comes after the last of it.
func newScreen(out *os.File) (w io.Writer, end func() error) {
	if !term.IsTerminal(int(out.Fd())) {
		return out, func() error { return nil }
	}
	s := &screen{out: out}
	return s, s.end
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	text := append(s.rest, p...)
	var b bytes.Buffer
	for len(text) > 0 {
		n := s.show(&b, text, false)
		if n == 0 {
			break
		}
		text = text[n:]
	}
	s.rest = bytes.Clone(text)
	if _, err := s.out.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end shows what was begun and not ended, and turns colours off.
func (s *screen) end() error {
	var b bytes.Buffer
	for text := s.rest; len(text) > 0; {
		text = text[s.show(&b, text, true):]
	}
	if s.rest = nil; s.began {
		b.WriteString("\x1b[0m")
	}
	_, err := s.out.Write(b.Bytes())
	return err
}

// show writes what stands for the first character of a text, or for a sequence,
// and tells how long that was; 0: what comes next may belong to it.
func (s *screen) show(b *bytes.Buffer, text []byte, last bool) int {
	switch c := text[0]; {
	case c == '\n' || c == '\t':
		b.WriteByte(c)
		return 1
	case c == '\r':
		switch {
		case len(text) == 1 && !last:
			return 0
		case len(text) > 1 && text[1] == '\n':
			return 1 // the end of a line as Windows has it
		}
		b.WriteByte('\n')
		return 1
	case c == 0x1b:
		n, whole := colours(text)
		if whole {
			s.began = true
			b.Write(text[:n])
			return n
		}
		if n == len(text) && n < maxSequence && !last {
			return 0
		}
	}
	if !utf8.FullRune(text) && !last {
		return 0
	}
	c, n := utf8.DecodeRune(text)
	if obeyed(c) && (c != utf8.RuneError || n == 1) {
		b.WriteString(escaped(c, text[0]))
	} else {
		b.Write(text[:n])
	}
	return n
}

// colours tells how much of the beginning of a text could be a sequence that
// chooses colours, such as ESC [ 1;31 m, and whether that is a whole one.
func colours(text []byte) (n int, whole bool) {
	for n = 1; n < len(text) && n < maxSequence; n++ {
		switch c := text[n]; {
		case n == 1 && c == '[':
		case n > 1 && (c >= '0' && c <= '9' || c == ';' || c == ':'):
		case n > 1 && c == 'm':
			return n + 1, true
		default:
			return n, false
		}
	}
	return n, false
}

// errScreen keeps the first of two errors.
func errScreen(err error, end func() error) error {
	if ended := end(); err == nil && ended != nil {
		return fmt.Errorf("print: %w", ended)
	}
	return err
}
