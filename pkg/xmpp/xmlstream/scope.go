package xmlstream

import "bytes"

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// Namespace is a namespace declaration. Prefix is empty for the default
// namespace; URI is the name without references.
type Namespace struct{ Prefix, URI string }

// binding is a declaration in scope: text[prefix:uri] names text[uri:end].
type binding struct{ prefix, uri, end int }

// scope is the stack of the declarations in force. Its text is a copy, because
// the bytes of the header are gone when they are needed.
type scope struct {
	text   []byte
	binds  []binding
	header []Namespace // the first of binds, those of the stream header
	used   []bool      // of header: by the element under way
}

// cut takes back the declarations after the first n.
func (s *scope) cut(n int) {
	s.binds = s.binds[:n]
	s.text = s.text[:0]
	if n > 0 {
		s.text = s.text[:s.binds[n-1].end]
	}
}

// shrink gives back the room that an element with long names has taken.
func (s *scope) shrink() {
	if cap(s.text) > idleBuffer && len(s.text) < cap(s.text)/2 {
		s.text = bytes.Clone(s.text)
	}
}

// surround makes space the default namespace around all that follows.
func (s *scope) surround(space string) {
	s.text = append(s.text, space...)
	s.binds = append(s.binds, binding{end: len(space)})
	s.keep()
}

// keep makes the declarations in scope those of the header.
func (s *scope) keep() {
	for _, b := range s.binds {
		s.header = append(s.header, Namespace{string(s.text[b.prefix:b.uri]), string(s.text[b.uri:b.end])})
	}
	s.used = make([]bool, len(s.binds))
}

// enter declares what the tag t in b declares and checks its names.
func (s *scope) enter(b []byte, t *tag, most int) *Error {
	for i := range t.attrs {
		a := &t.attrs[i]
		if !a.name.declares(b) {
			continue
		}
		if len(s.binds) == most {
			return excess("more namespace declarations in scope than the limit")
		}
		if err := s.declare(b, *a); err != nil {
			return err
		}
	}
	if _, err := s.resolve(t.name.prefix(b)); err != nil {
		return err
	}
	return s.checkAttributes(b, t.attrs)
}

// declare adds the declaration a (Namespaces in XML §2.2, §3).
func (s *scope) declare(b []byte, a attribute) *Error {
	prefix := a.name.declared(b)
	bind := binding{prefix: len(s.text), uri: len(s.text) + len(prefix)}
	s.text = appendValue(append(s.text, prefix...), b[a.value:a.end])
	bind.end = len(s.text)
	s.binds = append(s.binds, bind)
	uri := s.text[bind.uri:]
	switch {
	case string(prefix) == "xmlns", string(uri) == xmlnsSpace:
		return malformed("the prefix xmlns and its namespace cannot be declared")
	case (string(prefix) == "xml") != (string(uri) == xmlSpace):
		return malformed("the prefix xml and its namespace belong together")
	case len(prefix) > 0 && len(uri) == 0:
		return malformed("prefix declared with an empty namespace")
	}
	return nil
}

// resolve returns the namespace of prefix, the empty prefix being the default
// namespace.
func (s *scope) resolve(prefix []byte) ([]byte, *Error) {
	for i := len(s.binds) - 1; i >= 0; i-- {
		if b := s.binds[i]; bytes.Equal(s.text[b.prefix:b.uri], prefix) {
			if i < len(s.used) {
				s.used[i] = true
			}
			return s.text[b.uri:b.end], nil
		}
	}
	switch string(prefix) {
	case "":
		return nil, nil
	case "xml":
		return []byte(xmlSpace), nil
	}
	return nil, malformed("prefix that is not declared")
}

// checkAttributes refuses undeclared prefixes and two attributes of one expanded
// name (Namespaces in XML §6.3).
func (s *scope) checkAttributes(b []byte, attrs []attribute) *Error {
	for i := range attrs {
		q := attrs[i].name
		if err := s.checkPrefix(b, q); err != nil {
			return err
		}
		local := q.local(b)
		for j := range i {
			if other := attrs[j].name; bytes.Equal(local, other.local(b)) && s.same(b, q, other) {
				return malformed("two attributes with one name")
			}
		}
	}
	return nil
}

// checkPrefix refuses an attribute whose prefix is not declared; xml always is.
func (s *scope) checkPrefix(b []byte, q qname) *Error {
	if q.colon == q.start || q.declares(b) || string(q.prefix(b)) == "xml" {
		return nil
	}
	_, err := s.resolve(q.prefix(b))
	return err
}

// same compares the namespaces of two attributes with one local name. An
// attribute without a prefix is in no namespace.
func (s *scope) same(b []byte, x, y qname) bool {
	p, q := x.prefix(b), y.prefix(b)
	if len(p) == 0 || len(q) == 0 || x.declares(b) || y.declares(b) {
		return bytes.Equal(p, q)
	}
	u, _ := s.resolve(p)
	v, _ := s.resolve(q)
	return bytes.Equal(u, v)
}

// inherited appends the header's declarations that the element used.
func (s *scope) inherited(dst []Namespace) []Namespace {
	for i, used := range s.used {
		if used {
			dst = append(dst, s.header[i])
		}
	}
	return dst
}
