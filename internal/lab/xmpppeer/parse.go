package xmpppeer

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// Parse reads one element. Prefixes that it does not declare itself are looked up
// in scope; one that is found nowhere is an error, as are two attributes of one
// name: this is the second opinion on what the edge sends.
func Parse(raw string, scope map[string]string) (*Element, error) {
	p := &parser{d: xml.NewDecoder(strings.NewReader(raw)), raw: raw}
	for {
		t, err := p.d.RawToken()
		if err != nil {
			return nil, syntax(raw, "no element: %v", err)
		}
		if start, ok := t.(xml.StartElement); ok {
			e, err := p.element(start, 0, scope)
			if err != nil {
				return nil, syntax(raw, "%v", err)
			}
			return e, nil
		}
	}
}

type parser struct {
	d   *xml.Decoder
	raw string
}

// element reads from behind the start tag to the end tag. from is where the start
// tag begins.
func (p *parser) element(start xml.StartElement, from int64, scope map[string]string) (*Element, error) {
	e, scope, err := open(start, scope)
	if err != nil {
		return nil, err
	}
	for {
		at := p.d.InputOffset()
		t, err := p.d.RawToken()
		if err != nil {
			return nil, fmt.Errorf("in <%s>: %w", e.Name, err)
		}
		switch t := t.(type) {
		case xml.CharData:
			e.text(string(t))
		case xml.StartElement:
			child, err := p.element(t, at, scope)
			if err != nil {
				return nil, err
			}
			e.Children, e.nodes = append(e.Children, child), append(e.nodes, child)
		case xml.EndElement:
			if t.Name != start.Name {
				return nil, fmt.Errorf("<%s> ends as </%s>", start.Name.Local, t.Name.Local)
			}
			e.Raw = p.raw[from:p.d.InputOffset()]
			return e, nil
		default:
			return nil, fmt.Errorf("%T in a stream (RFC 6120 §11.1)", t)
		}
	}
}

// text adds character data; CDATA sections and what surrounds them become one.
func (e *Element) text(s string) {
	e.Text += s
	if i := len(e.nodes) - 1; i >= 0 {
		if before, ok := e.nodes[i].(string); ok {
			e.nodes[i] = before + s
			return
		}
	}
	e.nodes = append(e.nodes, s)
}

// open resolves the names of a start tag and returns the scope inside it.
func open(start xml.StartElement, outer map[string]string) (*Element, map[string]string, error) {
	e := &Element{Name: start.Name.Local, Declared: map[string]string{}}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns":
			e.Declared[a.Name.Local] = a.Value
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			e.Declared[""] = a.Value
		}
	}
	scope := map[string]string{"xml": nsXML}
	maps.Copy(scope, outer)
	maps.Copy(scope, e.Declared)
	var ok bool
	if e.Space, ok = scope[start.Name.Space]; !ok && start.Name.Space != "" {
		return nil, nil, fmt.Errorf("prefix %q is not declared", start.Name.Space)
	}
	if err := e.attributes(start.Attr, scope); err != nil {
		return nil, nil, err
	}
	return e, scope, nil
}

func (e *Element) attributes(all []xml.Attr, scope map[string]string) error {
	written, resolved := map[xml.Name]bool{}, map[Attr]bool{}
	for _, a := range all {
		if written[a.Name] {
			return fmt.Errorf("attribute %q stands twice", a.Name.Local)
		}
		written[a.Name] = true
		if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
			continue
		}
		space, ok := scope[a.Name.Space]
		switch {
		case a.Name.Space == "":
			space = "" // the default namespace is not for attributes
		case !ok:
			return fmt.Errorf("prefix %q is not declared", a.Name.Space)
		}
		if resolved[Attr{Space: space, Name: a.Name.Local}] {
			return fmt.Errorf("attribute %q stands twice in one namespace", a.Name.Local)
		}
		resolved[Attr{Space: space, Name: a.Name.Local}] = true
		e.Attrs = append(e.Attrs, Attr{Space: space, Name: a.Name.Local, Value: a.Value})
	}
	return nil
}

// parseHeader reads a stream's start tag, with the declaration before it if any.
func parseHeader(raw string) (Header, error) {
	d := xml.NewDecoder(strings.NewReader(raw))
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			err = errors.New("no start tag")
		}
		if err != nil {
			return Header{}, syntax(raw, "no stream header: %v", err)
		}
		if start, ok := t.(xml.StartElement); ok {
			e, _, err := open(start, nil)
			if err != nil {
				return Header{}, syntax(raw, "%v", err)
			}
			if !e.Is("stream", NSStreams) {
				return Header{}, syntax(raw, "no stream header: the root must be stream in %s", NSStreams)
			}
			return headerOf(e, raw), nil
		}
	}
}
