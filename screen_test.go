package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// shown is what a screen makes of a text that comes in parts of so many bytes.
func shown(t *testing.T, text string, part int) string {
	t.Helper()
	var b bytes.Buffer
	s := &screen{out: &b}
	for at := 0; at < len(text); at += part {
		if n, err := s.Write([]byte(text[at:min(at+part, len(text))])); err != nil || n != min(part, len(text)-at) {
			t.Fatal(n, err)
		}
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestScreen(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"a\tb\nc ärger 文\n", "a\tb\nc ärger 文\n"},
		{"\x1b[1;31mred\x1b[m\n", "\x1b[1;31mred\x1b[m\n\x1b[0m"},
		{"\x1b[38:2::1:2:3mx", "\x1b[38:2::1:2:3mx\x1b[0m"},
		{"10%\r20%\r\n", "10%\n20%\n"},
		{"end\r", "end\n"},
		{"\x1b[2J\x1b[1A\x1b]0;owned\a", `\x1b[2J\x1b[1A\x1b]0;owned\x07`},
		{"\x1b[31", `\x1b[31`},
		{"\x1b", `\x1b`},
		{"\x1b\x1b[0mx", `\x1b` + "\x1b[0mx\x1b[0m"},
		{"\x1b[" + strings.Repeat("1;", 40) + "m", `\x1b[` + strings.Repeat("1;", 40) + "m"},
		{"\u202e\u009b31m\x00\x7f\b", `\u202e\u009b31m\x00\x7f\x08`},
		{"\xff\xe6\x96", `\xff\xe6\x96`},
	} {
		for part := 1; part <= 4; part++ {
			if got := shown(t, tt.text, part); got != tt.want {
				t.Errorf("%q in parts of %d: %q, want %q", tt.text, part, got, tt.want)
			}
		}
	}
}

var chosenColours = regexp.MustCompile(`\x1b\[[0-9;:]*m`)

// FuzzScreen: beside colours nothing is obeyed, whatever parts it comes in.
func FuzzScreen(f *testing.F) {
	f.Add("a\x1b[31mb\r\n\xff\u202e")
	f.Add("\x1b[\x1b[0;\x1b]m\r\r")
	f.Fuzz(func(t *testing.T, text string) {
		whole := shown(t, text, max(1, len(text)))
		if rest := strings.ReplaceAll(chosenColours.ReplaceAllString(whole, ""), "\t", ""); !harmless(rest) {
			t.Fatalf("%q is shown as %q", text, whole)
		}
		for part := 1; part <= 3; part++ {
			if got := shown(t, text, part); got != whole {
				t.Fatalf("%q is shown as %q, in parts of %d as %q", text, whole, part, got)
			}
		}
	})
}
