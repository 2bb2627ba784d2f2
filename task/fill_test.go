package task

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// listed is a task of one line.
func listed(command string, argv []string, line string) *Task {
	return &Task{ID: "a-1", Index: 1, Spec: &Spec{ID: "a", Command: command, Argv: argv, Series: &Series{First: 1, Lines: []string{line}}}}
}

// hostile are lines that mean something to the shell if they are not quoted; in
// some of them is a command that writes 42ran.
var hostile = []string{
	"$(echo $((6*7))ran)", "`echo $((6*7))ran`", "; echo $((6*7))ran", "'; echo $((6*7))ran; '", `"; echo $((6*7))ran; "`, "a' $(echo $((6*7))ran) 'b", `\'; echo $((6*7))ran #`, "x\necho $((6*7))ran", "${X:-$((6*7))ran}",
	"two  words", "*", "~", "# x", "é ü", "a'b", `a"b`, `\`, `\\`, "'", "''", "-n", "!x", "a=b c", "\ttab ", "{}", "<x", "1>2", "&", "$HOME",
}

func TestFill(t *testing.T) {
	tests := []struct{ command, line, want string }{
		{"echo {}", "plain", "echo plain"},
		{"echo {} {}x", "a b", "echo 'a b' 'a b'x"},
		{"echo {}", "it's", `echo 'it'\''s'`},
		{"echo {}", "http://h/x_1.png", "echo http://h/x_1.png"},
		{"echo {}", "http://h/?a=1&b", "echo 'http://h/?a=1&b'"},
		{"echo { } $CMDQ_LINE", "a", "echo { } $CMDQ_LINE"},
		{"echo {}", "{}", "echo '{}'"},
		{"echo {} >{}.log", "2", "echo 2 >2.log"},
		{"echo {}>{}.log", "2", "echo '2'>'2'.log"}, // 2>2.log would be standard error
		{"echo {}>{}.log", "a2", "echo a2>a2.log"},
		{`echo "{}>"`, "2", `echo "2>"`},
	}
	for _, tt := range tests {
		if got := listed(tt.command, nil, tt.line).Command(); got != tt.want {
			t.Errorf("%s with %q: got %s, want %s", tt.command, tt.line, got, tt.want)
		}
	}
	argv := listed("", []string{"cp", "{}", "to/{}.{}", "-v"}, "a 'b'").Argv()
	if want := []string{"cp", "a 'b'", "to/a 'b'.a 'b'", "-v"}; !slices.Equal(argv, want) {
		t.Errorf("argv: %q", argv)
	}
	// What is no task of a list is left as it is.
	for _, one := range []Task{
		{Spec: &Spec{Command: "find -exec rm {} +", Argv: []string{"{}"}}, Index: -1},
		{Spec: &Spec{Command: "find -exec rm {} +", Argv: []string{"{}"}, Series: &Series{Count: 2}}, Index: 1},
	} {
		if one.Command() != one.Spec.Command || one.Argv()[0] != "{}" || one.Line() != "" {
			t.Errorf("%d: %s %q", one.Index, one.Command(), one.Argv())
		}
	}
}

// TestFillShell: the shell takes every line for one word, whatever is in it.
func TestFillShell(t *testing.T) {
	for _, line := range hostile {
		if got := shell(t, listed("printf %s {}", nil, line).Command()); got != line {
			t.Errorf("%q came as %q", line, got)
		}
		if n := len(shellQuote(line)); n != quotedLen(line) {
			t.Errorf("%q: %d bytes, quotedLen says %d", line, n, quotedLen(line))
		}
	}
}

func shell(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=/usr/bin:/bin", "HOME=/nobody"}
	out, err := cmd.Output()
	if err != nil {
		t.Logf("%s: %v", command, err)
	}
	return string(out)
}

// TestQuotedHole: within means that a line could break out of the quotes. What
// is not within is run with every hostile line, none of which may do anything.
func TestQuotedHole(t *testing.T) {
	tests := []struct {
		command string
		within  bool
	}{
		{"printf %s {}", false},
		{"{}", false},
		{"printf %s 'x'{}'y'", false},
		{`printf %s "x"{}"y"`, false},
		{`printf %s \"{}\'`, false},
		{`printf %s \\{}`, false},
		{`printf %s "$(printf %s {})"`, false},
		{`printf %s "${HOME}" {}`, false},
		{`printf %s $(printf %s {})`, false},
		{"printf %s a#{}", false},
		{`printf %s \#{}`, false},
		{"printf %s a\\ #\"\n{}\"", true},
		{"printf %s $(printf a)#\"\n{}\"", true},
		{"printf %s $((${X:-)) + {} ))", true},
		{`printf %s "$((printf a); printf b) $(printf c; $(printf d; $(printf e)) "{}" )"`, true},
		{"printf '%s\n' \"it's\" {} # it's\nprintf '%s' {}", false},
		{`printf %s '\' {}`, false},
		{`printf %s "\"" {}`, false},
		{"cat {} <<E\nx\nE\n", false},
		{"printf %s $((1<<2)) {}", false},
		{`printf %s "$(printf '%s' "$(printf %s {})")"{}"$((1+2))"`, false},
		{`printf %s "${CMDQ_TASK}" "$CMDQ_INDEX" {}`, false},

		{"printf %s '{}'", true},
		{`printf %s "{}"`, true},
		{`printf %s "$HOME/{}"`, true},
		{`printf %s "${HOME}/{}"`, true},
		{"printf %s 'to {}.png'", true},
		{`printf %s "x\"{}"`, true},
		{"printf %s `printf %s {}`", true},
		{"printf %s \"`printf %s {}`\"", true},
		{"true # {}", true},
		{"true # x # {}", true},
		{"echo $(({} + 1))", true},
		{`printf %s "$(printf "%s" "{}")"`, true},
		{`printf %s "$(printf x)" "{}"`, true},
		{`printf %s "$(printf x){}"`, true},
		{`printf %s "${X:-y}" {}`, true}, // it does not look so far
		{"printf %s \"$(case x in x) echo \"y\";; esac)\" {}", true},
		{"true;# {}", true},
		{"cat <<E\n{}\nE\n", true},
		{`printf %s \{}`, true},
		{`printf %s ${}`, true},
		{`printf %s $'a{}'`, true},
		{`printf %s '{}`, true},
	}
	for _, tt := range tests {
		if got := quotedHole(tt.command); got != tt.within {
			t.Errorf("%s: %v", tt.command, got)
		}
		for _, line := range hostile {
			if tt.within {
				break
			}
			if strings.Contains(shell(t, listed(tt.command, nil, line).Command()), "42ran") {
				t.Errorf("%s with %q runs what is in the line", tt.command, line)
			}
		}
	}
}
