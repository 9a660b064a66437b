package xmpppeer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// header is a header as others may write it.
const header = "<?xml version=\"1.0\"?>\n<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x' from='a.example'>"

// cutAll feeds text to a cutter in pieces of the given size and returns the items.
func cutAll(text string, size int) ([]string, error) {
	var c cutter
	var buf []byte
	var items []string
	for rest := text; ; {
		kind, n, err := c.next(buf)
		switch {
		case err != nil:
			return items, err
		case kind != itemNone:
			items = append(items, string(buf[:n]))
			buf = buf[n:]
		case rest == "":
			return items, nil
		default:
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			buf = append(buf, piece...)
		}
	}
}

func TestCutter(t *testing.T) {
	elements := []string{
		header,
		"<message a='>' b=\"'/>\"><body>x &gt; y<![CDATA[</message>]]></body><x:y/></message>",
		"<presence/>",
		"<iq\n type='get'><a><a/></a></iq>",
		"</stream:stream>",
	}
	for _, size := range []int{1, 2, 7, 1 << 20} {
		got, err := cutAll(strings.Join(elements, ""), size)
		if diff := cmp.Diff(elements, got); diff != "" || err != nil {
			t.Errorf("pieces of %d: %v, items (-want +got):\n%s", size, err, diff)
		}
	}
}

func TestCutterRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"text between elements":  "<a/>text<b/>",
		"comment":                "<a><!-- --></a>",
		"DTD":                    "<!DOCTYPE x>",
		"processing instruction": "<a><?php ?></a>",
		"CDATA between elements": "<![CDATA[ ]]>",
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 1 << 20} {
				if items, err := cutAll(header+text, size); err == nil {
					t.Errorf("pieces of %d: taken: %q", size, items)
				}
			}
		})
	}
}

func TestParse(t *testing.T) {
	scope := map[string]string{"": NSServer, "x": "urn:x"}
	e, err := Parse(`<message to='b' xml:lang='de' x:to='c'>a<x:p><q xmlns=''/></x:p>b<![CDATA[<]]></message>`, scope)
	if err != nil {
		t.Fatal(err)
	}
	want := `<{jabber:server}message {}to="b" {http://www.w3.org/XML/1998/namespace}lang="de" {urn:x}to="c">` +
		`a<{urn:x}p><{}q></{}q></{urn:x}p>b&lt;</{jabber:server}message>`
	if diff := cmp.Diff(want, e.Canonical()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := e.Child("p", "urn:x").Child("q", "").Raw; got != "<q xmlns=''/>" {
		t.Errorf("raw of a child: %q", got)
	}
	if e.Text != "ab<" || e.Lang() != "de" || e.AttrNS("to", "urn:x") != "c" || e.Attr("to") != "b" {
		t.Errorf("text %q, attributes %v", e.Text, e.Attrs)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"prefix of an element":      "<y:a/>",
		"prefix of an attribute":    "<a y:b='1'/>",
		"attribute twice":           "<a b='1' b='2'/>",
		"attribute twice, by names": "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
		"end tag":                   "<a></b>",
		"entity":                    "<a>&nbsp;</a>",
		"unfinished":                "<a>",
		"nothing":                   "",
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := Parse(text, nil); err == nil {
				t.Errorf("taken: %s", e.Canonical())
			}
		})
	}
}

func TestHeader(t *testing.T) {
	h, err := parseHeader(header)
	if err != nil || h.From != "a.example" || h.Spaces["x"] != "urn:x" || h.SpeaksDialback() {
		t.Errorf("%+v, %v", h, err)
	}
	h, err = parseHeader(Header{From: "a", To: "b", ID: "<'&", Lang: "de", Spaces: map[string]string{"y": "urn:y"}}.String())
	if err != nil || h.ID != "<'&" || h.Lang != "de" || h.Version != "1.0" || h.Spaces["y"] != "urn:y" || !h.SpeaksDialback() {
		t.Errorf("%+v, %v", h, err)
	}
	for _, bad := range []string{"<stream xmlns='jabber:server'>", "<?xml version='1.1'?><a>", "<a b='1' b='2'>"} {
		if h, err := parseHeader(bad); err == nil {
			t.Errorf("%s was taken: %+v", bad, h)
		}
	}
}

// The vectors are those of the examples in XEP-0185 and XEP-0220.
func TestDialbackKey(t *testing.T) {
	for _, v := range [][5]string{
		{"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F", "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"},
		{"s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F", "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"},
		{"d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25", "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"},
	} {
		if got := DialbackKey(v[0], v[1], v[2], v[3]); got != v[4] {
			t.Errorf("%v: %s", v, got)
		}
	}
}

// FuzzCutter: the size of the pieces never matters, no byte is lost, and whatever
// element Parse takes it also takes from what Canonical says about it.
func FuzzCutter(f *testing.F) {
	f.Add("<message><body>x</body></message> <iq a='>'/></stream:stream>", 3)
	f.Add("<a><![CDATA[]]>]]></a><!", 1)
	f.Fuzz(func(t *testing.T, text string, size int) {
		text = header + text
		whole, err := cutAll(text, len(text))
		pieces, pieceErr := cutAll(text, 1+max(0, size)%len(text))
		if (err == nil) != (pieceErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", err, pieceErr)
		}
		if !strings.HasPrefix(text, strings.Join(pieces, "")) {
			t.Errorf("%q was cut into %q", text, pieces)
		}
		if err == nil && strings.Join(whole, "") != strings.Join(pieces, "") {
			t.Errorf("whole %q, in pieces %q", whole, pieces)
		}
		for _, raw := range whole {
			if e, err := Parse(raw, map[string]string{"": NSServer}); err == nil && !strings.HasPrefix(raw, "<?") && e.Raw != raw {
				t.Errorf("%q became %q", raw, e.Raw)
			}
		}
	})
}
