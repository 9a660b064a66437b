package domain

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct{ in, want string }{
		{"example.com", "example.com"},
		{"Example.COM", "example.com"},
		{"localhost", "localhost"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example", "xn--bcher-kva.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"faß.example", "xn--fa-hia.example"},
		{"r3---sn-x.example", "r3---sn-x.example"},
		{"1.example", "1.example"},
		{long + ".example", long + ".example"},
		{"", ""},
		{".", ""},
		{"example.com.", ""},
		{".example.com", ""},
		{"a..b", ""},
		{"192.0.2.1", ""},
		{"[2001:db8::1]", ""},
		{"::1", ""},
		{"1.2", ""},
		{"0300.0250.1", ""},
		{"example.com:5061", ""},
		{"*.example.com", ""},
		{"_sip.example.com", ""},
		{"a b.example", ""},
		{"-a.example", ""},
		{"a-.example", ""},
		{"xn--a.example", ""},
		{"a\u00ad", "a"},
		{"\u00ad.example", ""},
		{"example。com", "example.com"},
		{"１.１.１.１", ""},
		{long + "a.example", ""},
		{strings.Repeat("a.", 126) + "ab", ""},
		{strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 126) + "a"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if got.String() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Parse(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseWire(t *testing.T) {
	tests := []struct{ in, want string }{
		{"example.com", "example.com"},
		{"EXAMPLE.com", "example.com"},
		{"XN--bcher-KVA.example", "xn--bcher-kva.example"},
		{"bücher.example", ""},
		{"xn--BCHER-KVB.example", ""},
		{"xn--example-.com", ""},
		{"a\u00ad.example", ""},
		{"example。com", ""},
		{"example.com.", ""},
		{"192.0.2.1", ""},
		{"a_b.example", ""},
		{"\u212aelvin.example", ""}, // KELVIN SIGN folds to k
		{"", ""},
	}
	for _, tt := range tests {
		got, err := ParseWire(tt.in)
		if got.String() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ParseWire(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestRelations(t *testing.T) {
	tests := []struct {
		n, above        string
		under, directly bool
	}{
		{"a.example.com", "example.com", true, true},
		{"a.b.example.com", "example.com", true, false},
		{"example.com", "example.com", false, false},
		{"badexample.com", "example.com", false, false},
		{"com", "example.com", false, false},
		{"example.com", "com", true, true},
	}
	for _, tt := range tests {
		n, above := MustParse(tt.n), MustParse(tt.above)
		if n.Under(above) != tt.under || n.DirectlyUnder(above) != tt.directly {
			t.Errorf("%s, %s: under %v, directly %v", n, above, n.Under(above), n.DirectlyUnder(above))
		}
	}
	if MustParse("example.com").Under(Name{}) {
		t.Error("a name lies under no name")
	}
	p, ok := MustParse("a.b.c").Parent()
	if p != MustParse("b.c") || !ok {
		t.Errorf("Parent = %v, %v", p, ok)
	}
	if _, ok := MustParse("c").Parent(); ok {
		t.Error("a single label has a parent")
	}
}

func TestUnicode(t *testing.T) {
	if got := MustParse("xn--bcher-kva.example").Unicode(); got != "bücher.example" {
		t.Error(got)
	}
}

func TestParseWireAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseWire("sip.fabrikam.com") }); n != 0 {
		t.Errorf("%v allocations for a lower-case name", n)
	}
}

// FuzzParseWire: what is accepted is a fixed point of both parsers, and differs
// from the input in ASCII case only.
func FuzzParseWire(f *testing.F) {
	for _, s := range []string{"example.com", "XN--bcher-KVA.example", "1.2.3.4", "a..b", "xn--a", "a-b.c--d.e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseWire(s)
		if err != nil {
			return
		}
		if n.String() != strings.ToLower(s) || len(n.String()) > 253 {
			t.Fatalf("%q became %q", s, n)
		}
		for _, parse := range []func(string) (Name, error){Parse, ParseWire} {
			if again, err := parse(n.String()); err != nil || again != n {
				t.Fatalf("%q parsed again gives %q, %v", n, again, err)
			}
		}
	})
}

// FuzzParse: what configuration accepts, the wire accepts in that form.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"BÜCHER.example", "faß.de", "example。com", "\u212aelvin.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := ParseWire(n.String()); err != nil || again != n {
			t.Fatalf("%q gives %q, which the wire reads as %q, %v", s, n, again, err)
		}
	})
}
