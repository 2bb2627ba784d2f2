package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"cmdq/task"
	"cmdq/web"
)

// paper is what a verb says in words. What comes from tasks goes through plain
// before it gets there.
type paper struct {
	text  bytes.Buffer
	width int // columns of the terminal; 0: there is none
	now   time.Time
	kept  bool // it is about a cmdq that has ended
}

func newPaper(out io.Writer) *paper {
	p := &paper{now: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = max(width, 20)
		}
	}
	return p
}

func (p *paper) printf(format string, args ...any) { fmt.Fprintf(&p.text, format, args...) }

// field is a line of a page, left out if it says nothing.
func (p *paper) field(name, value string) {
	if value != "" {
		p.printf("%-11s %s\n", name, value)
	}
}

// list is a field that stands in a line each.
func (p *paper) list(name string, values []string) {
	for _, v := range values {
		p.field(name, plain(v))
		name = ""
	}
}

// table writes rows of cells below each other, the last ones as long as they
// are, but on a terminal no further than its edge. A cell without text is -.
func (p *paper) table(rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			if row[i] == "" {
				row[i] = "-"
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var line strings.Builder
	for _, row := range rows {
		line.Reset()
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		p.text.WriteString(cutTo(line.String(), p.width))
		p.text.WriteByte('\n')
	}
}

// cutTo bounds a line to so many columns; 0: it may have any.
func cutTo(line string, width int) string {
	if width == 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}

// plain makes a text that a task, or somebody else, has chosen one line that a
// terminal shows and does not obey: control characters, those that turn the
// direction of writing around, and what is no UTF-8 come as \n, \x1b, \u202e.
func plain(text string) string {
	if strings.IndexFunc(text, obeyed) < 0 {
		return text
	}
	var b strings.Builder
	for i, c := range text {
		if !obeyed(c) {
			b.WriteRune(c)
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); c == utf8.RuneError && size > 1 {
			b.WriteRune(c)
		} else {
			b.WriteString(escaped(c, text[i]))
		}
	}
	return b.String()
}

// obeyed tells whether a terminal may do something else with it than show it. It
// is true of utf8.RuneError too, which may stand for any byte.
func obeyed(c rune) bool { return c == utf8.RuneError || !unicode.IsGraphic(c) }

// escaped is what stands for a character, the first byte of which is given.
func escaped(c rune, first byte) string {
	switch {
	case c == utf8.RuneError || c < ' ' && !strings.ContainsRune("\n\r\t", c) || c == 0x7f:
		return fmt.Sprintf(`\x%02x`, first)
	case c == '\n':
		return `\n`
	case c == '\r':
		return `\r`
	case c == '\t':
		return `\t`
	case c > 0xFFFF:
		return fmt.Sprintf(`\U%08x`, c)
	}
	return fmt.Sprintf(`\u%04x`, c)
}

// clock is a time of the API in words, here: 2026-11-21T17:20:22.
func clock(stamp string) string {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return plain(stamp)
	}
	return t.Local().Format("2006-01-02T15:04:05")
}

// between is how long it was from one time of the API to another, or nothing. If
// the later one is empty, that is now.
func (p *paper) between(from, to string) string {
	a, err := time.Parse(time.RFC3339, from)
	if err != nil {
		return ""
	}
	b := p.now
	if to != "" {
		if b, err = time.Parse(time.RFC3339, to); err != nil {
			return ""
		}
	}
	return span(b.Sub(a))
}

// span is a duration as far as people want to know it: 0.25s, 3.2s, 4m10s.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Second:
		d = d.Round(10 * time.Millisecond)
	case d < time.Minute:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	if d < time.Second && d > 0 {
		return fmt.Sprintf("%.3gs", d.Seconds())
	}
	return d.String()
}

// seconds is span of a number that may be anything.
func seconds(s float64) string {
	if math.IsNaN(s) || s > 1e8 {
		return "years"
	}
	return span(time.Duration(s * float64(time.Second)))
}

// amounts are resources in words.
func amounts(r web.Resources) string {
	text := fmt.Sprintf("%g cpus, %d MB", r.CPUs, r.Mem)
	if r.Disk > 0 {
		text += fmt.Sprintf(", %d MB of disk", r.Disk)
	}
	if r.GPUs > 0 {
		text += ", " + task.FormatGPUs(r.GPUs)
	}
	return text
}
