package xmlstream

import (
	"bytes"
	"math"
	"slices"
	"unicode/utf8"
)

// maxText is the length in bytes of the longest text that Text returns: keys,
// SASL responses and error texts are shorter.
const maxText = 4 << 10

// Children calls yield for each child element, in order, until it returns false.
// It gets the child's namespace without references, its local name, and where it
// is: Raw[start:end]. A Header has no children.
func (e *Element) Children(yield func(space, local []byte, start, end int) bool) {
	depth, begin := 0, 0
	e.walk(func(kind tokenKind, start, end int) bool {
		switch kind {
		case startTag:
			if depth++; depth == 1 {
				begin = start
			}
			if e.Raw[end-2] != '/' {
				return true
			}
			depth--
		case endTag:
			depth--
		default:
			return true
		}
		if depth > 0 {
			return true
		}
		child := tagAt(e.Raw, begin)
		return yield(e.spaceOf(&child), child.name.local(e.Raw), begin, end)
	})
}

// Child returns where the first child element of that name is: Raw[start:end].
func (e *Element) Child(space, local string) (start, end int, ok bool) {
	e.Children(func(s, l []byte, from, to int) bool {
		if ok = string(l) == local && string(s) == space; ok {
			start, end = from, to
		}
		return !ok
	})
	return start, end, ok
}

// At returns the child element Raw[start:end], as Child and Children found it, so
// that its attributes, children and text can be asked for. It has the Kind Stanza
// and lives as long as e; its Inherited is empty.
func (e *Element) At(start, end int) *Element {
	c := &Element{Kind: Stanza, Raw: e.Raw[start:end:end], tag: tagAt(e.Raw[start:end], 0)}
	// The innermost declaration of a prefix is the one in force.
	c.context = slices.Concat(declared(e.Raw, e.tag.attrs), e.context)
	c.Space = c.spaceOf(&c.tag)
	c.Prefix, c.Local = c.tag.name.prefix(c.Raw), c.tag.name.local(c.Raw)
	return c
}

// Text returns the text of an element without child elements: CDATA sections are
// text, references are replaced, line ends are line feeds (XML 1.0 §2.11). It is
// false if there are child elements or more than 4096 bytes.
func (e *Element) Text() (string, bool) {
	var got []byte
	ok := true
	e.walk(func(kind tokenKind, start, end int) bool {
		switch kind {
		case text:
			got = appendText(got, e.Raw[start:end], true)
		case cdata:
			got = appendText(got, e.Raw[start+len(cdataStart):end-len(cdataEnd)], false)
		default:
			ok = false
		}
		ok = ok && len(got) <= maxText
		return ok
	})
	if !ok {
		return "", false
	}
	return string(got), true
}

// walk visits the tokens between the tags of e until visit returns false.
func (e *Element) walk(visit func(kind tokenKind, start, end int) bool) {
	if e.Kind != Stanza || e.tag.empty {
		return
	}
	var t tokens
	t.advance(tagEnd(e.Raw, 0))
	for {
		end, kind, err := t.next(e.Raw, false)
		if err != nil || end == 0 || end == len(e.Raw) || !visit(kind, t.start, end) {
			return
		}
		t.advance(end)
	}
}

// spaceOf returns the namespace of a tag in Raw: of e itself or of a child.
func (e *Element) spaceOf(t *tag) []byte {
	prefix := t.name.prefix(e.Raw)
	for _, attrs := range [][]attribute{t.attrs, e.tag.attrs} {
		for _, a := range attrs {
			if a.name.declares(e.Raw) && bytes.Equal(a.name.declared(e.Raw), prefix) {
				return value(e.Raw[a.value:a.end])
			}
		}
	}
	for _, ns := range e.context {
		if ns.Prefix == string(prefix) {
			return []byte(ns.URI)
		}
	}
	if string(prefix) == "xml" {
		return []byte(xmlSpace)
	}
	return nil
}

// declared returns the namespace declarations among attrs.
func declared(b []byte, attrs []attribute) []Namespace {
	var list []Namespace
	for _, a := range attrs {
		if a.name.declares(b) {
			list = append(list, Namespace{string(a.name.declared(b)), string(value(b[a.value:a.end]))})
		}
	}
	return list
}

// tagAt reads the start tag at b[start:], which has been read before.
func tagAt(b []byte, start int) tag {
	var t tag
	_ = t.parse(b, start, tagEnd(b, start), &Limits{Attributes: math.MaxInt})
	return t
}

func tagEnd(b []byte, start int) int {
	t := tokens{start: start}
	end, _ := t.tag(b)
	return end
}

// appendText appends checked text with its line ends normalized; references are
// read where they are references.
func appendText(dst, raw []byte, references bool) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '&' && references:
			r, n, err := reference(raw[i:])
			if err != nil {
				return dst // never: the text has been checked
			}
			dst = utf8.AppendRune(dst, r)
			i += n - 1
		case c != '\r':
			dst = append(dst, c)
		case i+1 == len(raw) || raw[i+1] != '\n':
			dst = append(dst, '\n')
		}
	}
	return dst
}
