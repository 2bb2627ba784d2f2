package wire

import (
	"strings"
	"unicode"
)

// OneLine makes words that came over a wire fit for a log: one line, printable,
// of at most so many bytes.
func OneLine(words string, most int) string {
	if len(words) > most {
		words = words[:most]
	}
	words = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, words)
	return strings.Join(strings.Fields(words), " ")
}
