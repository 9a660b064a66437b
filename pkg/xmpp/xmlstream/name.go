package xmlstream

import "unicode/utf8"

// isNameStart is NameStartChar without the colon, isNameMore what NameChar adds
// to it (XML 1.0, 5th edition).
func isNameStart(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
	case r <= 0x2FF:
		return r >= 0xC0 && r != 0xD7 && r != 0xF7
	case r <= 0x1FFF:
		return r >= 0x370 && r != 0x37E
	case r <= 0x3000:
		return r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF
	}
	return r <= 0xD7FF && r > 0x3000 || r >= 0xF900 && r <= 0xFDCF ||
		r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

func isNameMore(r rune) bool {
	return r >= '0' && r <= '9' || r == '-' || r == '.' || r == 0xB7 ||
		r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// nameLen returns the length of the NCName (Namespaces in XML §3) at the start
// of b, 0 if there is none.
func nameLen(b []byte) int {
	for i := 0; i < len(b); {
		r, n := rune(b[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return i
			}
		}
		if !isNameStart(r) && (i == 0 || !isNameMore(r)) {
			return i
		}
		i += n
	}
	return len(b)
}

// qname is a qualified name in the bytes of an item: the prefix is
// [start:colon], empty if colon is start.
type qname struct{ start, colon, end int }

func (q qname) prefix(b []byte) []byte { return b[q.start:q.colon] }

func (q qname) local(b []byte) []byte {
	if q.colon == q.start {
		return b[q.start:q.end]
	}
	return b[q.colon+1 : q.end]
}

func (q qname) raw(b []byte) []byte { return b[q.start:q.end] }

// readName reads the qualified name at b[i:].
func readName(b []byte, i int) (qname, *Error) {
	end := i
	for end < len(b) && b[end] >= 'a' && b[end] <= 'z' {
		end++
	}
	if end > i && (end == len(b) || b[end] == '=' || b[end] == ' ') {
		return qname{i, i, end}, nil // as most of them are
	}
	return readAnyName(b, i)
}

func readAnyName(b []byte, i int) (qname, *Error) {
	q := qname{start: i, colon: i}
	n := nameLen(b[i:])
	q.end = i + n
	if n > 0 && q.end < len(b) && b[q.end] == ':' {
		q.colon = q.end
		n = nameLen(b[q.colon+1:])
		q.end = q.colon + 1 + n
	}
	if n > 0 {
		return q, nil
	}
	if q.end < len(b) && b[q.end] >= utf8.RuneSelf {
		if _, err := charLen(b[q.end:]); err != nil {
			return q, err
		}
	}
	return q, malformed("a name is missing or not a name")
}

// is says whether the name is written as text.
func (q qname) is(b []byte, text string) bool { return string(q.raw(b)) == text }

// declares says whether the name is xmlns, or begins with xmlns and a colon.
func (q qname) declares(b []byte) bool {
	const xmlns = "xmlns"
	n := q.start + len(xmlns)
	return q.end >= n && string(b[q.start:n]) == xmlns && (q.end == n || b[n] == ':')
}

// declared returns the prefix that a declaration declares, empty for the default
// namespace.
func (q qname) declared(b []byte) []byte {
	if q.colon == q.start {
		return nil
	}
	return q.local(b)
}
