package sipmsg_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/sipfed/sipmsg"
)

// TestHeaderNames finds every known header by its long form in any case, and only
// by that or its compact form.
func TestHeaderNames(t *testing.T) {
	for h := sipmsg.Via; h.String() != "header"; h++ {
		for _, name := range []string{h.String(), strings.ToLower(h.String()), strings.ToUpper(h.String())} {
			m, _ := sipmsg.Parse([]byte(newDraft().add(name+": x", "Content-Length: 0").String()), sipmsg.DefaultLimits())
			if f := m.Fields()[6]; f.Header != h {
				t.Errorf("%s is %v, want %v", name, f.Header, h)
			}
		}
	}
	compact := map[string]sipmsg.Header{
		"a": sipmsg.AcceptContact, "b": sipmsg.ReferredBy, "c": sipmsg.ContentType, "d": sipmsg.RequestDisposition,
		"e": sipmsg.ContentEncoding, "f": sipmsg.From, "i": sipmsg.CallID, "j": sipmsg.RejectContact, "k": sipmsg.Supported,
		"m": sipmsg.Contact, "n": sipmsg.IdentityInfo, "o": sipmsg.Event, "r": sipmsg.ReferTo, "s": sipmsg.Subject,
		"t": sipmsg.To, "u": sipmsg.AllowEvents, "v": sipmsg.Via, "x": sipmsg.SessionExpires, "y": sipmsg.Identity,
		"g": sipmsg.Other, "z": sipmsg.Other, "Viaa": sipmsg.Other, "Vib": sipmsg.Other, "!": sipmsg.Other,
		strings.Repeat("x", 100): sipmsg.Other,
	}
	for name, want := range compact {
		for _, name := range []string{name, strings.ToUpper(name)} {
			m, _ := sipmsg.Parse([]byte(newDraft().add(name+": x").String()), sipmsg.DefaultLimits())
			if got := m.Fields()[6].Header; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
}

func TestValues(t *testing.T) {
	tests := []struct {
		name string
		h    sipmsg.Header
		rows []string
		want []string
	}{
		{"one", sipmsg.Route, []string{"Route: <sip:a;lr>"}, []string{"<sip:a;lr>"}},
		{"list", sipmsg.Route, []string{"Route: <sip:a;lr>,<sip:b>\r\n ,\t<sip:c>"}, []string{"<sip:a;lr>", "<sip:b>", "<sip:c>"}},
		{"rows", sipmsg.Supported, []string{"k: a, b", "X: y", "Supported: c"}, []string{"a", "b", "c"}},
		{"H7 comma in quotes", sipmsg.Contact, []string{`m: "a, \" <b" <sip:x@y>;p="q,r" , <sip:z>`}, []string{`"a, \" <b" <sip:x@y>;p="q,r"`, "<sip:z>"}},
		{"H7 comma in brackets", sipmsg.Route, []string{`Route: <sip:a,b@c?x="y,>, d`}, []string{`<sip:a,b@c?x="y,>`, "d"}},
		{"quote that never closes", sipmsg.Contact, []string{`Contact: a, "b, c`}, []string{"a", `"b, c`}},
		{"bracket that never closes", sipmsg.Contact, []string{"Contact: a, <b, c"}, []string{"a", "<b, c"}},
		{"empty elements", sipmsg.ProxyRequire, []string{"Proxy-Require: , a,, b ,"}, []string{"a", "b"}},
		{"empty row", sipmsg.Supported, []string{"Supported:", "Supported: ,,", "Supported: x"}, []string{"x"}},
		{"H4 no list", sipmsg.Authorization, []string{`Authorization: Digest a="b", c=d`}, []string{`Digest a="b", c=d`}},
		{"absent", sipmsg.Path, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := parse(t, newDraft().add(test.rows...).String())
			var got, each []string
			for _, v := range m.Values(test.h, nil) {
				got = append(got, string(v.Text))
				if string(m.Raw[v.Start:v.End]) != string(v.Text) || m.Fields()[v.Row].Header != test.h {
					t.Errorf("span or row of %q", v.Text)
				}
			}
			for v := range m.Each(test.h) {
				each = append(each, string(v.Text))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(got, each); diff != "" {
				t.Errorf("Each differs from Values: %s", diff)
			}
			if first, ok := m.First(test.h); ok != (len(got) > 0) || ok && string(first.Text) != got[0] {
				t.Errorf("First is %s, %v", first.Text, ok)
			}
		})
	}
}

func TestRealms(t *testing.T) {
	for in, want := range map[string][]string{
		``: nil, `Digest username="x"`: nil, `realm`: nil, `realm=`: {""}, `realm=a`: {"a"}, `Digest realm = "a b"`: {"a b"},
		`Digest REALM=a,nonce=b, Digest realm="c"`: {"a", "c"}, `Digest x="realm=\"no\"", realm="yes"`: {"yes"},
		`Digest realm="a\"b\\c"`: {`a"b\c`}, `Digest realm="open`: {"open"}, `x="open, realm="no`: nil,
		"Digest realm=\r\n \"folded\"": {"folded"}, `Digest arealm="no",realm="yes"`: {"yes"}, `Digest realm="a\`: {`a\`},
	} {
		var got []string
		for r := range sipmsg.Realms([]byte(in)) {
			got = append(got, string(r))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
