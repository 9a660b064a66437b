package sipmsg_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/sipfed/sipmsg"
)

func splice(m *sipmsg.Message, edit func(*sipmsg.Splice)) string {
	var s sipmsg.Splice
	s.Reset(m)
	edit(&s)
	return string(s.AppendTo(nil))
}

// odd is full of spellings that a printing proxy would lose: H3, H5, H6, H7, H10.
func odd() *draft {
	return newDraft().start("INVITE sip:b%6fb@contoso.com SIP/2.0").with("CSeq: 0001\r\n\tINVITE").
		add("v :SIP / 2.0/TLS  h2;branch=1 ,SIP/2.0/TCP h3 ", "Route: <sip:edge;lr> ,\r\n <sip:next;lr>",
			"ROUTE:<sip:last>", "k:a,  b", "Supported:", "extension\t:\r\n \r\n x", `m:"a,b"<sip:x@y>;q=0.50`).
		text("binary \x00\r\nbody")
}

func TestSpliceIdentity(t *testing.T) {
	for _, d := range []*draft{newDraft(), odd(), response("200 OK").text("x")} {
		text := d.String()
		m := parse(t, text)
		if got := splice(m, func(*sipmsg.Splice) {}); got != text {
			t.Errorf("got\n%s\nwant\n%s", got, text)
		}
	}
}

// TestSpliceRelay does all that a proxy does to a request and compares by text.
func TestSpliceRelay(t *testing.T) {
	text := odd().String()
	m := parse(t, text)
	got := splice(m, func(s *sipmsg.Splice) {
		hops, _ := m.Row(sipmsg.MaxForwards)
		s.SetValue(hops, "6", "9")
		route, _ := m.First(sipmsg.Route)
		s.DropValue(route)
		s.AppendHeader("X-Last: ", "1\r\n")
		s.Insert(m.HeadersStart(), "Via: SIP/2.0/TLS edge;branch=z9hG4bKe\r\n")
		s.Insert(m.HeadersStart(), "Record-Route: <sip:edge;lr>\r\n")
		supported, _ := m.Row(sipmsg.Supported)
		s.Insert(supported.Start(), "X-Mid: 1\r\n")
		s.DropRow(supported)
		start := len(m.Method) + 1
		s.ReplaceBytes(start, start+len(m.RequestURI()), []byte("sip:new"), []byte("@contoso.com"))
		top := m.Fields()[0]
		s.InsertBytes(top.ValueEnd(), []byte(";received=192.0.2.1"))
	})
	want := strings.NewReplacer(
		"sip:b%6fb@contoso.com", "sip:new@contoso.com",
		"SIP/2.0\r\nVia:", "SIP/2.0\r\nVia: SIP/2.0/TLS edge;branch=z9hG4bKe\r\nRecord-Route: <sip:edge;lr>\r\nVia:",
		";branch=z9hG4bK77ef4c23", ";branch=z9hG4bK77ef4c23;received=192.0.2.1",
		"Max-Forwards: 70", "Max-Forwards: 69",
		"<sip:edge;lr> ,\r\n <sip:next;lr>", "<sip:next;lr>",
		"k:a,  b\r\n", "X-Mid: 1\r\n",
		"\r\n\r\nbinary", "\r\nX-Last: 1\r\n\r\nbinary",
	).Replace(text)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDropValue(t *testing.T) {
	tests := []struct {
		name string
		rows []string
		drop string // letters of the values to drop, in this order
		want []string
	}{
		{"only value", []string{"k: a"}, "a", nil},
		{"only value, folded", []string{"k:\r\n a\r\n "}, "a", nil},
		{"first", []string{"k: a, b,c"}, "a", []string{"k: b,c"}},
		{"middle", []string{"k: a , b,c"}, "b", []string{"k: a,c"}},
		{"last", []string{"k: a , b,\r\n c "}, "c", []string{"k: a , b "}},
		{"first two", []string{"k: a, b,c"}, "ab", []string{"k: c"}},
		{"last two, backwards", []string{"k: a, b,c"}, "cb", []string{"k: a"}},
		{"ends", []string{"k: a, b ,c"}, "ca", []string{"k: b"}},
		{"all but one, all over", []string{"k: a,b,c,d,e"}, "adbe", []string{"k: c"}},
		{"all", []string{"k: a, b,c"}, "bca", nil},
		{"all with empty elements", []string{"k: ,a,, b,"}, "ba", nil},
		{"empty elements stay with what is kept", []string{"k: ,a,, b,"}, "a", []string{"k: ,b,"}},
		{"over rows", []string{"k: a,b", "X: y", "Supported: c", "k:d,e"}, "cbd", []string{"k: a", "X: y", "k:e"}},
		{"twice", []string{"k: a,b"}, "aa", []string{"k: b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := parse(t, newDraft().add(test.rows...).String())
			values := m.Values(sipmsg.Supported, nil)
			got := splice(m, func(s *sipmsg.Splice) {
				for _, letter := range test.drop {
					for _, v := range values {
						if string(v.Text) == string(letter) {
							s.DropValue(v)
						}
					}
				}
			})
			if diff := cmp.Diff(newDraft().add(test.want...).String(), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDropTopVia is the way of a response, with the Via in all its shapes.
func TestDropTopVia(t *testing.T) {
	const own, other = "SIP/2.0/TLS edge;branch=z9hG4bK1", "SIP/2.0/TLS h;branch=z9hG4bK2"
	tests := []struct{ via, want []string }{
		{[]string{"Via: " + own, "Via: " + other}, []string{"Via: " + other}},
		{[]string{"Via: " + own + " , " + other}, []string{"Via: " + other}},
		{[]string{"v:" + own + ",\r\n " + other, "Via: x"}, []string{"v:" + other, "Via: x"}},
		{[]string{"Via: " + own}, nil},
	}
	for _, test := range tests {
		base := func(via []string) string { return response("200 OK").without("Via").add(via...).String() }
		m := parse(t, base(test.via))
		got := splice(m, func(s *sipmsg.Splice) {
			top, _ := m.First(sipmsg.Via)
			s.DropValue(top)
		})
		if diff := cmp.Diff(base(test.want), got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSpliceOrder(t *testing.T) {
	m := parse(t, newDraft().text("0123456789").String())
	at := m.HeadersEnd() + 2
	got := splice(m, func(s *sipmsg.Splice) {
		s.Replace(at+5, at+7, "B")
		s.Insert(at+5, "x")
		s.Insert(at+5, "y")
		s.Replace(at, at+1)
		s.Insert(at+10, "end")
	})
	if body := got[strings.Index(got, "\r\n\r\n")+4:]; body != "1234xyB789end" {
		t.Errorf("body %q", body)
	}
}

// TestSpliceSurvives: nonsense is ignored, and never a panic.
func TestSpliceSurvives(t *testing.T) {
	text := newDraft().text("0123456789").String()
	m := parse(t, text)
	got := splice(m, func(s *sipmsg.Splice) {
		s.Replace(5, 2, "backwards")
		s.Replace(-5, 2, "before")
		s.Replace(len(text), len(text)+1, "behind")
		s.Insert(math.MaxInt, "far")
		s.DropValue(sipmsg.Value{Row: 3, Start: 1})
		s.DropValue(sipmsg.Value{Row: 99})
		s.DropValue(sipmsg.Value{Row: -1})
		s.Replace(len(text)-4, len(text)-1, "X")
		s.Replace(len(text)-3, len(text), "overlaps")
	})
	if want := text[:len(text)-4] + "X9"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSpliceReuse(t *testing.T) {
	var s sipmsg.Splice
	first, second := parse(t, newDraft().String()), parse(t, odd().String())
	s.Reset(first)
	s.AppendHeader("X: 1\r\n")
	once := string(s.AppendTo(nil))
	if again := string(s.AppendTo([]byte("dst"))); again != "dst"+once {
		t.Errorf("second time %q", again)
	}
	s.Reset(second)
	if got := string(s.AppendTo(nil)); got != string(second.Raw) {
		t.Errorf("edits survived Reset: %q", got)
	}
}
