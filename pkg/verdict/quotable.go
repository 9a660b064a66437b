package verdict

import (
	"strings"
	"unicode"
)

// Quotable makes text safe inside quotes in one line of a log or a header, at most 300
// bytes of it: what a peer sent must not end the string or the line, nor steer the
// terminal that shows it.
func Quotable(text string) string {
	const most = 300 // bytes; it is one line, not a dump
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if Steers(r) || r == '"' || r == '\\' || r == 0xfffd {
			return '\''
		}
		return r
	}, text)
}

// Printable makes one line of text safe for a terminal, without clipping it.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if Steers(r) {
			return '?'
		}
		return r
	}, text)
}

// Steers tells whether a character ends a line or changes how a terminal shows what
// follows: controls (the second set, from U+0080 on, too), the separators of lines and
// paragraphs, and the marks that turn the direction of text.
func Steers(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
