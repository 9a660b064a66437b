package xmlstream

import "bytes"

// attribute is one attribute of a tag. Offsets count from the start of the item.
type attribute struct {
	start      int // of the white space before the name
	name       qname
	value, end int // the value without its quotes is [value:end]
}

// tag is a parsed start tag.
type tag struct {
	name  qname
	attrs []attribute
	empty bool // <a/>
}

// parse reads the start tag b[from:end]. The slice of attributes is reused.
func (t *tag) parse(b []byte, from, end int, lim *Limits) *Error {
	b = b[:end-1]
	if t.empty = b[len(b)-1] == '/'; t.empty {
		b = b[:len(b)-1]
	}
	var err *Error
	if t.name, err = readName(b, from+1); err != nil {
		return err
	}
	t.attrs, err = readAttributes(b, t.name.end, t.attrs[:0], lim.Attributes)
	return err
}

// readAttributes appends the attributes of b[i:], at most most of them.
func readAttributes(b []byte, i int, attrs []attribute, most int) ([]attribute, *Error) {
	for {
		at := skipSpace(b, i)
		switch {
		case at == len(b):
			return attrs, nil
		case at == i:
			return attrs, malformed("no white space between name and attributes")
		case len(attrs) == most:
			return attrs, excess("more attributes in one tag than the limit")
		}
		attrs = append(attrs, attribute{start: i})
		a := &attrs[len(attrs)-1]
		if err := a.read(b, at); err != nil {
			return attrs, err
		}
		i = a.end + 1
	}
}

// read reads name, equals sign and quoted value at b[at:].
func (a *attribute) read(b []byte, at int) *Error {
	var err *Error
	if a.name, err = readName(b, at); err != nil {
		return err
	}
	at = skipSpace(b, a.name.end)
	if at == len(b) || b[at] != '=' {
		return malformed("attribute without a value")
	}
	at = skipSpace(b, at+1)
	if at == len(b) || b[at] != '"' && b[at] != '\'' {
		return malformed("attribute value without quotes")
	}
	a.value = at + 1
	n := bytes.IndexByte(b[a.value:], b[at])
	if n < 0 {
		return malformed("attribute value without its closing quote")
	}
	a.end = a.value + n
	return checkChars(b[a.value:a.end], inValue)
}

// checkEndTag checks that b is the end tag of the name want.
func checkEndTag(b, want []byte) *Error {
	const start = len("</")
	b = b[:len(b)-1]
	if len(want) > 0 && bytes.Equal(b[start:], want) {
		return nil
	}
	q, err := readName(b, start)
	switch {
	case err != nil:
		return err
	case skipSpace(b, q.end) != len(b):
		return malformed("end tag with more than a name")
	case !bytes.Equal(q.raw(b), want):
		return malformed("end tag that does not match its start tag")
	}
	return nil
}

// checkDeclaration checks the XML declaration b, from <?xml to ?> (XML 1.0 §2.8).
func checkDeclaration(b []byte) *Error {
	var room [3]attribute
	b = b[:len(b)-2]
	attrs, err := readAttributes(b, len("<?xml"), room[:0], len(room))
	if err != nil {
		return malformed("XML declaration; write <?xml version='1.0'?>")
	}
	if len(attrs) == 0 || !attrs[0].is(b, "version", "1.0") {
		return malformed("XML declaration without version 1.0")
	}
	attrs = attrs[1:]
	if len(attrs) > 0 && attrs[0].name.is(b, "encoding") {
		if !bytes.EqualFold(b[attrs[0].value:attrs[0].end], []byte("UTF-8")) {
			return &Error{UnsupportedEncoding, "encoding other than UTF-8"}
		}
		attrs = attrs[1:]
	}
	if len(attrs) > 0 && (attrs[0].is(b, "standalone", "yes") || attrs[0].is(b, "standalone", "no")) {
		attrs = attrs[1:]
	}
	if len(attrs) > 0 {
		return malformed("XML declaration with more than version, encoding, standalone")
	}
	return nil
}

func (a attribute) is(b []byte, name, value string) bool {
	return a.name.is(b, name) && string(b[a.value:a.end]) == value
}
