package xmlstream

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzChars holds checkChars, which looks at eight bytes at a time, against the
// rules one character at a time. References have tests of their own.
func FuzzChars(f *testing.F) {
	for _, s := range []string{
		"", "seven ]", "0123456\x00", "01234567]]>", "]]]>", "а]]б]]>", "0123456\x7f", "\uffff", "\uf000\ufffd", "ab\xed\xa0\x80",
		"0123456<", "\t\r\n\x1f", "0123456\xef\xbf", "\x1f\x20\x80", "01234567\x80",
	} {
		f.Add(s)
		f.Add("x" + s + "01234567")
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "&") {
			return
		}
		valid := utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !isChar(r) }) < 0
		for in, want := range map[place]bool{
			inCDATA: valid,
			inText:  valid && !strings.Contains(s, "]]>"),
			inValue: valid && !strings.Contains(s, "<"),
		} {
			if err := checkChars([]byte(s), in); (err == nil) != want {
				t.Errorf("%q at place %d: %v", s, in, err)
			}
		}
	})
}
