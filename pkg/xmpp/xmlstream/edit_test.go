package xmlstream

import (
	"strings"
	"testing"
)

func TestEdit(t *testing.T) {
	tests := []struct {
		name, in, want string
		edit           func(*Edit)
	}{
		{"nothing", `<a  b = "c"><d/></a>`, `<a  b = "c"><d/></a>`, func(*Edit) {}},
		{"replace", `<a  to = "c" x=''/>`, `<a  to = "d&apos;&#10;&quot;" x=''/>`, func(d *Edit) { d.Set("to", "d'\n\"") }},
		{"insert", `<a b='c'/>`, `<a to='&lt;&amp;ä' b='c'/>`, func(d *Edit) { d.Set("to", "<&ä") }},
		{"insert without attributes", `<a/>`, `<a to='d'/>`, func(d *Edit) { d.Set("to", "d") }},
		{"remove", `<a  to='c' b=''>t</a>`, `<a b=''>t</a>`, func(d *Edit) { d.Remove("to") }},
		{"remove nothing", `<a/>`, `<a/>`, func(d *Edit) { d.Remove("to") }},
		{"only the top", `<a><b to='c'/></a>`, `<a to='d'><b to='c'/></a>`, func(d *Edit) { d.Set("to", "d") }},
		{"several", `<a from='b' to='c'/>`, `<a xml:lang='de' to='x'/>`, func(d *Edit) {
			d.Set("to", "x")
			d.Remove("from")
			d.Set("xml:lang", "de")
		}},
		{"declare", `<x:a x:b=''/>`, `<x:a xmlns:x='urn:x' x:b=''/>`, func(d *Edit) { d.Declare(Namespace{"x", "urn:x"}) }},
		{"declare default", `<a/>`, `<a xmlns='urn:&amp;'/>`, func(d *Edit) { d.Declare(Namespace{"", "urn:&"}) }},
		{"declared already", `<x:a xmlns:x='urn:y'/>`, `<x:a xmlns:x='urn:y'/>`, func(d *Edit) { d.Declare(Namespace{"x", "urn:x"}) }},
	}
	var d Edit
	for _, tt := range tests {
		d.Reset(second(t, head+tt.in))
		tt.edit(&d)
		if got := string(d.AppendTo([]byte("+"))); got != "+"+tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// second returns the part after the stream header.
func second(t testing.TB, in string) *Element {
	t.Helper()
	r := NewReader(strings.NewReader(in), DefaultLimits())
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	return &r.item.element
}

func TestValue(t *testing.T) {
	e := second(t, head+"<a to='&#65;&amp;\r\n\tä' b=''/>")
	if got := e.Value("to"); got != "A&  ä" {
		t.Errorf("got %q", got)
	}
	if _, ok := e.Attr("b"); !ok {
		t.Error("an empty attribute is there")
	}
	if raw, ok := e.Attr("from"); ok || e.Value("from") != "" {
		t.Errorf("got %q", raw)
	}
}

// FuzzEdit sets, removes and declares in any element, and holds the result
// against the second parser.
func FuzzEdit(f *testing.F) {
	for i, doc := range wellFormed {
		f.Add(doc, "a'\"<\n\t&>", uint8(i))
	}
	f.Fuzz(func(t *testing.T, doc, value string, what uint8) {
		e, err := ParseElement([]byte(doc), "jabber:server", DefaultLimits())
		if err != nil || checkChars([]byte(value), inCDATA) != nil {
			return
		}
		names := []string{"to", "from", "id", "type", "xml:lang", "b"}
		set, gone := names[int(what)%len(names)], names[int(what/8)%len(names)]
		var d Edit
		d.Reset(e)
		d.Set(set, value)
		if gone != set {
			d.Remove(gone)
		}
		d.Declare(Namespace{"unused", "urn:" + value})
		out := d.AppendTo(nil)
		if _, err := readInfoset(string(out), []Namespace{{"", "jabber:server"}}); err != nil && !unknownName(err, doc) {
			t.Fatalf("%q became %q: %v", doc, out, err)
		}
		got, err := ParseElement(out, "jabber:server", Limits{1 << 20, 1 << 20, 1 << 10, 1 << 10, 1 << 10})
		if err != nil {
			t.Fatalf("%q became %q: %v", doc, out, err)
		}
		if _, still := got.Attr(gone); got.Value(set) != value || still && gone != set {
			t.Fatalf("%q became %q: %s is %q", doc, out, set, got.Value(set))
		}
		if d.Reset(e); string(d.AppendTo(nil)) != doc {
			t.Fatalf("%q changed without changes", doc)
		}
	})
}
