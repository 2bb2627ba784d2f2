package task

import "strings"

// hole is what a line is put in the place of.
const hole = "{}"

// Command is what the shell runs: that of the spec, and in a task of a list with
// the line, quoted for the shell, for every {}.
func (t *Task) Command() string {
	line, command := t.Line(), t.Spec.Command
	if line == "" {
		return command
	}
	word := shellQuote(line)
	if allDigits(line) && redirected(command) {
		word = "'" + line + "'" // in "echo 2>file" the 2 is no word
	}
	return strings.ReplaceAll(command, hole, word)
}

// redirected tells whether a {} stands right before a redirection, where the
// shell would take digits for a file descriptor. Within quotes there is none.
func redirected(command string) bool {
	return (strings.Contains(command, hole+">") || strings.Contains(command, hole+"<")) && !quotedHole(command)
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
// one, or may have: between quotes, in `…`, in $((…)), in a comment or in a
// here-document. There the quotes of the line would end those of the command, and
// the shell would run what stands in the line. It knows of the shell's grammar
// what commands mostly have. Behind anything else, it takes every {} for one that
// is within.
func quotedHole(command string) bool {
	within := []byte{0}  // innermost last: one of '"`#, ( for $( or ( in such, or 0 for none of them
	here := len(command) // where the first here-document begins, or might
	escaped := -1        // the last byte with a backslash before it
	for i := 0; i < len(command); i++ {
		c, rest, in := command[i], command[i:], within[len(within)-1]
		words := in == 0 || in == '('
		switch {
		case strings.HasPrefix(rest, hole) && (!words || i > here), words && strings.HasPrefix(rest, "$"+hole):
			return true
		case c == '\\' && in != '\'' && in != '#':
			if strings.HasPrefix(rest[1:], hole) {
				return true
			}
			i++
			escaped = i
		case in == '\'' || in == '`' || in == '#':
			if in != '#' && c == in || in == '#' && c == '\n' {
				within = within[:len(within)-1]
			}
		case strings.HasPrefix(rest, "$(("):
			sum, _, ok := strings.Cut(rest, "))")
			if !ok || strings.ContainsAny(sum, "'\"`\\#{") || strings.Contains(sum[len("$(("):], "$(") {
				return strings.Contains(rest, hole)
			}
			i += len(sum) + 1
		case strings.HasPrefix(rest, "$("):
			within = append(within, '(')
			i++
		case c == '`':
			within = append(within, c)
		case c == '"' && in == '"', c == ')' && in == '(':
			within = within[:len(within)-1]
		case in == '"':
			if strings.HasPrefix(rest, "${") && !isParameter(rest) {
				return strings.Contains(rest, hole)
			}
		case c == '\'' && i > 0 && command[i-1] == '$', // in some shells another kind of quotes
			c == '#' && i > 0 && (i-1 == escaped || command[i-1] == ')'), // a comment, or in the middle of a word
			len(within) > 1 && strings.HasPrefix(rest, "case"):           // its ) is another
			return strings.Contains(rest, hole)
		case c == '\'', c == '"', c == '#' && beginsWord(command, i), c == '(' && in == '(':
			within = append(within, c)
		case strings.HasPrefix(rest, "<<"):
			if line := strings.IndexByte(rest, '\n'); line >= 0 {
				here = min(here, i+line)
			}
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
	return i == 0 || strings.IndexByte(" \t\n;&|(", command[i-1]) >= 0
}
