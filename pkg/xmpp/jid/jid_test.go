package jid_test

import (
	"strings"
	"testing"

	"edged/pkg/domain"
	"edged/pkg/xmpp/jid"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", 1023)
	tests := []struct{ in, local, domain, resource string }{
		// RFC 7622 §3.5, table 1
		{"juliet@example.com", "juliet", "example.com", ""},
		{"juliet@example.com/foo", "juliet", "example.com", "foo"},
		{"juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
		{"juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
		{`foo\20bar@example.com`, `foo\20bar`, "example.com", ""},
		{"fussball@example.com", "fussball", "example.com", ""},
		{"fu\u00dfball@example.com", "fu\u00dfball", "example.com", ""},
		{"\u03c0@example.com", "\u03c0", "example.com", ""},
		{"\u03a3@example.com/foo", "\u03c3", "example.com", "foo"},
		{"\u03c3@example.com/foo", "\u03c3", "example.com", "foo"},
		{"\u03c2@example.com/foo", "\u03c2", "example.com", "foo"},
		{"king@example.com/\u265a", "king", "example.com", "\u265a"},
		{"example.com", "", "example.com", ""},
		{"example.com/foobar", "", "example.com", "foobar"},
		{"a.example.com/b@example.net", "", "a.example.com", "b@example.net"},

		// In table 2, but no rule of the RFC refuses it: OpaqueString keeps spaces.
		{"juliet@example.com/ foo", "juliet", "example.com", " foo"},

		{"Juliet@Example.COM/Balcony", "juliet", "example.com", "Balcony"},
		{"\uff2auliet@example.com", "juliet", "example.com", ""}, // fullwidth J
		{"\u00c9-@example.com", "\u00e9-", "example.com", ""},
		{"1\u00e9@example.com", "1\u00e9", "example.com", ""},
		{"\u05d0\u05d1@example.com", "\u05d0\u05d1", "example.com", ""},
		{"e\u0301@example.com/e\u0301", "\u00e9", "example.com", "\u00e9"},
		{"a@example.com/b\u00a0c", "a", "example.com", "b c"},
		{"a@b\u00fccher.example", "a", "xn--bcher-kva.example", ""},
		{"a@B\u00dcCHER.example", "a", "xn--bcher-kva.example", ""},
		{"a@xn--bcher-kva.example", "a", "xn--bcher-kva.example", ""},
		{"a@example.com.", "a", "example.com", ""},
		{"a@example.com./r", "a", "example.com", "r"},
		{"a@example.com/b/c", "a", "example.com", "b/c"},
		{"a@example.com//", "a", "example.com", "/"},
		{long + "@example.com/" + long, long, "example.com", long},
	}
	for _, tt := range tests {
		got, err := jid.Parse(tt.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.in, err)
			continue
		}
		if got.Local != tt.local || got.Domain != domain.MustParse(tt.domain) || got.Resource != tt.resource {
			t.Errorf("Parse(%q) = %q, %q, %q", tt.in, got.Local, got.Domain, got.Resource)
		}
		if got.String() != tt.in {
			t.Errorf("Parse(%q) is written %q", tt.in, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("a", 1024)
	tests := []struct{ in, says string }{
		// RFC 7622 §3.5, table 2, without its leading space in a resourcepart
		{`"juliet"@example.com`, `the localpart "\"juliet\"" has '"'`},
		{"foo bar@example.com", "the localpart \"foo bar\": precis: disallowed rune"},
		{"@example.com/", "the localpart is empty"},
		{"henry\u2163@example.com", "the localpart"},
		{"\u265a@example.com", "the localpart"},
		{"juliet@", "the domainpart is empty"},
		{"/foobar", "the domainpart is empty"},

		{"", "the address is empty"},
		{"@example.com", "the localpart is empty"},
		{"a@example.com/", "the resourcepart is empty"},
		{"a@b@example.com", "a second @"},
		{"a:b@example.com", "has ':'"},
		{"a\uff20b@example.com", "has '@'"},  // fullwidth @
		{"a\uff0fb@example.com", "has '/'"},  // fullwidth slash
		{"\u05d0b@example.com", "Bidi Rule"}, // alef and b
		{"a\x00b@example.com", "the localpart"},
		{"a\u200bb@example.com", "the localpart"},
		{"a@example.com/b\nc", "the resourcepart"},
		{"a@example.com/b\x7fc", "the resourcepart"},
		{"a\xff@example.com", "not UTF-8"},
		{"a@192.0.2.1", "is an IP address"},
		{"a@[2001:db8::1]", "is an IP address"},
		{"a@2001:db8::1", "is an IP address"},
		{"a@example.com:5269", "the domainpart"},
		{"a@example..com", "empty label"},
		{"a@example.com..", "dot"},
		{"a@.", "a domain name is missing"},
		{"a@ex\uff0fample.com", "the domainpart"},
		{"a@_x.example.com", "the domainpart"},
		{long + "@example.com", "the localpart has 1024 octets"},
		{"a@" + long, "the domainpart has 1024 octets"},
		{"a@" + strings.Repeat("a.", 127) + "a", "longer than 253"},
		{"a@example.com/" + long, "the resourcepart has 1024 octets"},
		{strings.Repeat("a", 3072), "the address has 3072 octets"},
		// U+0958 is 3 octets and its canonical form is 6.
		{"a@example.com/" + strings.Repeat("\u0958", 341), "the resourcepart has 2046 octets"},
	}
	for _, tt := range tests {
		got, err := jid.Parse(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Parse(%q) = %q, %v; want an error with %q", tt.in, got, err, tt.says)
		}
		if !got.IsZero() || got.String() != "" {
			t.Errorf("Parse(%q) gives %q beside its error", tt.in, got)
		}
	}
}

func TestForms(t *testing.T) {
	tests := []struct{ in, bare, canonical string }{
		{"Juliet@B\u00fccher.example./Balcony/B", "Juliet@B\u00fccher.example.", "juliet@xn--bcher-kva.example/Balcony/B"},
		{"juliet@example.com", "juliet@example.com", "juliet@example.com"},
		{"Example.com/a@b", "Example.com", "example.com/a@b"},
	}
	for _, tt := range tests {
		j, err := jid.Parse([]byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		if got := j.Bare(); got.String() != tt.bare || got.Resource != "" || got.Local != j.Local || got.Domain != j.Domain {
			t.Errorf("Bare of %q = %q", tt.in, got)
		}
		if got := j.Canonical().String(); got != tt.canonical {
			t.Errorf("Canonical of %q = %q", tt.in, got)
		}
	}
}

func TestParseCopiesOctets(t *testing.T) {
	b := []byte("juliet@example.com/a")
	j, err := jid.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if j.String() != "juliet@example.com/a" || j.Local != "juliet" {
		t.Errorf("the address changed with its buffer: %q", j)
	}
}

func TestParseAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = jid.Parse("juliet@example.com/Balcony 1") }); n != 0 {
		t.Errorf("%v allocations for an address in lower-case ASCII", n)
	}
	octets := []byte("juliet@example.com/Balcony 1")
	if n := testing.AllocsPerRun(100, func() { _, _ = jid.Parse(octets) }); n != 1 {
		t.Errorf("%v allocations for octets in lower-case ASCII; the copy is one", n)
	}
}

// FuzzParse: what is written stays, and the canonical form is a fixed point.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"juliet@example.com/foo bar", "Juliet@B\u00fccher.example./B", "a\uff20b@example.com", "\u03a3@xn--bcher-kva.example/\u265a",
		"@/", "a@b@c", "a@192.0.2.1", "example.com/\u00a0\u0958", "\u05d0\u0661@example.com", "a\xff@b",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := jid.Parse(b)
		if err != nil {
			return
		}
		if j.String() != string(b) {
			t.Fatalf("%q is written %q", b, j)
		}
		c := j.Canonical()
		if again, err := jid.Parse(c.String()); err != nil || again != c {
			t.Fatalf("%q is %q, which parsed again gives %q, %v", b, c, again, err)
		}
		bare := j.Bare()
		if again, err := jid.Parse(bare.String()); err != nil || again != bare {
			t.Fatalf("%q is bare %q, which parsed again gives %q, %v", b, bare, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, bb := range []struct{ name, in string }{
		{"lower", "juliet@example.com/balcony"},
		{"upper", "Juliet@example.com/balcony"},
		{"unicode", "\u03c0@b\u00fccher.example/\u265a"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jid.Parse(bb.in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bb.name+" octets", func(b *testing.B) {
			octets := []byte(bb.in)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jid.Parse(octets); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
