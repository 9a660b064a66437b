package xmpppeer

import (
	"bytes"
	"strings"
)

// What a cutter found.
type itemKind uint8

const (
	itemNone    itemKind = iota // more bytes are needed
	itemHeader                  // the stream's start tag, with the XML declaration before it
	itemElement                 // a whole top-level element
	itemSpace                   // whitespace between them
	itemEnd                     // the stream's end tag
)

// cutter finds where the items of a stream end. It looks at each byte about once,
// however the bytes come in, and understands no more of XML than that takes.
type cutter struct {
	open  bool // the stream's root has begun
	depth int  // of elements below the root
	seen  int  // bytes of the unfinished item that need no second look
}

// next returns the item at the start of buf and its length. While it returns
// itemNone, buf must stay and may only grow; otherwise the caller removes the item.
func (c *cutter) next(buf []byte) (itemKind, int, error) {
	for c.seen < len(buf) {
		rest := buf[c.seen:]
		if rest[0] != '<' {
			n := textLen(rest)
			if c.depth == 0 && len(bytes.Trim(rest[:n], " \t\r\n")) > 0 {
				return itemNone, 0, syntax(string(rest[:n]), "between elements there is whitespace only (RFC 6120 §11.7)")
			}
			if c.depth == 0 && c.seen == 0 {
				return itemSpace, n, nil
			}
			c.seen += n
			continue
		}
		n, err := markupLen(rest)
		if n == 0 || err != nil {
			return itemNone, 0, err
		}
		c.seen += n
		if kind, err := c.mark(string(rest[:n])); kind != itemNone || err != nil {
			n, c.seen = c.seen, 0
			return kind, n, err
		}
	}
	return itemNone, 0, nil
}

// mark goes past one piece of markup and says which item it completes.
func (c *cutter) mark(tag string) (itemKind, error) {
	switch {
	case strings.HasPrefix(tag, "<?"):
		if c.open {
			return itemNone, syntax(tag, "no processing instructions within a stream (RFC 6120 §11.1)")
		}
	case strings.HasPrefix(tag, "<!"):
		if c.depth == 0 {
			return itemNone, syntax(tag, "between elements there is whitespace only (RFC 6120 §11.7)")
		}
	case !c.open:
		c.open = true
		return itemHeader, nil
	case strings.HasPrefix(tag, "</"):
		c.depth--
		if c.depth < 0 {
			c.depth = 0
			return itemEnd, nil
		}
		return c.whole(), nil
	case strings.HasSuffix(tag, "/>"):
		return c.whole(), nil
	default:
		c.depth++
	}
	return itemNone, nil
}

// whole is what the end of an element means at this depth.
func (c *cutter) whole() itemKind {
	if c.depth == 0 {
		return itemElement
	}
	return itemNone
}

// textLen is the length of the character data at the start of b.
func textLen(b []byte) int {
	if i := bytes.IndexByte(b, '<'); i >= 0 {
		return i
	}
	return len(b)
}

// markupLen is the length of the markup at the start of b, 0 if b ends within it.
func markupLen(b []byte) (int, error) {
	switch {
	case bytes.HasPrefix(b, []byte("<?")):
		return lenTo(b, "?>"), nil
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		return lenTo(b, "]]>"), nil
	case len(b) < 9 && strings.HasPrefix("<![CDATA[", string(b)):
		return 0, nil
	case bytes.HasPrefix(b, []byte("<!")):
		return 0, syntax(string(b), "no comments and no DTD in a stream (RFC 6120 §11.1)")
	}
	var quote byte
	for i, x := range b {
		switch {
		case quote != 0:
			if x == quote {
				quote = 0
			}
		case x == '"' || x == '\'':
			quote = x
		case x == '>':
			return i + 1, nil
		}
	}
	return 0, nil
}

func lenTo(b []byte, end string) int {
	if i := bytes.Index(b, []byte(end)); i >= 0 {
		return i + len(end)
	}
	return 0
}
