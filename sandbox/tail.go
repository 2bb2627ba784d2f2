package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tail reads the last lines of a file of a launch: at most so many, and at most
// so many bytes of them (no more than PartSize are looked at). The text is
// clean: valid UTF-8 without control characters but newline and tab, and without
// a newline at its end. Hide has pairs of a text that is not to be seen and what
// stands in its place.
func Tail(ctx context.Context, f Files, l Launch, name string, lines, most int, hide ...string) (string, error) {
	data, size, err := f.Read(ctx, l, name, 0, PartSize)
	if err != nil {
		return "", fmt.Errorf("tail: %w", err)
	}
	if size > int64(len(data)) {
		begin := max(0, size-int64(min(4*most, PartSize))) // more than most, as control characters go
		if data, _, err = f.Read(ctx, l, name, begin, PartSize); err != nil {
			return "", fmt.Errorf("tail: %w", err)
		}
		if _, rest, _ := bytes.Cut(data, []byte("\n")); l.Executor == "" && begin > 0 && mesosLog.Match(rest) {
			data = rest // the first line may be of Mesos, too: that cannot be told without its beginning
		}
	}
	if l.Executor == "" {
		data = withoutMesos(data)
	}
	if len(hide) > 0 {
		data = []byte(strings.NewReplacer(hide...).Replace(string(data)))
	}
	return lastLines(data, lines, most), nil
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

var (
	mesosLog  = regexp.MustCompile(`(?m)^[IWEF]` + glogLine + `(?:\n|\z)`)
	mesosLine = regexp.MustCompile(`(?m)^(?:[IWEF]` + glogLine + `|` + steps + `)(?:\n|\z)`)
	mesosInfo = regexp.MustCompile(`(?m)^(?:I` + glogLine + `|` + steps + `)(?:\n|\z)`) // nothing went wrong
)

// withoutMesos leaves out what Mesos itself said; but where the command said nothing,
// not what Mesos warns of. A text without any line of Mesos' log is the command's.
func withoutMesos(data []byte) []byte {
	if !mesosLog.Match(data) {
		return data
	}
	if own := mesosLine.ReplaceAll(data, nil); len(bytes.TrimSpace(own)) > 0 {
		return own
	}
	return mesosInfo.ReplaceAll(data, nil)
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
