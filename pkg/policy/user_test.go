package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

// TestCanonicalUser: what a SIP URI may hold before its @. An empty want is a
// refusal.
func TestCanonicalUser(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"alice", "alice"},
		{"ALICE", "alice"},
		{"%61lice", "alice"},
		{"%41LICE", "alice"},
		{"a%6Cice", "alice"},
		{"a%6cice", "alice"},
		{"alice;phone-context=x", "alice"},
		{"Alice;phone-context=%00", "alice"},
		{"+1-555-0100;ext=1;isub=2", "+1-555-0100"},
		{"alice%3Bx", "alice;x"},
		{"alice.o'neill+tag_x-y~z!", "alice.o'neill+tag_x-y~z!"},
		{"%2561lice", "%61lice"}, // unescaped once, never twice
		{"%25", "%"},
		{"J%C3%BCrgen", "jürgen"},
		{"jürgen", "jürgen"},
		{"ju\u0308rgen", "jürgen"}, // NFC
		{"ＡＬＩＣＥ", "alice"},         // fullwidth
		{"СЕРГЕЙ", "сергей"},
		// The Bidi Rule is for right-to-left names only.
		{"É-", "é-"},
		{"1é", "1é"},
		{"é_", "é_"},
		{"-é", "-é"},
		{"é+büro", "é+büro"},
		{"١é", ""}, // an Arabic-Indic digit makes it one
		{"שלום", "שלום"},
		{"שלום1", "שלום1"},
		{"1שלום", ""}, // begins with a digit
		{"שלוםa", ""}, // mixed
		{"aשלום", ""}, // mixed
		{"שלום-", ""}, // ends with neither letter nor digit
		{"ש-לום", "ש-לום"},
		{"%00", ""},
		{"alice%00", ""},
		{"alice%0D%0A", ""},
		{"alice%0d", ""},
		{"alice%7F", ""},
		{"alice%20b", ""},
		{"ali ce", ""},
		{"alice%", ""},
		{"alice%6", ""},
		{"alice%6g", ""},
		{"%%61", ""},
		{"%ff", ""}, // not UTF-8
		{"%c0%80", ""},
		{"alice\u00ad", ""}, // soft hyphen
		{"alice\u200d", ""}, // joiner without context
		{"\u2160", ""},      // ROMAN NUMERAL ONE has a compatibility equivalent
		{";phone-context=x", ""},
		{strings.Repeat("a", 1023), strings.Repeat("a", 1023)},
		{strings.Repeat("a", 1024), ""},
	}
	ours := domain.MustParse("contoso.com")
	for _, tt := range tests {
		u, err := policy.CanonicalUser(tt.raw, ours)
		if u.Local != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: got %q, %v; want %q", tt.raw, u.Local, err, tt.want)
		}
		if err == nil && u.Domain != ours || err != nil && u != (policy.User{}) {
			t.Errorf("%q: got %v", tt.raw, u)
		}
	}
}

func TestCanonicalUserOfDomain(t *testing.T) {
	ours := domain.MustParse("contoso.com")
	for _, canonical := range []func(string, domain.Name) (policy.User, error){policy.CanonicalUser, policy.CanonicalLocalpart} {
		if u, err := canonical("", ours); err != nil || u != (policy.User{Domain: ours}) || u.String() != "contoso.com" {
			t.Errorf("%v, %v", u, err)
		}
	}
}

func TestCanonicalUserAllocates(t *testing.T) {
	ours := domain.MustParse("contoso.com")
	for _, raw := range []string{"alice", "alice;phone-context=x", "+15550100"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = policy.CanonicalUser(raw, ours) }); n != 0 {
			t.Errorf("%q: %v allocations", raw, n)
		}
	}
}

func TestCanonicalLocalpart(t *testing.T) {
	tests := []struct{ local, want string }{
		{"alice", "alice"},
		{"ALICE", "alice"},
		{"%61lice", "%61lice"}, // a JID has no such escapes
		{"alice;x", "alice;x"},
		{"JÜRGEN", "jürgen"},
		{"a@b", ""},
		{"a/b", ""},
		{"a:b", ""},
		{"a'b", ""},
		{`a"b`, ""},
		{"a&b", ""},
		{"a<b", ""},
		{"a>b", ""},
		{"a\uff20b", ""},        // a wide @
		{"a\uff0fb", ""},        // a wide /
		{"\uff41lice", "alice"}, // a wide a
		{"a b", ""},
		{"a\x00", ""},
		{"a\n", ""},
	}
	for _, tt := range tests {
		u, err := policy.CanonicalLocalpart(tt.local, domain.MustParse("contoso.com"))
		if u.Local != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: got %q, %v; want %q", tt.local, u.Local, err, tt.want)
		}
	}
}

func TestParseUser(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{"alice@contoso.com", "alice@contoso.com", ""},
		{"Alice@Contoso.COM", "alice@contoso.com", ""},
		{"jürgen@bücher.example", "jürgen@xn--bcher-kva.example", ""},
		{"alice", "", "write one such as alice@contoso.com"},
		{"", "", "write one such as alice@contoso.com"},
		{"@contoso.com", "", "write one such as alice@contoso.com"},
		{"alice@", "", "a domain name is missing"},
		{"alice@192.0.2.1", "", "is an IP address"},
		{"sip:alice@contoso.com", "", "write the user alone: alice@contoso.com"},
		{"alice smith@contoso.com", "", "write one such as alice@contoso.com"},
	}
	for _, tt := range tests {
		u, err := policy.ParseUser(tt.in)
		switch {
		case err == nil && u.String() != tt.want:
			t.Errorf("%q: got %q, want %q", tt.in, u, tt.want)
		case (err != nil) != (tt.err != ""), err != nil && !strings.Contains(err.Error(), tt.err):
			t.Errorf("%q: error %v, want %q", tt.in, err, tt.err)
		}
	}
}

// escape writes a local part so that CanonicalUser reads it literally.
func escape(local string) string {
	var s strings.Builder
	for _, b := range []byte(local) {
		fmt.Fprintf(&s, "%%%02X", b)
	}
	return s.String()
}

// FuzzCanonicalUser: a canonical user is a fixed point, and free of what a
// policy or a log could be misled by.
func FuzzCanonicalUser(f *testing.F) {
	for _, s := range []string{"alice", "%61lice", "ALICE;x=y", "%00", "%2561", "J%C3%BCrgen", "ＡＬ", "%"} {
		f.Add(s)
	}
	ours := domain.MustParse("contoso.com")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := policy.CanonicalUser(raw, ours)
		if err != nil {
			return
		}
		if strings.ContainsFunc(u.Local, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) {
			t.Fatalf("%q gives %q", raw, u.Local)
		}
		if again, err := policy.CanonicalUser(escape(u.Local), ours); err != nil || again != u {
			t.Fatalf("%q gives %q, which gives %q, %v", raw, u.Local, again.Local, err)
		}
		if u.Local == "" && raw != "" {
			t.Fatalf("%q gives the domain itself", raw)
		}
		if raw != "" && !strings.HasPrefix(strings.ToLower(u.Local), "sip:") {
			if parsed, err := policy.ParseUser(u.String()); err != nil || parsed != u {
				t.Fatalf("%q is written as %q, which configuration reads as %q, %v", raw, u, parsed, err)
			}
		}
	})
}
