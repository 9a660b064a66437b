package xmlstream

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// infoset is the second parser: encoding/xml for the characters, and rules of its
// own for namespaces, for tags that belong together and for all that encoding/xml
// lets pass.
type infoset struct {
	says  []string // one line for each tag, attribute and text
	text  string
	open  []string
	scope []map[string]string
}

// readInfoset reads one element among the declarations around it. What it says
// does not depend on where a declaration stands.
func readInfoset(doc string, around []Namespace) ([]string, error) {
	outer := map[string]string{"xml": xmlSpace}
	for _, ns := range around {
		outer[ns.Prefix] = ns.URI
	}
	s := infoset{scope: []map[string]string{outer}}
	for d := xml.NewDecoder(strings.NewReader(doc)); ; {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) && len(s.open) == 0 && len(s.says) > 0 {
			return s.says, nil
		}
		if err == nil {
			err = s.take(tok)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (s *infoset) take(tok xml.Token) error {
	switch tok := tok.(type) {
	case xml.StartElement:
		return s.enter(tok)
	case xml.EndElement:
		return s.leave(tok)
	case xml.CharData:
		if len(s.open) == 0 {
			return errors.New("text outside")
		}
		s.text += string(tok)
		return nil
	}
	return fmt.Errorf("%T", tok)
}

func (s *infoset) say(format string, args ...any) {
	if s.text != "" {
		s.says = append(s.says, fmt.Sprintf("text %q", s.text))
		s.text = ""
	}
	s.says = append(s.says, fmt.Sprintf(format, args...))
}

func (s *infoset) enter(tok xml.StartElement) error {
	if len(s.open) == 0 && len(s.says) > 0 {
		return errors.New("second element")
	}
	scope := maps.Clone(s.scope[len(s.scope)-1])
	if err := declareAll(scope, tok.Attr); err != nil {
		return err
	}
	name, err := expand(scope, tok.Name, true)
	if err != nil {
		return err
	}
	attrs, err := expandAttrs(scope, tok.Attr)
	if err != nil {
		return err
	}
	s.say("start %s", name)
	for _, a := range attrs {
		s.say("attribute %s", a)
	}
	s.scope = append(s.scope, scope)
	s.open = append(s.open, tok.Name.Space+":"+tok.Name.Local)
	return nil
}

func (s *infoset) leave(tok xml.EndElement) error {
	last := len(s.open) - 1
	if last < 0 || s.open[last] != tok.Name.Space+":"+tok.Name.Local {
		return errors.New("end tag of another element")
	}
	s.open, s.scope = s.open[:last], s.scope[:last+1]
	s.say("end")
	return nil
}

// declares returns the prefix that an attribute declares.
func declares(n xml.Name) (prefix string, ok bool) {
	switch {
	case n.Space == "xmlns":
		return n.Local, true
	case n.Space == "" && n.Local == "xmlns":
		return "", true
	}
	return "", false
}

func declareAll(scope map[string]string, attrs []xml.Attr) error {
	for _, a := range attrs {
		prefix, ok := declares(a.Name)
		if !ok {
			continue
		}
		uri := flat(a.Value)
		if prefix == "xmlns" || uri == xmlnsSpace || (prefix == "xml") != (uri == xmlSpace) || prefix != "" && uri == "" {
			return errors.New("forbidden declaration")
		}
		scope[prefix] = uri
	}
	return nil
}

// flat is the normalization of white space that encoding/xml leaves out. It does
// not tell a reference from a character, and the streams here have no references
// to white space in declarations.
func flat(s string) string {
	return strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(s)
}

func expand(scope map[string]string, n xml.Name, element bool) (string, error) {
	if n.Local == "" || strings.Contains(n.Local, ":") {
		return "", errors.New("not a qualified name")
	}
	if n.Space == "" && !element {
		return n.Local, nil
	}
	uri, ok := scope[n.Space]
	if !ok && n.Space != "" {
		return "", errors.New("undeclared prefix")
	}
	return fmt.Sprintf("{%s}%s:%s", uri, n.Space, n.Local), nil
}

// expandAttrs returns the attributes that are no declarations, sorted.
func expandAttrs(scope map[string]string, attrs []xml.Attr) ([]string, error) {
	var list []string
	seen := make(map[string]bool)
	for _, a := range attrs {
		key := a.Name.Space + ":" + a.Name.Local
		if _, ok := declares(a.Name); !ok {
			name, err := expand(scope, a.Name, false)
			if err != nil {
				return nil, err
			}
			list = append(list, name+"="+a.Value)
			key = strings.Replace(name, "}"+a.Name.Space+":", "}", 1)
		}
		if seen[key] {
			return nil, errors.New("two attributes with one name")
		}
		seen[key] = true
	}
	slices.Sort(list)
	return list, nil
}
