package xmlstream

import (
	"bytes"
	"encoding/binary"
	"math/bits"
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
	if c := b[0]; c >= ' ' && c < utf8.RuneSelf {
		return 1, nil
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n <= 1:
		return 0, &Error{UnsupportedEncoding, "not UTF-8"}
	case !isChar(r):
		return 0, malformed("character outside of XML 1.0")
	}
	return n, nil
}

// place is where characters stand.
type place uint8

const (
	inText  place = iota // between two tags
	inValue              // between the quotes of an attribute
	inCDATA              // in a CDATA section, where nothing is markup
)

// checkChars checks b for characters outside of XML 1.0, for references that are
// not allowed, and for what has to be written as a reference.
func checkChars(b []byte, in place) *Error {
	skip := ascii
	for i := plain(b, 0, skip); i < len(b); i = plain(b, i, skip) {
		if b[i] >= utf8.RuneSelf && skip == ascii {
			if !utf8.Valid(b[i:]) {
				return &Error{UnsupportedEncoding, "not UTF-8"}
			}
			skip = utf
			continue
		}
		n, err := checkChar(b[i:], in)
		if err != nil {
			return err
		}
		i += n
	}
	return nil
}

// eight is eight bytes, or one bit for each of them: the highest.
type eight uint64

const (
	ones  eight = 0x0101010101010101
	highs eight = 0x8080808080808080

	// What plain passes over: ASCII, or also what is known to be UTF-8.
	ascii = highs
	utf   = eight(0)

	// lastPlane begins the characters from U+F000 to U+FFFF, two of which are none.
	lastPlane = 0xEF
)

// plain returns the index of the first byte of b at or after i that needs a look:
// a control, &, <, ], lastPlane, or what is not to be skipped. It takes eight bytes
// at a time. The lowest bit in odd stands for the first such byte; higher ones may
// be there for none.
func plain(b []byte, i int, skip eight) int {
	for ; i+8 <= len(b); i += 8 {
		w := eight(binary.LittleEndian.Uint64(b[i:]))
		odd := w&skip | (w-ones*' ')&^w | w.zero('&') | w.zero('<') | w.zero(']') | w.zero(lastPlane)
		if odd &= highs; odd != 0 {
			return i + bits.TrailingZeros64(uint64(odd))/8
		}
	}
	for i < len(b) && isPlain(b[i], skip) {
		i++
	}
	return i
}

// zero has the bit of the first byte that is c.
func (w eight) zero(c byte) eight {
	w ^= ones * eight(c)
	return (w - ones) &^ w
}

func isPlain(c byte, skip eight) bool {
	return c >= ' ' && c != '&' && c != '<' && c != ']' && c != lastPlane && (c < utf8.RuneSelf || skip == utf)
}

// checkChar returns the length of the character or reference that b starts with.
func checkChar(b []byte, in place) (int, *Error) {
	switch c := b[0]; {
	case c == '&' && in != inCDATA:
		_, n, err := reference(b)
		return n, err
	case c == '<' && in == inValue:
		return 0, malformed("< inside of a tag; write &lt;")
	case c == ']' && in == inText && bytes.HasPrefix(b, []byte(cdataEnd)):
		return 0, malformed("]]> in text; write ]]&gt;")
	}
	return charLen(b)
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
