package xmlstream

import (
	"bytes"
	"unicode/utf8"
)

// Kind says what an Element is.
type Kind uint8

// What a stream consists of.
const (
	Header  Kind = iota // the opening tag of the stream
	Stanza              // a first-level element, of whatever name
	Closing             // the closing tag of the stream
)

// Element is a part of the stream. It and all it holds are valid until the next
// call of Reader.Next.
type Element struct {
	// Kind says what it is.
	Kind Kind
	// Raw is the bytes as they came, from < to >.
	Raw []byte
	// Prefix, Local and Space are the name of the tag: its prefix, its local
	// part and its namespace without references. They are empty for Closing.
	Prefix, Local, Space []byte
	// Inherited is the declarations of the stream header that a Stanza uses, in
	// the order of the header; the default namespace is among them.
	Inherited []Namespace
	// Declared is what the stream header declares. It is empty for a Stanza.
	Declared []Namespace

	tag     tag
	context []Namespace // in force around it; of a Header, its own
}

// Attr returns the value of an attribute of the tag as it is written, between its
// quotes. The name is the written one, "to" or "xml:lang".
func (e *Element) Attr(name string) (raw []byte, ok bool) {
	a, ok := e.find(name)
	if !ok {
		return nil, false
	}
	return e.Raw[a.value:a.end], true
}

// Value returns the value of an attribute without references, empty if it is
// absent. It allocates the string.
func (e *Element) Value(name string) string {
	raw, _ := e.Attr(name)
	return string(appendValue(nil, raw))
}

func (e *Element) find(name string) (attribute, bool) {
	for _, a := range e.tag.attrs {
		if a.name.is(e.Raw, name) {
			return a, true
		}
	}
	return attribute{}, false
}

// value returns the checked value raw of an attribute; raw itself if it is plain.
func value(raw []byte) []byte {
	if bytes.ContainsAny(raw, "&\t\n\r") {
		return appendValue(nil, raw)
	}
	return raw
}

// appendValue appends the checked value raw of an attribute, its references
// replaced and its white space normalized (XML 1.0 §2.11, §3.3.3).
func appendValue(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '&':
			r, n, err := reference(raw[i:])
			if err != nil {
				return dst // never: the value has been checked
			}
			dst = utf8.AppendRune(dst, r)
			i += n - 1
		case c == '\r' && i+1 < len(raw) && raw[i+1] == '\n':
		case isSpace(c):
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
