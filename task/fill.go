package task

import "strings"

// hole is what a line is put in the place of.
const hole = "{}"

// Command is what the shell runs: that of the spec, and in a task of a list with
// the line, quoted for the shell, for every {}.
func (t *Task) Command() string {
	line := t.Line()
	if line == "" {
		return t.Spec.Command
	}
	return strings.ReplaceAll(t.Spec.Command, hole, shellQuote(line))
}

// Argv is the program and its arguments: those of the spec, and in a task of a
// list with the line for every {}.
func (t *Task) Argv() []string {
	line := t.Line()
	if line == "" {
		return t.Spec.Argv
	}
	argv := make([]string, len(t.Spec.Argv))
	for i, a := range t.Spec.Argv {
		argv[i] = strings.ReplaceAll(a, hole, line)
	}
	return argv
}

// shellQuote writes s as one word of the shell (POSIX, Shell Command Language
// 2.2.2). Plain words stay as they are.
func shellQuote(s string) string {
	if isPlain(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quotedLen is the length of shellQuote(s), in bytes.
func quotedLen(s string) int {
	if isPlain(s) {
		return len(s)
	}
	return len(s) + 2 + 3*strings.Count(s, "'")
}

// isPlain tells whether s is a word without any meaning to the shell, whatever
// quotes it stands in.
func isPlain(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_@%+=:,./-", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// quotedHole tells whether a command has {} where a quoted word would not be
// one: between quotes, in `…`, in a comment or in a here-document. There the
// quotes of the line would end those of the command, and the shell would run
// what stands in the line. What follows a $( between double quotes is not looked
// at: there words are words again, and to find its end takes all of the grammar.
func quotedHole(command string) bool {
	var within byte // one of '"`#, or 0
	for i := 0; i < len(command); i++ {
		c, rest := command[i], command[i:]
		switch {
		case within != 0 && strings.HasPrefix(rest, hole), within == 0 && strings.HasPrefix(rest, "$"+hole):
			return true
		case c == '\\' && within != '\'' && within != '#':
			if strings.HasPrefix(rest[1:], hole) {
				return true
			}
			i++
		case within == '#' && c == '\n', within != '#' && within != 0 && c == within:
			within = 0
		case within == '"' && (strings.HasPrefix(rest, "$(") || strings.HasPrefix(rest, "${") && !isParameter(rest)):
			return false
		case within != 0:
		case c == '\'' && i > 0 && command[i-1] == '$': // in some shells another kind of quotes
			return strings.Contains(rest, hole)
		case c == '\'', c == '"', c == '`', c == '#' && beginsWord(command, i):
			within = c
		case strings.HasPrefix(rest, "<<"):
			_, body, _ := strings.Cut(rest, "\n")
			return strings.Contains(body, hole)
		}
	}
	return false
}

// isParameter tells whether s begins with ${NAME}.
func isParameter(s string) bool {
	name, _, ok := strings.Cut(s[len("${"):], "}")
	return ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func beginsWord(command string, i int) bool {
	return i == 0 || strings.IndexByte(" \t\n;&|()", command[i-1]) >= 0
}
