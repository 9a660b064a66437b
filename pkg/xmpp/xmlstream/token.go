package xmlstream

import "bytes"

type tokenKind uint8

const (
	text tokenKind = iota
	startTag
	endTag
	cdata
	declaration
)

const (
	cdataStart = "<![CDATA["
	cdataEnd   = "]]>"
	declStart  = "<?xml"
	declEnd    = "?>"
)

// tokens finds the ends of tags and texts. It looks at each byte once, however
// the bytes arrive. Offsets count from the start of the item.
type tokens struct {
	start int  // of the token under way
	seen  int  // up to here the token has no end
	quote byte // around the attribute value at seen, 0 outside
}

// next returns the end of the token that begins at start, 0 if b does not hold it
// yet. Only where a declaration may stand is one looked for.
func (t *tokens) next(b []byte, declarable bool) (int, tokenKind, *Error) {
	rest := b[t.start:]
	if len(rest) == 0 {
		return 0, 0, nil
	}
	if rest[0] != '<' {
		return t.until(b, "<", 0), text, nil
	}
	if len(rest) == 1 {
		return 0, 0, nil
	}
	switch rest[1] {
	case '?':
		return t.declaration(b, declarable)
	case '!':
		return t.cdata(b)
	case '/':
		end, err := t.tag(b)
		return end, endTag, err
	}
	end, err := t.tag(b)
	return end, startTag, err
}

// until looks for mark after the first skip bytes of the token, and returns
// where it starts.
func (t *tokens) until(b []byte, mark string, skip int) int {
	from := max(t.start+skip, t.seen-len(mark)+1)
	if from < len(b) {
		if i := bytes.Index(b[from:], []byte(mark)); i >= 0 {
			return from + i
		}
	}
	t.seen = len(b)
	return 0
}

// tag looks for the > that is not in an attribute value. A < in a value is found
// when the value is checked.
func (t *tokens) tag(b []byte) (int, *Error) {
	i := max(t.start+1, t.seen)
	for i < len(b) {
		if t.quote != 0 {
			n := bytes.IndexByte(b[i:], t.quote)
			if n < 0 {
				break
			}
			i += n + 1
			t.quote = 0
			continue
		}
		switch c := b[i]; {
		case c > '>':
		case c == '>':
			return i + 1, nil
		case c == '<':
			return 0, malformed("< inside of a tag; write &lt;")
		case c == '"' || c == '\'':
			t.quote = c
		}
		i++
	}
	t.seen = len(b)
	return 0, nil
}

func (t *tokens) cdata(b []byte) (int, tokenKind, *Error) {
	rest := b[t.start:]
	n := min(len(rest), len(cdataStart))
	if string(rest[:n]) != cdataStart[:n] {
		if c := rest[2]; c == '-' || c == 'D' {
			return 0, 0, restricted("comment or DTD (RFC 6120 §11.1)")
		}
		return 0, 0, malformed("<! without CDATA section")
	}
	if n < len(cdataStart) {
		return 0, 0, nil
	}
	end := t.until(b, cdataEnd, n)
	if end > 0 {
		end += len(cdataEnd)
	}
	return end, cdata, nil
}

func (t *tokens) declaration(b []byte, declarable bool) (int, tokenKind, *Error) {
	rest := b[t.start:]
	n := min(len(rest), len(declStart))
	if !declarable || string(rest[:n]) != declStart[:n] || len(rest) > n && !isSpace(rest[n]) {
		return 0, 0, restricted("processing instruction (RFC 6120 §11.1), or XML declaration after the start of the stream")
	}
	if len(rest) == n {
		return 0, 0, nil
	}
	end := t.until(b, declEnd, n)
	if end > 0 {
		end += len(declEnd)
	}
	return end, declaration, nil
}

// advance goes on behind a token that ended at end.
func (t *tokens) advance(end int) { *t = tokens{start: end, seen: end} }
