package verdict

import "strings"

// Quotable makes text safe inside quotes in one line of a log or a header, at most 300
// bytes of it: what a peer sent must not end the string or the line, nor steer the
// terminal that shows it.
func Quotable(text string) string {
	const most = 300 // bytes; it is one line, not a dump
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == '\\' || r == 0xfffd {
			return '\''
		}
		return r
	}, text)
}
