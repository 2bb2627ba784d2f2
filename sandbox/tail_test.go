package sandbox

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLastLines(t *testing.T) {
	for _, tt := range []struct {
		name  string
		data  string
		lines int
		most  int
		want  string
	}{
		{"nothing", "", 10, 100, ""},
		{"one without an end", "abc", 10, 100, "abc"},
		{"one", "abc\n", 10, 100, "abc"},
		{"the last two", "a\nb\nc\n", 2, 100, "b\nc"},
		{"as many as there are", "a\nb\nc\n", 3, 100, "a\nb\nc"},
		{"fewer than asked for", "a\nb\n", 9, 100, "a\nb"},
		{"none asked for", "a\nb\n", 0, 100, ""},
		{"empty lines count", "a\n\n\nb\n\n", 3, 100, "\n\nb"},
		{"only newlines", "\n\n\n", 2, 100, ""},
		{"too long", "0123456789\n", 10, 4, "6789"},
		{"cut in a character", "aé€", 10, 4, "€"},
		{"invalid", "a\xff\xc3b\x80\n", 1, 100, "a��b�"},
		{"control", "a\x00\x07b\tc\r\nd\u0085\n", 2, 100, "ab\tc\nd"},
		{"turned around", "a\u202etxt.exe\u202c\u200b é\n", 1, 100, "atxt.exe é"},
		{"colours", "\x1b[1;31merror\x1b[0m: no\x1b[K\n", 1, 100, "error: no"},
		{"a lone escape", "\x1b]0;title\x07", 1, 100, "]0;title"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := lastLines([]byte(tt.data), tt.lines, tt.most); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzLastLines(f *testing.F) {
	f.Add([]byte("a\nb\xff\x00\n\x1b[0m"), 2, 5)
	f.Add([]byte("\xe2\x82"), 1, 1)
	f.Fuzz(func(t *testing.T, data []byte, lines, most int) {
		most = most & 0xfff
		lines = lines & 0xff
		got := lastLines(data, lines, most)
		if len(got) > most || !utf8.ValidString(got) || strings.Count(got, "\n") >= max(lines, 1) {
			t.Errorf("%q of %q for %d lines, %d bytes", got, data, lines, most)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q holds what cannot be seen", got)
		}
	})
}

func TestWithoutMesos(t *testing.T) {
	const before = "I1121 16:32:10.331398 12106 exec.cpp:164] Version: 1.12.0\nI1121 16:32:10.334342 12122 exec.cpp:237] Executor registered on agent a-S0\n"
	const after = "I1121 16:32:10.545082 12119 executor.cpp:1041] Command exited with status 3 (pid: 12127)\n"
	const failed = "E1121 16:32:10.500000 12119 fetcher.cpp:624] EXIT with status 1: Failed to fetch 'http://h/x'\n"
	for _, tt := range []struct{ in, want string }{
		{before + "one\ntwo\n" + after, "one\ntwo\n"},
		{before + after, ""},
		{before + failed + after, failed},
		{before + "one\n" + failed + after, "one\n"},
		{failed + "Failed to synchronize with agent (it's probably exited)\n", failed},
		{"I1121 is no such line\n", "I1121 is no such line\n"},
		{"one\n" + strings.TrimSuffix(after, "\n"), "one\n"},
		{"", ""},
		// The linux launcher, with an image (Mesos 1.12).
		{"Marked '/' as rslave\n" + before + "Preparing rootfs at '/mesos/provisioner/a'\nMarked '/' as rslave\nChanging root to /mesos/provisioner/a\ncat: no\n" + after, "cat: no\n"},
		{before + "Executing pre-exec command '{\"shell\":false}'\nOverwriting environment variable 'PATH'\nFailed to prepare mounts: no\n", "Failed to prepare mounts: no\n"},
		{"Marked '/' as rslave\n" + before, ""},
		{"Changing root to /mnt\n", "Changing root to /mnt\n"}, // says the command
		{"Marked '/' as rslave, by me\n", "Marked '/' as rslave, by me\n"},
	} {
		if got := string(withoutMesos([]byte(tt.in))); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestTail(t *testing.T) {
	l := Launch{Framework: "f", Agent: "a", Task: "t"}
	long := strings.Repeat("line of text\n", 100_000) + "last\n"
	f := newTree(t, map[string]string{"stderr": long, "short": "a\nb\n", "empty": "", "wide": strings.Repeat("\x00", 200_000) + "x",
		"line": strings.Repeat("x", 200_000) + "\n", "error": strings.Repeat("x", 200_000) + "\nquit\n", "fetched": "curl: no http://ann:pw@h/x?sig=1\n", "logged": strings.Repeat("I1121 16:32:10.331398 12106 exec.cpp:164] Version: 1.12.0\n", 5000)})
	for name, want := range map[string]string{"stderr": "line of text\nlast", "short": "a\nb", "empty": "", "wide": "x", "line": strings.Repeat("x", 100)} {
		if got, err := Tail(t.Context(), f, l, name, 2, 100); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if f.reads > 8 {
		t.Errorf("%d reads for 5 tails", f.reads)
	}
	if got, err := Tail(t.Context(), f, l, "fetched", 9, 200, "http://ann:pw@h/x?sig=1", "http://…@h/x?…"); got != "curl: no http://…@h/x?…" || err != nil {
		t.Errorf("with a secret: %q, %v", got, err)
	}
	// What has lost its beginning may be of Mesos: so is all of the rest here.
	if got, err := Tail(t.Context(), f, l, "logged", 9, 100); got != "" || err != nil {
		t.Errorf("from the middle of a line: %q, %v", got, err)
	}
	// Where Mesos says nothing, it is of the command.
	if got, err := Tail(t.Context(), f, l, "error", 2, 100); got != strings.Repeat("x", 95)+"\nquit" || err != nil {
		t.Errorf("a long line and a short one: %q, %v", got, err)
	}
	if _, err := Tail(t.Context(), f, l, "nope", 2, 100); err == nil {
		t.Error("the tail of no file")
	}
}
