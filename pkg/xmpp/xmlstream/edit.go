package xmlstream

import "slices"

// Edit makes a changed copy of a Header or Stanza: it changes the attributes of
// its tag and copies everything else as it is. Each attribute may be named once.
// An Edit is reused with Reset and does not allocate in steady state.
type Edit struct {
	e     *Element
	spans []span
	text  []byte
}

// span replaces Raw[start:end] with text[from:to].
type span struct{ start, end, from, to int }

// Reset forgets all changes and starts with e.
func (d *Edit) Reset(e *Element) { d.e, d.spans, d.text = e, d.spans[:0], d.text[:0] }

// Set gives an attribute a value, which it escapes; the attribute is added after
// the name of the tag if it is absent. The value must be UTF-8 of characters that
// XML 1.0 allows.
func (d *Edit) Set(name, value string) {
	if a, ok := d.e.find(name); ok {
		from := len(d.text)
		d.text = AppendEscaped(d.text, value)
		d.add(a.value, a.end, from)
		return
	}
	d.insert(name, "", value)
}

// Remove takes an attribute away with the white space before it; nothing happens
// if it is absent.
func (d *Edit) Remove(name string) {
	if a, ok := d.e.find(name); ok {
		d.add(a.start, a.end+1, len(d.text))
	}
}

// Declare adds a namespace declaration, unless the tag declares the prefix
// itself.
func (d *Edit) Declare(ns Namespace) {
	if d.declared(ns.Prefix) {
		return
	}
	if ns.Prefix == "" {
		d.insert("xmlns", "", ns.URI)
		return
	}
	d.insert("xmlns:", ns.Prefix, ns.URI)
}

func (d *Edit) declared(prefix string) bool {
	for _, a := range d.e.tag.attrs {
		if a.name.declares(d.e.Raw) && string(a.name.declared(d.e.Raw)) == prefix {
			return true
		}
	}
	return false
}

// insert adds an attribute after the name of the tag.
func (d *Edit) insert(name, more, value string) {
	from, at := len(d.text), d.e.tag.name.end
	d.text = append(d.text, ' ')
	d.text = append(d.text, name...)
	d.text = append(d.text, more...)
	d.text = append(d.text, "='"...)
	d.text = append(AppendEscaped(d.text, value), '\'')
	d.add(at, at, from)
}

// add keeps the spans in the order of what they replace, and those of one place in
// the order of their making. There are few, and most come in order.
func (d *Edit) add(start, end, from int) {
	i := len(d.spans)
	for i > 0 && (d.spans[i-1].start > start || d.spans[i-1].start == start && d.spans[i-1].end > end) {
		i--
	}
	d.spans = slices.Insert(d.spans, i, span{start, end, from, len(d.text)})
}

// AppendTo appends the changed element to dst.
func (d *Edit) AppendTo(dst []byte) []byte {
	at := 0
	for _, s := range d.spans {
		if s.start < at {
			continue // the attribute was named before
		}
		dst = append(dst, d.e.Raw[at:s.start]...)
		dst = append(dst, d.text[s.from:s.to]...)
		at = s.end
	}
	return append(dst, d.e.Raw[at:]...)
}

// AppendEscaped appends value so that it is read as itself between quotes of
// either kind; white space other than the blank would be normalized.
func AppendEscaped(dst []byte, value string) []byte {
	from := 0
	for i := range len(value) {
		if c := value[i]; c <= '>' {
			if ref := escape(c); ref != "" {
				dst = append(append(dst, value[from:i]...), ref...)
				from = i + 1
			}
		}
	}
	return append(dst, value[from:]...)
}

func escape(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\'':
		return "&apos;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	return ""
}
