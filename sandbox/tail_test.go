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
	f.Add([]byte("a\nb\xff\x00\n\x1b[0m"), 2, 5, 0)
	f.Add([]byte("\xe2\x82"), 1, 1, 0)
	f.Add([]byte("real-err\n"), 10, 2000, 40_000)
	f.Add([]byte("[ \n--- 5 sh -c echo \n]\n"), 10, 2000, 66_000)
	f.Add([]byte("no end"), 10, 2000, 150_000)
	f.Add([]byte("]\n"), 10, 100, 29_990)
	f.Fuzz(func(t *testing.T, data []byte, lines, most, padding int) {
		most = most & 0xfff
		lines = lines & 0xff
		padding = padding & 0x3ffff
		check := func(got string) {
			t.Helper()
			if len(got) > most || !utf8.ValidString(got) || strings.Count(got, "\n") >= max(lines, 1) {
				t.Errorf("%q of %q for %d lines, %d bytes", got, data, lines, most)
			}
			if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }) {
				t.Errorf("%q holds what cannot be seen", got)
			}
		}
		check(lastLines(data, lines, most))
		// Whatever the command wrote before and after it: the secret of a tree is not seen.
		text := strings.Repeat("x", padding) + string(data) + sent + killed + cutTrees + logged
		if got, err := Tail(t.Context(), newTree(t, map[string]string{"stderr": text}), testLaunch, "stderr", lines, most); err != nil || strings.Contains(got, "hunter2") {
			t.Errorf("%q, %v of %q", got, err, data)
		} else {
			check(got)
		}
	})
}

// As Mesos 1.12 has it: trees when a task is killed early, and late, and some that
// are too long for its log.
const (
	sent   = "I1122 02:15:37.130657  3427 executor.cpp:969] Sent SIGTERM to the following process trees:\n[ \n--- 3437 " + launched + " \n]\n"
	killed = "I1122 02:15:38.993602  3455 executor.cpp:1102] Killed the following process trees:\n[ \n-+- 3467 sh -c trap '' TERM\ncat <<E\n[\n{\"a\": 1}\n]\nE\n(sh -c 'true\nsleep 50\ntrue' ) &\n \n" +
		" |-+- 3480 sh -c true\n |sleep 50\n |true \n | \\--- 3482 sleep 50 hunter2secret \n \\--- 3483 sleep 1 \n]\n"
	logged   = "I1122 02:15:39.052376  3453 executor.cpp:1041] Command terminated with signal Killed (pid: 3467)\n"
	empty    = "I1122 02:15:37.186390  3426 executor.cpp:1102] Killed the following process trees:\n[ \n\n]\n"
	zombies  = "I1122 02:15:37.311655  3329 executor.cpp:1102] Killed the following process trees:\n[ \n--- 3341 ()\n\n--- 3471 (sleep)\n]\n"
	launched = `mesos-containerizer launch --help=false --launch_info={"command":{"environment":{"variables":[{"name":"DB_PASSWORD","type":"VALUE","value":"hunter2secret"}]}}} --runtime_directory=/w`
)

var cutTrees = func() string {
	text := "I1122 02:15:37.130657  3427 executor.cpp:969] Sent SIGTERM to the following process trees:\n[ \n--- 3437 " + launched + strings.Repeat(" hunter2secret", mesosMost)
	return text[:mesosMost-2] + "\n"
}()

func TestTrees(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"early", logged + "real-err\n" + sent + logged, "real-err\n"},
		{"late", "real-err\n" + killed + logged, "real-err\n"},
		{"last", "real-err\n" + killed, "real-err\n"},
		{"announced again and again", "real-err\n" + strings.Repeat("x"+strings.SplitAfter(killed, "\n")[0], 3) + killed + logged, "real-err\nx"},
		{"with more behind", "real-err\n" + killed + "terminated\n]\n" + logged, "real-err\nterminated\n]\n"},
		{"none", "real-err\n" + empty + "more\n" + logged, "real-err\nmore\n"},
		{"zombies", "real-err\n" + zombies + "more\n" + logged, "real-err\nmore\n"},
		{"all", sent + "a\n" + killed + "b\n" + cutTrees + "c\n" + empty + zombies, "a\nb\nc\n"},
		{"too long", "real-err\n" + cutTrees + "more\n" + strings.Repeat("much more\n", 10_000), "real-err\nmore\n" + strings.Repeat("much more\n", 10_000)},
		{"too long and the last", "real-err\n" + cutTrees, "real-err\n"},
		{"too long before a message", "real-err\n" + cutTrees + logged + "more\n]\n", "real-err\nmore\n]\n"},
		{"without an end", "real-err\n" + sent[:len(sent)-4], "real-err\n"},
		{"only announced", "real-err\n" + sent[:strings.Index(sent, "[")], "real-err\n"},
		{"behind a line without an end", "real-err" + sent + "\n" + logged, "real-err\n"},
		{"more behind a line without an end", "real-err" + logged + "and" + sent + "more" + logged + logged, "real-err\nandmore\n"},
		{"of another program", "see " + strings.Replace(logged, "executor.cpp", "my.cpp", 1) + logged, "see " + strings.Replace(logged, "executor.cpp", "my.cpp", 1)},
		{"with no space at its end", "real-err\n" + strings.Replace(sent, " \n]", "\n]", 1) + logged, "real-err\n"},
		{"an own line like it", "real-err\n" + strings.Replace(sent, "--launch_info", "x \n]\ny\n \\--- 5 z", 1) + logged, "real-err\n"},
		{"only the rest of it", killed[strings.Index(killed, "(sh"):] + "real-err\n" + logged, "real-err\n"},
		{"only the rest of a line", sent[len(sent)-80:] + logged + "real-err\n", "real-err\n"},
		{"of nobody", launched + "\nreal-err\n", "real-err\n"},
		{"a list of the command's", logged + "[ \n1, \n2 \n]\n", "[ \n1, \n2 \n]\n"},
		{"a tree of the command's", logged + "--- 5 sh \n \\--- 6 sleep \n]\n" + logged, "--- 5 sh \n \\--- 6 sleep \n]\n"},
		{"where Mesos says nothing", "[ \n--- 5 sh \n]\n", "[ \n--- 5 sh \n]\n"},
		{"its words", logged + "the following process trees:\n[ \n--- 5 sh \n]\n", "the following process trees:\n[ \n--- 5 sh \n]\n"},
	} {
		if got := string(withoutMesos([]byte(tt.in), 0)); got != tt.want {
			t.Errorf("%s: %.300q, want %.300q", tt.name, got, tt.want)
		}
	}
}

// TestTailOfTrees: wherever what is read begins, no part of a tree is seen, and what
// the command wrote is found before it and behind.
func TestTailOfTrees(t *testing.T) {
	for name, tt := range map[string]struct{ trees, want string }{
		"early":          {sent + logged, "one\nreal-err"},
		"late":           {killed + killed + logged, "one\nreal-err"},
		"too long":       {cutTrees + logged, "one\nreal-err"},
		"too long twice": {cutTrees + cutTrees + logged, "one\nreal-err"},
		"and more":       {sent + "more\n" + logged, "real-err\nmore"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, behind := 0, 0; behind < PartSize+2*mesosMost; i, behind = i+1, behind+7993 {
				before := strings.Repeat("x", []int{0, 100, PartSize, 5 * PartSize}[i%4]) + "\n"
				f := newTree(t, map[string]string{
					"stderr": before + "one\nreal-err\n" + tt.trees + strings.Repeat(logged, behind/len(logged)),
					"own":    before + tt.trees + strings.Repeat("y", behind) + "\nlast\n",
				})
				if got, err := Tail(t.Context(), f, testLaunch, "stderr", 2, 2000); got != tt.want || err != nil || f.reads > 1+tailParts {
					t.Errorf("%d before, %d of Mesos behind: %.200q, %v in %d reads", len(before), behind, got, err, f.reads)
				}
				if got, err := Tail(t.Context(), f, testLaunch, "own", 9, 2000); !strings.HasSuffix(got, "last") || strings.Contains(got, "hunter2") || err != nil {
					t.Errorf("%d before, %d of its own behind: %.200q, %v", len(before), behind, got, err)
				}
			}
		})
	}
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
		if got := string(withoutMesos([]byte(tt.in), 0)); got != tt.want {
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
