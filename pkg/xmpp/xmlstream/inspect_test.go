package xmlstream

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nested is an element and its children, as Children and At show them.
type nested struct {
	Name, Raw string
	Children  []nested
}

func look(e *Element) nested {
	n := nested{Name: string(e.Space) + " " + string(e.Local), Raw: string(e.Raw)}
	e.Children(func(space, local []byte, start, end int) bool {
		c := look(e.At(start, end))
		if name := string(space) + " " + string(local); name != c.Name {
			c.Name += " or " + name
		}
		n.Children = append(n.Children, c)
		return true
	})
	return n
}

func TestChildren(t *testing.T) {
	leaf := func(name, raw string) nested { return nested{Name: name, Raw: raw} }
	tests := []struct {
		in   string
		want []nested
	}{
		{`<a/>`, nil},
		{`<a></a>`, nil},
		{`<a>text<![CDATA[<b/>]]></a>`, nil},
		{`<a><b/>, <x:c/></a>`, []nested{leaf("jabber:server b", "<b/>"), leaf("urn:x c", "<x:c/>")}},
		{
			`<a xmlns='urn:a'><b xmlns='urn:&#98;'><c/></b><b xmlns=''/><b y='/>'></b ></a >`,
			[]nested{
				{"urn:b b", `<b xmlns='urn:&#98;'><c/></b>`, []nested{leaf("urn:b c", "<c/>")}},
				leaf(" b", `<b xmlns=''/>`), leaf("urn:a b", `<b y='/>'></b >`),
			},
		},
		{
			`<a xmlns:x='urn:y'><x:b xmlns:x='urn:z'><x:b><x:c/></x:b></x:b><xml:d/></a>`,
			[]nested{
				{"urn:z b", `<x:b xmlns:x='urn:z'><x:b><x:c/></x:b></x:b>`, []nested{
					{"urn:z b", `<x:b><x:c/></x:b>`, []nested{leaf("urn:z c", "<x:c/>")}},
				}},
				leaf(xmlSpace+" d", `<xml:d/>`),
			},
		},
	}
	for _, tt := range tests {
		got := look(second(t, head+tt.in))
		if diff := cmp.Diff(tt.want, got.Children); diff != "" || got.Raw != tt.in {
			t.Errorf("%s: %s", tt.in, diff)
		}
	}
}

func TestHeaderHasNoChildren(t *testing.T) {
	e, err := NewReader(strings.NewReader(head+"<a/>"), DefaultLimits()).Next()
	if err != nil {
		t.Fatal(err)
	}
	if got := look(e); got.Children != nil {
		t.Errorf("got %+v", got)
	}
}

func TestChild(t *testing.T) {
	e := second(t, head+`<a><x:b/><b>1</b><b>2</b></a>`)
	for _, tt := range []struct{ space, local, want string }{
		{"jabber:server", "b", "<b>1</b>"}, {"urn:x", "b", "<x:b/>"}, {"urn:y", "b", ""}, {"urn:x", "c", ""},
	} {
		start, end, ok := e.Child(tt.space, tt.local)
		if got := string(e.Raw[start:end]); got != tt.want || ok != (tt.want != "") {
			t.Errorf("{%s}%s: got %q, %v; want %q", tt.space, tt.local, got, ok, tt.want)
		}
	}
}

func TestAt(t *testing.T) {
	e := second(t, head+`<db:result xmlns:db='urn:db' type='error'><db:error type='cancel' by="&apos;">text</db:error></db:result>`)
	start, end, _ := e.Child("urn:db", "error")
	c := e.At(start, end)
	if c.Value("by") != "'" || string(c.Prefix) != "db" || c.Kind != Stanza {
		t.Errorf("got %+v", c)
	}
}

func TestText(t *testing.T) {
	long := strings.Repeat("b", 4096)
	tests := []struct {
		in, want string
		ok       bool
	}{
		{`<a/>`, "", true},
		{`<a></a>`, "", true},
		{`<a>b&lt;&#x1F600;<![CDATA[&lt;]]>c</a>`, "b<\U0001F600&lt;c", true},
		{"<a>\r\n\r\t\r&#13;<![CDATA[\r\n]]></a>", "\n\n\t\n\r\n", true},
		{`<a>` + long + `</a>`, long, true},
		{`<a>` + long + `b</a>`, "", false},
		{`<a>b<c/></a>`, "", false},
		{`<a>b<c></c></a>`, "", false},
	}
	for _, tt := range tests {
		if got, ok := second(t, head+tt.in).Text(); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %q, %v", tt.in, got, ok)
		}
	}
}

func TestParseElement(t *testing.T) {
	raw := []byte(`<message to='b'><body>c</body></message>`)
	e, err := ParseElement(raw, "jabber:server", DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if e.Kind != Stanza || string(e.Space) != "jabber:server" || e.Value("to") != "b" || string(e.Raw) != string(raw) {
		t.Errorf("got %+v", e)
	}
	if _, _, ok := e.Child("jabber:server", "body"); !ok {
		t.Error("no child")
	}
	for _, tt := range wellFormed {
		e, err := ParseElement([]byte(tt), "jabber:server", DefaultLimits())
		alone := !strings.Contains(tt, "x:") // what only the header declares
		if (err == nil) != alone || alone && string(e.Raw) != tt {
			t.Errorf("%s: %v", tt, err)
		}
	}
}

func TestParseElementRefuses(t *testing.T) {
	lim := DefaultLimits()
	lim.Element = 20
	tests := []struct {
		in   string
		want Condition
	}{
		{"", NotWellFormed},
		{" <a/>", BadFormat},
		{"<a/> ", BadFormat},
		{"<a/><b/>", BadFormat},
		{"<a>", NotWellFormed},
		{"</a>", NotWellFormed},
		{"</>", NotWellFormed},
		{"<x:a/>", NotWellFormed},
		{"<?xml ?>", RestrictedXML},
		{"<a>" + strings.Repeat("b", 14) + "</a>", PolicyViolation},
	}
	for _, tt := range tests {
		e, err := ParseElement([]byte(tt.in), "jabber:server", lim)
		if bad := (*Error)(nil); e != nil || !errors.As(err, &bad) || bad.Condition != tt.want {
			t.Errorf("%q: got %v, %v; want %s", tt.in, e, err, tt.want)
		}
	}
}
