package sipmsg_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/sipfed/sipmsg"
)

// chunks cuts a stream into segments of the given sizes, in turn.
type chunks struct {
	rest  string
	sizes []byte
	turn  int
}

func (c *chunks) Read(b []byte) (int, error) {
	n := len(b)
	if len(c.sizes) > 0 {
		n = min(n, 1+int(c.sizes[c.turn%len(c.sizes)]))
		c.turn++
	}
	n, err := strings.NewReader(c.rest).Read(b[:n])
	c.rest = c.rest[n:]
	return n, err
}

// FuzzReader: whatever the cut, the same messages; within the limits; and all
// bytes of the stream are in a message or are line breaks between two.
func FuzzReader(f *testing.F) {
	for _, test := range framingTests {
		f.Add(newDraft().String()+test.input, []byte{0})
	}
	f.Add("\r\n\r\n"+odd().String()+"\r\n"+response("200 OK").String(), []byte{3, 50, 1})
	f.Fuzz(func(t *testing.T, stream string, sizes []byte) {
		want, wantPings := readAll(strings.NewReader(stream), smallLimits)
		got, pings := readAll(&chunks{rest: stream, sizes: sizes}, smallLimits)
		if diff := cmp.Diff(want, got); diff != "" || pings != wantPings {
			t.Fatalf("%d pings, want %d (-whole +cut):\n%s", pings, wantPings, diff)
		}
		rest := stream
		for _, e := range want {
			rest = strings.TrimLeft(rest, "\r\n")
			if e.Raw == "" && e.ErrClass != "" {
				break
			}
			if !strings.HasPrefix(rest, e.Raw) {
				t.Fatalf("Raw is not the stream: %q, want %q", e.Raw, rest)
			}
			rest = rest[len(e.Raw):]
			if len(e.Body) > smallLimits.Body || len(e.Raw)-len(e.Body) > smallLimits.Headers || e.Fields > smallLimits.Fields {
				t.Fatalf("beyond the limits: %+v", e)
			}
		}
		if last := want[len(want)-1]; last.Err == "EOF" && strings.Trim(rest, "\r\n") != "" {
			t.Fatalf("lost %q", rest)
		}
	})
}

// FuzzParse: a message prints as it was read, its index is sound, and what is
// built from a good message is good.
func FuzzParse(f *testing.F) {
	for _, test := range syntaxTests {
		f.Add([]byte(test.input.String()))
	}
	f.Add([]byte(odd().String()))
	f.Add([]byte(response("200 OK").text("x").String()))
	f.Fuzz(func(t *testing.T, raw []byte) {
		input := bytes.Clone(raw)
		m, err := sipmsg.Parse(raw, sipmsg.DefaultLimits())
		if m == nil {
			return
		}
		checkIndex(t, m)
		if describe(m, err).ErrClass == "framing" {
			return
		}
		if !bytes.Equal(m.Raw, input) || splice(m, func(*sipmsg.Splice) {}) != string(input) {
			t.Fatal("not printed as read")
		}
		m.Source = sipmsg.NewSource(netip.MustParseAddrPort("192.0.2.1:5061"))
		if m.IsRequest() && m.Answerable() {
			answer, bad := sipmsg.Parse(sipmsg.AppendResponse(nil, m, 400, "Bad Request", "e1", "X: y"), wide)
			if err == nil && (bad != nil || answer.To().Tag() == nil) {
				t.Fatalf("bad answer: %v\n%s", bad, answer.Raw)
			}
		}
		if m.IsRequest() && err == nil {
			checkBuilt(t, m)
			checkSource(t, m)
		}
	})
}

// wide has room for what a message at the default limits grows by.
var wide = sipmsg.Limits{Line: 1 << 20, Headers: 1 << 20, Body: 1 << 20, Fields: 1 << 10, URI: 1 << 20}

func checkBuilt(t *testing.T, m *sipmsg.Message) {
	t.Helper()
	for _, built := range [][]byte{sipmsg.AppendCancel(nil, m), sipmsg.AppendACK(nil, m, m)} {
		again, err := sipmsg.Parse(built, wide)
		if err != nil || string(again.Via().Branch()) != string(m.Via().Branch()) || again.Count(sipmsg.Via) != 1 {
			t.Fatalf("built %v\n%s", err, built)
		}
	}
}

// checkSource: what is added to the topmost Via is found there.
func checkSource(t *testing.T, m *sipmsg.Message) {
	t.Helper()
	again, err := sipmsg.Parse([]byte(splice(m, m.NoteSource)), wide)
	if err != nil {
		t.Fatalf("%v\n%s", err, m.Raw)
	}
	said, _ := again.Via().Param("received")
	ip, isIP := again.Via().HostIP()
	if string(said) != "192.0.2.1" && (said != nil || !isIP || ip.Unmap() != netip.MustParseAddr("192.0.2.1")) {
		t.Fatalf("received is %q in\n%s", said, again.Raw)
	}
}

// checkIndex looks at every accessor that hands out parts of Raw.
func checkIndex(t *testing.T, m *sipmsg.Message) {
	t.Helper()
	at := m.HeadersStart()
	for i, f := range m.Fields() {
		if f.Start() != at || f.ValueStart() > f.ValueEnd() || f.ValueEnd() > f.End()-2 || !bytes.HasSuffix(m.Raw[:f.End()], []byte("\r\n")) {
			t.Fatalf("row %d is %+v", i, f)
		}
		at = f.End()
		first, ok := m.Row(f.Header)
		if !ok || first.Start() > f.Start() || m.Count(f.Header) < 1 {
			t.Fatalf("row %d is not found as %v", i, f.Header)
		}
		for v := range m.Each(f.Header) {
			if len(v.Text) == 0 || string(m.Raw[v.Start:v.End]) != string(v.Text) {
				t.Fatalf("element %+v", v)
			}
		}
	}
	if at != m.HeadersEnd() {
		t.Fatalf("rows end at %d, headers at %d", at, m.HeadersEnd())
	}
}

// FuzzParseURI: the parts make up the whole.
func FuzzParseURI(f *testing.F) {
	for _, seed := range []string{"sip:a;b:c@[::1]:5;lr?x=y", "sips:h?", "tel:1", "sip:a@1.2.3.4", "sip:[2001:db8:::192.0.2.1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := sipmsg.ParseURI([]byte(in))
		if err != nil {
			return
		}
		scheme, rest, _ := strings.Cut(in, ":")
		if !strings.EqualFold(scheme, u.Scheme) {
			t.Fatalf("scheme %q of %q", u.Scheme, in)
		}
		if u.Opaque != nil {
			if string(u.Opaque) != rest {
				t.Fatalf("opaque %q of %q", u.Opaque, in)
			}
			return
		}
		head, tail := string(u.User), string(u.Host)
		if u.Password != nil {
			head += ":" + string(u.Password)
		}
		if u.User != nil {
			head += "@"
		}
		if ip, ok := u.HostIP(); ok && ip.Is6() {
			tail = "[" + tail + "]"
		}
		after, ok := strings.CutPrefix(rest, head+tail)
		end := string(u.Params)
		if u.Headers != nil {
			end += "?" + string(u.Headers)
		}
		port, okEnd := strings.CutSuffix(after, end)
		if !ok || !okEnd || (port != "") != (u.Port > 0) || strings.Trim(port, ":0123456789") != "" {
			t.Fatalf("%q has the parts %q %q %q %q", in, head, tail, port, end)
		}
	})
}

// FuzzParseAddress: the parts stand in order, and a message reads the value alike.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{`"a, \"b" <sip:a@b;lr>;tag=1`, "sip:a@b;tag=1", "a b<sip:x>", "\"\\\x00\"<sip:x>", "a\r\n <sip:x>\r\n\t;x=\"\r\n \""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		a, err := sipmsg.ParseAddress([]byte(in))
		if err != nil {
			return
		}
		if _, err := sipmsg.ParseURI(a.URI); err != nil {
			t.Fatalf("bad URI %q: %v", a.URI, err)
		}
		rest := in
		for _, part := range []string{string(a.Display), string(a.URI), string(a.Params)} {
			i := strings.Index(rest, part)
			if i < 0 {
				t.Fatalf("%q is not in %q", part, in)
			}
			rest = rest[i+len(part):]
		}
		m := parse(t, newDraft().with("From: "+strings.TrimSpace(in)).String())
		if diff := cmp.Diff(a, m.From()); diff != "" {
			t.Fatalf("From differs: %s", diff)
		}
	})
}

// FuzzParseVia: a message reads the value alike, as one element of its row.
func FuzzParseVia(f *testing.F) {
	for _, seed := range []string{"SIP/2.0/TLS h:1;branch=x", "SIP / 2.0 / TLS\r\n [::1] : 5 ; a = \"b,c\" ; d", "sip/2.0/x 1.2.3.4;received=[::1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		via, err := sipmsg.ParseVia([]byte(in))
		if err != nil {
			return
		}
		value := strings.Trim(in, " \t\r\n")
		m := parse(t, newDraft().with("Via: "+value+" , SIP/2.0/UDP z").String())
		got := m.Via()
		if top, _ := m.First(sipmsg.Via); string(top.Text) != value {
			t.Fatalf("the first element is %q, want %q", top.Text, value)
		}
		host, port := got.SentBy()
		wantHost, wantPort := via.SentBy()
		if string(host) != string(wantHost) || port != wantPort || string(got.Params) != string(via.Params) || len(m.Values(sipmsg.Via, nil)) != 2 {
			t.Fatalf("got %q %q, want %q %q", host, got.Params, wantHost, via.Params)
		}
	})
}

// FuzzSplice: edits and dropped elements do what string operations do.
func FuzzSplice(f *testing.F) {
	f.Add("a, b,c", []byte{0, 10, 20, 5, 60, 3}, uint16(5))
	f.Add(",a,\"x,y\",,<b,c>,\r\n d", []byte{90, 90, 0, 0}, uint16(0xffff))
	f.Fuzz(func(t *testing.T, list string, marks []byte, drop uint16) {
		m, err := sipmsg.Parse([]byte(newDraft().add("k: "+list).String()), sipmsg.DefaultLimits())
		if err != nil || m.Count(sipmsg.Supported) != 1 {
			return
		}
		checkReplace(t, m, marks)
		checkDrop(t, m, drop)
	})
}

// checkReplace replaces the stretches between pairs of marks, last first, and
// compares with the same done on a string.
func checkReplace(t *testing.T, m *sipmsg.Message, marks []byte) {
	t.Helper()
	slices.Sort(marks)
	want := string(m.Raw)
	got := splice(m, func(s *sipmsg.Splice) {
		for len(marks) >= 2 {
			from, to := int(marks[len(marks)-2]), int(marks[len(marks)-1])
			marks = marks[:len(marks)-2]
			if to < len(want) {
				s.Replace(from, to, "new", "text")
				want = want[:from] + "newtext" + want[to:]
			}
		}
	})
	// Insertions at one place come in the order of the calls, here last first.
	if len(got) != len(want) || strings.ReplaceAll(got, "newtext", "") != strings.ReplaceAll(want, "newtext", "") {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func checkDrop(t *testing.T, m *sipmsg.Message, drop uint16) {
	t.Helper()
	var want []string
	values := m.Values(sipmsg.Supported, nil)
	got := splice(m, func(s *sipmsg.Splice) {
		for i, v := range values {
			if i < 16 && drop&(1<<i) != 0 {
				s.DropValue(v)
			} else {
				want = append(want, string(v.Text))
			}
		}
	})
	again, err := sipmsg.Parse([]byte(got), sipmsg.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	var left []string
	for v := range again.Each(sipmsg.Supported) {
		left = append(left, string(v.Text))
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Fatalf("elements left: %s", diff)
	}
	if len(want) == 0 && len(values) > 0 && again.Count(sipmsg.Supported) != 0 {
		t.Fatalf("an empty row is left:\n%s", got)
	}
	if got[:m.Fields()[6].Start()] != string(m.Raw[:m.Fields()[6].Start()]) {
		t.Fatal("other rows have changed")
	}
}

// FuzzRealms: it ends, finds what is written plainly behind anything, and writes
// no realm that is not there.
func FuzzRealms(f *testing.F) {
	for _, seed := range []string{`Digest username="a", realm="b"`, `realm="\`, "NTLM realm = x,\r\n y=\"realm=z\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		n := 0
		for r := range sipmsg.Realms([]byte(in)) {
			if n++; n > strings.Count(strings.ToLower(in), "realm") || len(r) > len(in) {
				t.Fatalf("%q: realm %d is %q", in, n, r)
			}
		}
		last := ""
		for r := range sipmsg.Realms([]byte(strings.ReplaceAll(in, `"`, "") + `, realm="contoso.com"`)) {
			last = string(r)
		}
		if last != "contoso.com" {
			t.Fatalf("%q: the last realm is %q", in, last)
		}
	})
}
