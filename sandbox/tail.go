package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tail reads the last lines of a file of a launch: at most so many, and at most
// so many bytes of them (no more than tailParts parts are looked at). The text is
// clean: valid UTF-8 without control characters but newline and tab, and without
// a newline at its end. Hide has pairs of a text that is not to be seen and what
// stands in its place.
func Tail(ctx context.Context, f Files, l Launch, name string, lines, most int, hide ...string) (string, error) {
	data, size, err := f.Read(ctx, l, name, 0, PartSize)
	switch {
	case err != nil:
	case l.Executor == "":
		data, err = tailOfCommand(ctx, f, l, name, data, size, lines, most)
	case size > int64(len(data)): // more than most, as control characters go
		data, _, err = f.Read(ctx, l, name, max(0, size-int64(min(4*most, PartSize))), PartSize)
	}
	if err != nil {
		return "", fmt.Errorf("tail: %w", err)
	}
	if len(hide) > 0 {
		data = []byte(strings.NewReplacer(hide...).Replace(string(data)))
	}
	return lastLines(data, lines, most), nil
}

// tailParts bounds how far back Tail looks for what the command itself wrote.
const tailParts = 4

// tailOfCommand reads what Mesos' command executor left in a file, without what that
// wrote itself. It goes back for as long as there is little else. data is the
// beginning of the file.
func tailOfCommand(ctx context.Context, f Files, l Launch, name string, data []byte, size int64, lines, most int) ([]byte, error) {
	if size <= int64(len(data)) {
		return withoutMesos(data, 0), nil
	}
	data = nil
	for begin, end := size, size; ; end = begin {
		begin = max(0, size-int64(len(data))-PartSize)
		part, err := io.ReadAll(io.LimitReader(&partReader{ctx: ctx, files: f, launch: l, name: name, at: begin}, end-begin))
		if err != nil {
			return nil, err
		}
		if int64(len(part)) < end-begin { // it was cut off meanwhile: what is behind is not what was meant
			return nil, fmt.Errorf("%q: %w", name, errChanged)
		}
		data = append(part, data...)
		unsure := 0
		if begin > 0 {
			unsure = min(mesosMost, len(data))
		}
		own := withoutMesos(data, unsure)
		enough := len(own) == len(data)-unsure || len(own) >= 4*most || bytes.Count(own, []byte("\n")) > lines
		if enough || begin == 0 || len(data) >= tailParts*PartSize {
			return own, nil
		}
	}
}

// What Mesos puts beside what the command writes: its command executor and its
// fetcher log there (glog, from a C++ source), and where it makes a container of its
// own it says what it does for that, and that nobody waits for it any more once the
// agent gave it up (src/slave/containerizer/mesos/launch.cpp).
const (
	glogLine = `\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.-]+\.cpp:\d+\] .*`
	steps    = `Marked '/' as rslave|Preparing rootfs at '/.*'|Changing root to /.*|Executing pre-exec command '.*'|Overwriting environment variable '.*'|` +
		`Failed to synchronize with agent \(it's probably exited\)`
)

// mesosMost is the longest message of that log, in bytes: glog cuts what is longer.
const mesosMost = 30_000

var (
	mesosLog  = regexp.MustCompile(`(?m)^[IWEF]` + glogLine + `(?:\n|\z)`)
	mesosLine = regexp.MustCompile(`(?m)^(?:[IWEF]` + glogLine + `|` + steps + `)(?:\n|\z)`)
	mesosInfo = regexp.MustCompile(`(?m)^(?:I` + glogLine + `|` + steps + `)(?:\n|\z)`) // nothing went wrong

	mesosBehind = regexp.MustCompile(`I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ executor\.cpp:\d+\] .*`)
)

// withoutMesos leaves out what Mesos itself said; but where the command said nothing,
// not what Mesos warns of. A text without any line of Mesos' log is the command's.
//
// The first unsure bytes are left out, too. They are those of a text without its
// beginning that may be the rest of a message of Mesos.
func withoutMesos(data []byte, unsure int) []byte {
	if !mesosLog.Match(data) && !treesBegin.Match(data) {
		return without(data, unsure, launchesIn(data))
	}
	never := slices.Concat(treesIn(data), launchesIn(data), behindLines(data))
	if own := without(data, unsure, never, mesosLine.FindAllIndex(data, -1)); len(bytes.TrimSpace(own)) > 0 {
		return own
	}
	return without(data, unsure, never, mesosInfo.FindAllIndex(data, -1))
}

// behindLines finds what Mesos' command executor says behind a line of the command
// that has no end yet. Its end is that of the line.
func behindLines(data []byte) [][]int {
	var spans [][]int
	for _, line := range linesWith(data, " executor.cpp:") {
		if at := mesosBehind.FindIndex(data[line[0]:line[1]]); at != nil {
			spans = append(spans, []int{line[0] + at[0], line[0] + at[1]})
		}
	}
	return spans
}

// without leaves out the first bytes of a text, and others between offsets.
func without(data []byte, first int, spans ...[][]int) []byte {
	dropped := make([]bool, len(data))
	for _, span := range slices.Concat(spans...) {
		for i := span[0]; i < span[1]; i++ {
			dropped[i] = true
		}
	}
	own := make([]byte, 0, len(data)-first)
	for i := first; i < len(data); i++ {
		if !dropped[i] {
			own = append(own, data[i])
		}
	}
	return own
}

// lastLines is the clean end of a text.
func lastLines(data []byte, lines, most int) string {
	if over := len(data) - 4*most; over > 0 {
		data = data[over:]
		for len(data) > 0 && !utf8.RuneStart(data[0]) { // the rest of a character
			data = data[1:]
		}
	}
	text := strings.TrimRight(clean(data), "\n")
	begin := len(text)
	for n := 0; n < lines && begin > 0; n++ {
		begin = strings.LastIndexByte(text[:begin-1], '\n') + 1
	}
	text = text[begin:]
	for len(text) > most || text != "" && !utf8.RuneStart(text[0]) {
		text = text[max(1, len(text)-most):]
	}
	return text
}

// escapes are what terminals are told to colour a text and to move about.
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// clean makes text of bytes: what is not UTF-8 is replaced, what cannot be seen but
// newline and tab is dropped, such as what turns the direction of writing around.
func clean(data []byte) string {
	data = escapes.ReplaceAll(data, nil)
	return string(bytes.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r // of invalid bytes bytes.Map makes utf8.RuneError
	}, data))
}
