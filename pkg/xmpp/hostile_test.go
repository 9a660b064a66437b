package xmpp

import (
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"edged/internal/lab/xmpppeer"
)

// bombLimit is limits.stanza_bytes of the tests here.
const bombLimit = 20_000

// TestXMLBombs: what is meant to cost memory or time ends the stream while it arrives,
// and however a stanza is cut on its way, it is the same stanza (RFC 6120 §11, §13.12).
func TestXMLBombs(t *testing.T) {
	b := newBed(t, func(c *setup) { c.bounds.StanzaBytes = bombLimit })
	b.restricted()
	b.endless()
	b.sizes()
	b.segments()
}

// restricted sends what RFC 6120 §11.1 forbids, on a stream that is not even
// authenticated, in place of the header, and on one that is.
func (b *bed) restricted() {
	entity := "<!DOCTYPE lolz [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]>"
	tests := map[string]struct {
		until     xmpppeer.Step
		text      string
		condition string
	}{
		"DTD for a header":        {xmpppeer.Connected, entity + rawHeader, "restricted-xml"},
		"comment for a header":    {xmpppeer.Connected, "<!-- a -->" + rawHeader, "restricted-xml"},
		"external DTD":            {xmpppeer.Connected, "<?xml version='1.0'?><!DOCTYPE a SYSTEM 'http://evil.example/a.dtd'>", "restricted-xml"},
		"instruction in clear":    {xmpppeer.Offered, "<?php echo ?>", "restricted-xml"},
		"DTD in clear":            {xmpppeer.Offered, entity, "restricted-xml"},
		"DTD after TLS":           {xmpppeer.Reoffered, entity, "restricted-xml"},
		"DTD":                     {xmpppeer.Ready, entity, "restricted-xml"},
		"entity":                  {xmpppeer.Ready, toBob + "><body>&b;&b;&b;</body></message>", "restricted-xml"},
		"entity in an attribute":  {xmpppeer.Ready, toBob + "id='&b;'/>", "restricted-xml"},
		"comment":                 {xmpppeer.Ready, "<!-- " + strings.Repeat("a", 100) + " -->", "restricted-xml"},
		"processing instruction":  {xmpppeer.Ready, "<?a b?>", "restricted-xml"},
		"second declaration":      {xmpppeer.Ready, "<?xml version='1.0'?>", "restricted-xml"},
		"encoding":                {xmpppeer.Connected, "<?xml version='1.0' encoding='UTF-16'?>", "unsupported-encoding"},
		"reference to no address": {xmpppeer.Ready, toBob + ">&#x110000;</message>", "not-well-formed"},
	}
	for name, tt := range tests {
		b.t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := b.dial(theirs, b.cert(theirs), tt.until)
			if err := s.SendRaw([]byte(tt.text)); err != nil {
				t.Fatal(err)
			}
			if tt.until == xmpppeer.Connected { // the error needs a stream to be in (§4.9.1.2)
				if _, err := s.ReadHeader(b.ctx); err != nil {
					t.Fatalf("no header before the error: %v", err)
				}
			}
			b.ended(s, tt.condition)
		})
	}
}

// endless sends what never ends until the edge does not take more, and looks at what
// that costs.
func (b *bed) endless() {
	tests := map[string]struct {
		until       xmpppeer.Step
		begin, more string
	}{
		"header":               {xmpppeer.Connected, "<stream:stream ", " a='b'"},
		"header's attribute":   {xmpppeer.Connected, "<stream:stream to='", "a"},
		"element in clear":     {xmpppeer.Offered, "<a>", "aaaa"},
		"nesting in clear":     {xmpppeer.Offered, "", "<a>"},
		"attribute":            {xmpppeer.Ready, toBob + "id='", "a"},
		"attributes' name":     {xmpppeer.Ready, "<message ", "a"},
		"element's name":       {xmpppeer.Ready, "<", "a"},
		"nesting":              {xmpppeer.Ready, toBob + ">", "<a>"},
		"nesting of namespace": {xmpppeer.Ready, toBob + ">", "<a xmlns='b'>"},
		"text":                 {xmpppeer.Ready, toBob + "><body>", "aaaaaaaaaaaaaaaa"},
		"CDATA":                {xmpppeer.Ready, toBob + "><body><![CDATA[", "]]]]]]]]]]]]]]]]"},
	}
	for name, tt := range tests {
		b.t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := b.dial(theirs, b.cert(theirs), tt.until)
			before := heap()
			if err := s.SendRaw([]byte(tt.begin)); err != nil {
				t.Fatal(err)
			}
			most, sent := before, 0
			for piece := []byte(strings.Repeat(tt.more, (64<<10)/len(tt.more))); sent < 64<<20; sent += len(piece) {
				if s.SendRaw(piece) != nil {
					break
				}
				most = max(most, heap())
			}
			if sent >= 64<<20 {
				t.Errorf("the edge has taken %d bytes", sent)
			}
			if grown := int(most) - int(before); grown > 8<<20 {
				t.Errorf("%d bytes have cost %d bytes of memory", sent, grown)
			}
		})
	}
}

// heap is how many bytes are in use, garbage left out.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sizes: the limit counts from < to > (RFC 6120 §13.12), depth and attributes have
// their own.
func (b *bed) sizes() {
	user := b.pool.User(bob)
	sized := func(n int) string {
		head, tail := toBob+"><body>", "</body></message>"
		return head + strings.Repeat("a", n-len(head)-len(tail)) + tail
	}
	deep := func(n int) string {
		return toBob + ">" + strings.Repeat("<a>", n-1) + strings.Repeat("</a>", n-1) + "</message>"
	}
	tests := map[string]struct {
		text  string
		taken bool
	}{
		"just below":        {sized(bombLimit - 1), true},
		"at the limit":      {sized(bombLimit), true},
		"one byte too many": {sized(bombLimit + 1), false},
		"half as deep":      {deep(64), true},
		"as deep as can be": {deep(128), true},
		"too deep":          {deep(129), false},
		"100000 deep":       {deep(100_000), false},
		"many attributes":   {toBob + manyAttributes(200) + "/>", false},
		"some attributes":   {toBob + manyAttributes(100) + "/>", true},
	}
	for name, tt := range tests {
		b.t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
			_ = s.Send(tt.text) // which may be cut short
			if !tt.taken {
				b.ended(s, "policy-violation")
				return
			}
			if got := b.receive(user); got.Raw != tt.text {
				t.Errorf("%d bytes became %d", len(tt.text), len(got.Raw))
			}
		})
	}
}

func manyAttributes(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(" a" + strings.Repeat("b", i) + "='1'")
	}
	return text.String()
}

// segments cuts a stanza in two at every place, and into single bytes: each piece is
// a TLS record of its own, so that the edge reads it by itself.
func (b *bed) segments() {
	user := b.pool.User(bob)
	text := "<message from='alice@jabber.example/☃' to='bob@contoso.com' id='ä'><body>&#13;&lt;<![CDATA[]]]]>𝄞\n</body><a xmlns='b'/></message >"
	if !utf8.ValidString(text) {
		b.t.Fatal("the stanza is not UTF-8")
	}
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	check := func(how string, pieces ...[]byte) {
		b.t.Helper()
		for _, p := range pieces {
			if err := s.SendRaw(p); err != nil {
				b.t.Fatal(err)
			}
		}
		if got := b.receive(user); got.Raw != text {
			b.t.Fatalf("%s: got %q", how, got.Raw)
		}
	}
	for i := 1; i < len(text); i++ {
		check("cut in two", []byte(text[:i]), []byte(text[i:]))
	}
	var bytes [][]byte
	for i := range len(text) {
		bytes = append(bytes, []byte(text[i:i+1]))
	}
	check("byte by byte", bytes...)
	check("with white space around", []byte(" \n\t"+text+" "))
}
