package xmlstream

import (
	"bytes"
	"unicode/utf8"
)

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipSpace returns the index of the first byte of b at or after i that is not
// white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// isChar is the production Char of XML 1.0.
func isChar(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// charLen returns the length of the character at the start of b.
func charLen(b []byte) (int, *Error) {
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n <= 1:
		return 0, &Error{UnsupportedEncoding, "not UTF-8"}
	case !isChar(r):
		return 0, malformed("character outside of XML 1.0")
	}
	return n, nil
}

// checkChars checks b for characters outside of XML 1.0 and, where references
// are read, for references that are not allowed.
func checkChars(b []byte, references bool) *Error {
	for i := 0; i < len(b); {
		if c := b[i]; c >= ' ' && c < utf8.RuneSelf && c != '&' {
			i++
			continue
		}
		n, err := checkChar(b[i:], references)
		if err != nil {
			return err
		}
		i += n
	}
	return nil
}

// checkChar returns the length of the character or reference that b starts with.
func checkChar(b []byte, references bool) (int, *Error) {
	if b[0] == '&' && references {
		_, n, err := reference(b)
		return n, err
	}
	return charLen(b)
}

// checkText checks the text between two tags.
func checkText(b []byte) *Error {
	if bytes.Contains(b, []byte("]]>")) {
		return malformed("]]> in text; write ]]&gt;")
	}
	return checkChars(b, true)
}

// reference returns the character that the reference at the start of b stands
// for, and the length of the reference.
func reference(b []byte) (rune, int, *Error) {
	end := bytes.IndexByte(b, ';')
	if end < 0 {
		return 0, 0, malformed("& without ;; write &amp;")
	}
	name := b[1:end]
	if len(name) > 0 && name[0] == '#' {
		r := number(name[1:])
		if !isChar(r) {
			return 0, 0, malformed("reference to no character of XML 1.0")
		}
		return r, end + 1, nil
	}
	if r := predefined(name); r != 0 {
		return r, end + 1, nil
	}
	if name := nameLen(name); name == 0 || name != end-1 {
		return 0, 0, malformed("& without a name; write &amp;")
	}
	return 0, 0, restricted("entity that is not one of the five predefined (RFC 6120 §11.1)")
}

func predefined(name []byte) rune {
	switch string(name) {
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "amp":
		return '&'
	case "apos":
		return '\''
	case "quot":
		return '"'
	}
	return 0
}

// number reads the digits of a character reference; -1 if they are none.
func number(digits []byte) rune {
	base := rune(10)
	if len(digits) > 0 && digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	if len(digits) == 0 {
		return -1
	}
	var r rune
	for _, c := range digits {
		d := digit(c)
		if d >= base || r > utf8.MaxRune {
			return -1
		}
		r = r*base + d
	}
	return r
}

func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return 99 // no digit of any base
}
