package xmlstream

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const head = `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x' to='a.example' version='1.0'>`

// outcome is all that a Reader says about a stream.
type outcome struct {
	Parts []string
	Names []string
	Using [][]Namespace
	Cond  Condition
	End   string
}

func readAll(src io.Reader, lim Limits) outcome {
	var o outcome
	for r := NewReader(src, lim); ; {
		e, err := r.Next()
		if bad := (*Error)(nil); errors.As(err, &bad) {
			o.Cond = bad.Condition
		}
		if err != nil {
			o.End = err.Error()
			return o
		}
		o.Parts = append(o.Parts, string(e.Raw))
		o.Names = append(o.Names, string(e.Space)+" "+string(e.Prefix)+" "+string(e.Local))
		o.Using = append(o.Using, append([]Namespace{}, e.Inherited...))
	}
}

// split reads s in two segments.
func split(s string, at int) io.Reader {
	return io.MultiReader(strings.NewReader(s[:at]), strings.NewReader(s[at:]))
}

var wellFormed = []string{
	`<a/>`, `<message to='b' from="c"><body>hi</body></message>`, `<a ></a >`, "<a\n b = 'c'\t/>",
	`<a>&lt;&gt;&amp;&apos;&quot;&#13;&#x1F600;</a>`, `<a><![CDATA[<b>&]]]]><![CDATA[>]]></a>`, `<a b='>/'/>`,
	`<x:a x:b='1' b='2'/>`, `<a xmlns=''><b xmlns='urn:b'/></a>`, `<p:a xmlns:p='urn:p'><p:b/></p:a>`,
	`<a xml:lang='de' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>`, "<a>\r\n\ufeffä\U0001F600</a>", `<a-b.c_d/>`,
	`<a xmlns:p='urn:p'><p:b xmlns:p='urn:q' xmlns:r='urn:p' p:c='' r:c=''/><p:b/></a>`, `<a>]]</a>`, `<ä ö='ü'/>`,
}

var broken = []struct {
	name, in string
	want     Condition
}{
	{"comment", `<a><!-- --></a>`, RestrictedXML},
	{"comment between", `<!-- -->`, RestrictedXML},
	{"DTD", `<!DOCTYPE a>`, RestrictedXML},
	{"PI", `<a><?b?></a>`, RestrictedXML},
	{"late declaration", `<?xml version='1.0'?>`, RestrictedXML},
	{"entity", `<a>&nbsp;</a>`, RestrictedXML},
	{"entity in attribute", `<a b='&nbsp;'/>`, RestrictedXML},
	{"bare ampersand", `<a>a & b; </a>`, NotWellFormed},
	{"no semicolon", `<a>&amp</a>`, NotWellFormed},
	{"reference to NUL", `<a>&#0;</a>`, NotWellFormed},
	{"reference to surrogate", `<a>&#xD800;</a>`, NotWellFormed},
	{"reference overflow", `<a>&#x100000041;</a>`, NotWellFormed},
	{"reference without digits", `<a>&#x;</a>`, NotWellFormed},
	{"capital X", `<a>&#X41;</a>`, NotWellFormed},
	{"control", "<a>\x01</a>", NotWellFormed},
	{"control in CDATA", "<a><![CDATA[\x00]]></a>", NotWellFormed},
	{"FFFE", "<a>\ufffe</a>", NotWellFormed},
	{"invalid UTF-8", "<a>\xff</a>", UnsupportedEncoding},
	{"overlong", "<a b='\xc0\x80'/>", UnsupportedEncoding},
	{"surrogate", "<a>\xed\xa0\x80</a>", UnsupportedEncoding},
	{"invalid name", "<\xff/>", UnsupportedEncoding},
	{"mismatch", `<a><b></a>`, NotWellFormed},
	{"prefix mismatch", `<x:a></a>`, NotWellFormed},
	{"wrong close", `</stream>`, NotWellFormed},
	{"end tag with attribute", `<a></a b=''>`, NotWellFormed},
	{"duplicate", `<a b='' b=''/>`, NotWellFormed},
	{"duplicate expanded", `<a xmlns:p='urn:&#x78;' p:b='' x:b=''/>`, NotWellFormed},
	{"duplicate declaration", `<a xmlns='a' xmlns='b'/>`, NotWellFormed},
	{"unbound element", `<p:a/>`, NotWellFormed},
	{"unbound attribute", `<a p:b=''/>`, NotWellFormed},
	{"out of scope", `<a><b xmlns:p='urn:p'/><p:b/></a>`, NotWellFormed},
	{"empty prefix namespace", `<a xmlns:p=''/>`, NotWellFormed},
	{"xmlns declared", `<a xmlns:xmlns='urn:p'/>`, NotWellFormed},
	{"xmlns namespace", `<a xmlns='http://www.w3.org/2000/xmlns/'/>`, NotWellFormed},
	{"xml rebound", `<a xmlns:xml='urn:p'/>`, NotWellFormed},
	{"xml namespace elsewhere", `<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>`, NotWellFormed},
	{"no quotes", `<a b=c/>`, NotWellFormed},
	{"no value", `<a b/>`, NotWellFormed},
	{"no space", `<a b=''c=''/>`, NotWellFormed},
	{"< in value", `<a b='<'/>`, NotWellFormed},
	{"< in tag", `<a <b/>`, NotWellFormed},
	{"space before name", `< a/>`, NotWellFormed},
	{"two colons", `<x:a:b/>`, NotWellFormed},
	{"digit first", `<1/>`, NotWellFormed},
	{"CDATA end in text", `<a>]]></a>`, NotWellFormed},
	{"section", `<a><![IGNORE[]]></a>`, NotWellFormed},
	{"text between", `hello`, BadFormat},
	{"CDATA between", `<![CDATA[x]]>`, BadFormat},
	{"mark between", "\ufeff<a/>", BadFormat},
}

var openings = []struct {
	name, in string
	want     Condition
}{
	{"plain", head, ""},
	{"declaration", `<?xml version="1.0"?>` + "\n" + head, ""},
	{"whole declaration", `<?xml version='1.0' encoding='utf-8' standalone='no' ?>` + head, ""},
	{"white space", " \n" + head, ""},
	{"white space before the declaration", ` <?xml version='1.0'?>` + head, RestrictedXML},
	{"two declarations", `<?xml version='1.0'?><?xml version='1.0'?>` + head, RestrictedXML},
	{"other encoding", `<?xml version='1.0' encoding='ISO-8859-1'?>` + head, UnsupportedEncoding},
	{"XML 1.1", `<?xml version='1.1'?>` + head, NotWellFormed},
	{"no version", `<?xml encoding='UTF-8'?>` + head, NotWellFormed},
	{"more", `<?xml version='1.0' more='1'?>` + head, NotWellFormed},
	{"other PI", `<?xml-stylesheet a='b'?>` + head, RestrictedXML},
	{"byte order mark", "\ufeff" + head, NotWellFormed},
	{"text", "GET / HTTP/1.1\r\n", NotWellFormed},
	{"empty stream", `<stream/>`, BadFormat},
	{"close first", `</stream:stream>`, NotWellFormed},
	{"close without a name first", `</>`, NotWellFormed},
	{"unbound", `<stream:stream>`, NotWellFormed},
	{"DTD", `<!DOCTYPE stream []>`, RestrictedXML},
}

func checkSplits(t *testing.T, in string, lim Limits) outcome {
	t.Helper()
	whole := readAll(strings.NewReader(in), lim)
	if diff := cmp.Diff(whole, readAll(iotest.OneByteReader(strings.NewReader(in)), lim)); diff != "" {
		t.Errorf("%q by single bytes (-whole +bytes):\n%s", in, diff)
	}
	for at := range in {
		if diff := cmp.Diff(whole, readAll(split(in, at), lim)); diff != "" {
			t.Errorf("%q split at %d (-whole +split):\n%s", in, at, diff)
		}
	}
	return whole
}

func TestWellFormed(t *testing.T) {
	for _, doc := range wellFormed {
		in := head + " \n" + doc + doc + "\n</stream:stream >"
		got := checkSplits(t, in, DefaultLimits())
		if diff := cmp.Diff([]string{head, doc, doc, "</stream:stream >"}, got.Parts); diff != "" || got.End != "EOF" {
			t.Errorf("%q: %s %s", doc, got.End, diff)
		}
		if err := secondOpinion(doc); err != nil {
			t.Errorf("%q: encoding/xml: %v", doc, err)
		}
	}
}

// secondOpinion asks encoding/xml, which knows fewer name characters (XML 1.0,
// 4th edition).
func secondOpinion(doc string) error {
	for d := xml.NewDecoder(strings.NewReader(doc)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "invalid XML name") && !isASCII(doc) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

func TestBroken(t *testing.T) {
	for _, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			got := checkSplits(t, head+"<ok/>"+tt.in+"<ok/>", DefaultLimits())
			if got.Cond != tt.want || len(got.Parts) != 2 {
				t.Errorf("got %q %q after %q, want %q", got.Cond, got.End, got.Parts, tt.want)
			}
		})
	}
}

func TestOpening(t *testing.T) {
	for _, tt := range openings {
		t.Run(tt.name, func(t *testing.T) {
			got := checkSplits(t, tt.in, DefaultLimits())
			if got.Cond != tt.want || tt.want == "" && !cmp.Equal(got.Parts, []string{head}) {
				t.Errorf("got %q %q, want %q", got.Cond, got.Parts, tt.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	lim := Limits{Header: len(head), Element: 40, Depth: 3, Attributes: 5, Namespaces: 5}
	tests := []struct {
		name, in string
		want     Condition
	}{
		{"header", strings.Replace(head, ">", " >", 1), PolicyViolation},
		{"longest element", head + "<a>" + strings.Repeat("b", 33) + "</a>", ""},
		{"longer element", head + "<a>" + strings.Repeat("b", 34) + "</a>", PolicyViolation},
		{"endless name", head + "<" + strings.Repeat("b", 40), PolicyViolation},
		{"fault beyond the limit", head + "<a>" + strings.Repeat("b", 38) + "\x00</a>", PolicyViolation},
		{"deepest", head + "<a><b><c/></b></a>", ""},
		{"deeper", head + "<a><b><c><d/></c></b></a>", PolicyViolation},
		{"most attributes", head + "<a a='' b='' c='' d='' e=''/>", ""},
		{"more attributes", head + "<a a='' b='' c='' d='' e='' f=''/>", PolicyViolation},
		{"most namespaces", head + "<a xmlns='b'><c xmlns='d'/></a>", ""},
		{"more namespaces", head + "<a xmlns='b' xmlns:b='c' xmlns:c='d'/>", PolicyViolation},
		{"white space", head + strings.Repeat(" ", 100) + "<a/>", ""},
	}
	for _, tt := range tests {
		if got := checkSplits(t, tt.in, lim); got.Cond != tt.want {
			t.Errorf("%s: got %q (%s), want %q", tt.name, got.Cond, got.End, tt.want)
		}
	}
}

func TestFaultsAreFoundBeforeTheElementEnds(t *testing.T) {
	src, feed := io.Pipe()
	defer feed.Close()
	go func() { _, _ = io.WriteString(feed, head+"<message><body></message>") }()
	if got := readAll(src, DefaultLimits()); got.Cond != NotWellFormed {
		t.Errorf("got %+v", got)
	}
}

func TestInherited(t *testing.T) {
	in := head + `<a/><a xmlns='urn:a'/><a xmlns='urn:a'><b x:c=''/></a><x:a/><x:a xmlns:x='urn:y'/>`
	dflt, x := Namespace{"", "jabber:server"}, Namespace{"x", "urn:x"}
	want := [][]Namespace{{}, {dflt}, {}, {x}, {x}, {}}
	got := readAll(strings.NewReader(in), DefaultLimits())
	if diff := cmp.Diff(want, got.Using); diff != "" {
		t.Error(diff)
	}
	names := []string{
		"http://etherx.jabber.org/streams stream stream", "jabber:server  a", "urn:a  a", "urn:a  a", "urn:x x a", "urn:y x a",
	}
	if diff := cmp.Diff(names, got.Names); diff != "" {
		t.Error(diff)
	}
}

func TestEndOfInput(t *testing.T) {
	for in, want := range map[string]string{"": "EOF", head: "EOF", head + " ": "EOF", head + "<": "unexpected EOF", "<": "unexpected EOF"} {
		if got := readAll(strings.NewReader(in), DefaultLimits()).End; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
