package xmpppeer

import (
	"fmt"
	"slices"
	"strings"
)

// Attr is one attribute. Space is the namespace, "" for a name without prefix.
type Attr struct{ Space, Name, Value string }

// Element is one element as it arrived. Names are resolved: the prefixes that the
// sender chose show in Raw only.
type Element struct {
	Name, Space string
	Attrs       []Attr            // in the order they came; without namespace declarations
	Declared    map[string]string // prefix ("" for the default) to namespace, as declared on this very tag
	Children    []*Element
	Text        string // the character data directly in it, joined
	Raw         string // the exact bytes from < to >

	nodes []any // string and *Element in the order they came
}

// Is says whether the element has that name.
func (e *Element) Is(name, space string) bool { return e.Name == name && e.Space == space }

// Attr returns the value of the attribute without prefix, or "".
func (e *Element) Attr(name string) string { return e.AttrNS(name, "") }

// AttrNS returns the value of an attribute in a namespace, or "".
func (e *Element) AttrNS(name, space string) string {
	for _, a := range e.Attrs {
		if a.Name == name && a.Space == space {
			return a.Value
		}
	}
	return ""
}

// Lang returns the xml:lang attribute, or "".
func (e *Element) Lang() string { return e.AttrNS("lang", nsXML) }

// Child returns the first child of that name, or nil. A nil element has none, so
// that calls can be chained.
func (e *Element) Child(name, space string) *Element {
	if e == nil {
		return nil
	}
	i := slices.IndexFunc(e.Children, func(c *Element) bool { return c.Is(name, space) })
	if i < 0 {
		return nil
	}
	return e.Children[i]
}

// Body returns the text of a message's body, or "".
func (e *Element) Body() string {
	if body := e.Child("body", NSServer); body != nil {
		return body.Text
	}
	return ""
}

// Condition returns the defined condition of an error stanza (RFC 6120 §8.3.2), or
// "" if e is none.
func (e *Element) Condition() string {
	return condition(e.Child("error", NSServer), NSStanzaErrors)
}

// condition returns the name of the error condition among the children of e.
func condition(e *Element, space string) string {
	if e == nil {
		return ""
	}
	for _, c := range e.Children {
		if c.Space == space && c.Name != "text" {
			return c.Name
		}
	}
	return ""
}

// Canonical prints what the element means, whatever prefixes, quotes and order of
// attributes it was written with: two elements are the same to XML if and only if
// these texts are equal.
func (e *Element) Canonical() string {
	var b strings.Builder
	e.canonical(&b)
	return b.String()
}

func (e *Element) canonical(b *strings.Builder) {
	fmt.Fprintf(b, "<{%s}%s", e.Space, e.Name)
	attrs := slices.Clone(e.Attrs)
	slices.SortFunc(attrs, func(a, c Attr) int { return strings.Compare(a.Space+" "+a.Name, c.Space+" "+c.Name) })
	for _, a := range attrs {
		fmt.Fprintf(b, " {%s}%s=%q", a.Space, a.Name, a.Value)
	}
	b.WriteByte('>')
	for _, n := range e.nodes {
		switch n := n.(type) {
		case string:
			b.WriteString(Escape(n))
		case *Element:
			n.canonical(b)
		}
	}
	fmt.Fprintf(b, "</{%s}%s>", e.Space, e.Name)
}

// String returns the raw bytes.
func (e *Element) String() string { return e.Raw }
