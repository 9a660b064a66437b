package xmlstream

import "bytes"

// open is an element whose end tag has not come.
type open struct {
	name  qname
	binds int // declarations in scope outside of it
}

// item is the part of the stream that is being read, and what the stream has
// said so far. Offsets count from the start of the part.
type item struct {
	tokens  tokens
	scope   scope
	open    []open
	tag     tag
	root    []byte // the name of the stream's tag as it is written; nil before the header
	spaced  bool   // something came before the header: no XML declaration any more
	kind    Kind
	element Element
	decl    bool // the part was the XML declaration
}

func (t *item) begun() bool { return t.tokens.seen > 0 }

// most returns how many bytes the part may have.
func (t *item) most(lim *Limits) int {
	if t.root == nil {
		return lim.Header
	}
	return lim.Element
}

// scan reads on in b, which starts where the part starts; it returns the length
// of the part, 0 if more bytes are needed.
func (t *item) scan(b []byte, lim *Limits) (int, *Error) {
	if b[0] != '<' {
		return 0, t.stray()
	}
	for {
		end, kind, err := t.tokens.next(b, t.root == nil && !t.spaced)
		if err != nil || end == 0 {
			return 0, err
		}
		done, err := t.take(b, end, kind, lim)
		t.tokens.advance(end)
		if err != nil {
			return 0, err
		}
		if done {
			return end, nil
		}
	}
}

// stray is the error for text where an element should start.
func (t *item) stray() *Error {
	if t.root == nil {
		return malformed("text before the stream header")
	}
	return &Error{BadFormat, "text between first-level elements"}
}

// take checks the token that ends at end and says whether the part ends with it.
func (t *item) take(b []byte, end int, kind tokenKind, lim *Limits) (bool, *Error) {
	start := t.tokens.start
	switch kind {
	case startTag:
		return t.enter(b, start, end, lim)
	case endTag:
		return t.leave(b, start, end)
	case declaration:
		t.decl, t.spaced = true, true
		return true, checkDeclaration(b[:end])
	case cdata:
		if len(t.open) == 0 {
			return false, t.stray()
		}
		return false, checkChars(b[start+len(cdataStart):end-len(cdataEnd)], inCDATA)
	case text:
	}
	return false, checkChars(b[start:end], inText)
}

// enter reads a start tag.
func (t *item) enter(b []byte, start, end int, lim *Limits) (bool, *Error) {
	into := &t.tag
	top := len(t.open) == 0
	if top {
		into = &t.element.tag
		clear(t.scope.used)
	}
	if len(t.open) == lim.Depth {
		return false, excess("elements nested deeper than the limit")
	}
	if err := into.parse(b, start, end, lim); err != nil {
		return false, err
	}
	outside := len(t.scope.binds)
	if err := t.scope.enter(b, into, lim.Namespaces); err != nil {
		return false, err
	}
	if top {
		t.element.Space, _ = t.scope.resolve(into.name.prefix(b))
	}
	if t.root == nil {
		return true, t.begin(b)
	}
	t.kind = Stanza
	if into.empty {
		t.scope.cut(outside)
		return top, nil
	}
	t.open = append(t.open, open{into.name, outside})
	return false, nil
}

// begin takes the tag as the header of the stream.
func (t *item) begin(b []byte) *Error {
	if t.element.tag.empty {
		return &Error{BadFormat, "stream that ends with its header"}
	}
	t.kind = Header
	t.root = bytes.Clone(t.element.tag.name.raw(b))
	t.scope.keep()
	return nil
}

// leave reads an end tag.
func (t *item) leave(b []byte, start, end int) (bool, *Error) {
	want := t.root
	if n := len(t.open); n > 0 {
		want = t.open[n-1].name.raw(b)
	}
	if err := checkEndTag(b[start:end], want); err != nil {
		return false, err
	}
	if len(t.open) == 0 {
		t.kind = Closing
		return true, nil
	}
	t.scope.cut(t.open[len(t.open)-1].binds)
	t.open = t.open[:len(t.open)-1]
	return len(t.open) == 0, nil
}

// finish returns the part raw, nil for the XML declaration, and makes ready for
// the next.
func (t *item) finish(raw []byte) *Element {
	t.tokens = tokens{}
	t.scope.shrink()
	if t.decl {
		t.decl = false
		return nil
	}
	e := &t.element
	e.Kind, e.Raw = t.kind, raw
	e.Inherited, e.Declared, e.context = e.Inherited[:0], nil, t.scope.header
	switch t.kind {
	case Closing:
		e.Prefix, e.Local, e.Space, e.tag = nil, nil, nil, tag{}
		return e
	case Header:
		e.Declared = t.scope.header
	case Stanza:
		e.Inherited = t.scope.inherited(e.Inherited)
	}
	e.Prefix, e.Local = e.tag.name.prefix(raw), e.tag.name.local(raw)
	return e
}
