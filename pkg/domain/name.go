package domain

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The bounds of RFC 1035 §2.3.4, in octets of the textual form without the
// trailing dot.
const (
	maxName  = 253
	maxLabel = 63
)

// Name is a domain name in canonical form: A-labels, lower case, no trailing
// dot. Names compare with == and serve as map keys. The zero value is no name.
type Name struct{ s string }

// Parse reads a name as people write it in configuration: upper case and
// U-labels are mapped as UTS #46 says. It refuses everything that is no host
// name, each time saying what would be one.
func Parse(s string) (Name, error) {
	if err := checkShape(s); err != nil {
		return Name{}, err
	}
	if low := lower(s); plain(low) {
		return finish(s, low)
	}
	a, err := profile().ToASCII(s)
	if err != nil {
		return Name{}, fmt.Errorf("%q is not a domain name (%w); write letters, digits and hyphens, as in example.com", s, err)
	}
	n, err := ParseWire(a)
	if err != nil {
		return Name{}, fmt.Errorf("%q is not a domain name: %w", s, err)
	}
	return n, nil
}

// ParseWire reads a name as a peer sends it: it must be canonical already, apart
// from ASCII case. A U-label, or an A-label that another spelling would stand
// for, is refused: two spellings of one name would be two keys. A lower-case
// name is taken as it is, without allocation.
func ParseWire(s string) (Name, error) {
	if err := checkShape(s); err != nil {
		return Name{}, err
	}
	low := lower(s)
	if plain(low) {
		return finish(s, low)
	}
	u, err := profile().ToUnicode(low)
	if err != nil {
		return Name{}, fmt.Errorf("%q is not a canonical domain name: %w", s, err)
	}
	if a, err := profile().ToASCII(u); err != nil || a != low {
		return Name{}, fmt.Errorf("%q is not a canonical domain name; its canonical spelling is %q", s, a)
	}
	return finish(s, low)
}

// MustParse is Parse for constants and tests; it panics on an error.
func MustParse(s string) Name {
	n, err := Parse(s)
	if err != nil {
		panic("domain: " + err.Error())
	}
	return n
}

// String returns the name in A-labels; "" for the zero value.
func (n Name) String() string { return n.s }

// Unicode returns the name in U-labels, for people to read; never compare it.
func (n Name) Unicode() string {
	u, err := profile().ToUnicode(n.s)
	if err != nil {
		return n.s
	}
	return u
}

// IsZero tells whether n is no name at all.
func (n Name) IsZero() bool { return n.s == "" }

// Parent cuts the first label: "a.b.c" gives "b.c". It is false at a single label.
func (n Name) Parent() (Name, bool) {
	i := strings.IndexByte(n.s, '.')
	if i < 0 {
		return Name{}, false
	}
	return Name{n.s[i+1:]}, true
}

// Under tells whether n lies strictly below above, by whole labels:
// "a.example.com" is under "example.com", "badexample.com" is not.
func (n Name) Under(above Name) bool {
	cut := len(n.s) - len(above.s) - 1
	return above.s != "" && cut > 0 && n.s[cut] == '.' && n.s[cut+1:] == above.s
}

// DirectlyUnder tells whether n is above with exactly one label more.
func (n Name) DirectlyUnder(above Name) bool {
	return n.Under(above) && strings.IndexByte(n.s, '.') == len(n.s)-len(above.s)-1
}

// UnmarshalText is Parse.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = Parse(string(b))
	return err
}

// MarshalText returns the name in A-labels.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.s), nil }

// profile is UTS #46 as RFC 5895 look-ups want it: non-transitional mapping, the
// bidi and contextual rules, and nothing but host name characters.
func profile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true))
}

// checkShape refuses what idna would let pass or would name badly.
func checkShape(s string) error {
	switch {
	case s == "":
		return errors.New("a domain name is missing; write one such as example.com")
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not UTF-8", s)
	case isAddr(s):
		return fmt.Errorf("%q is an IP address; write a domain name such as example.com", s)
	case s[0] == '.' || s[len(s)-1] == '.':
		return fmt.Errorf("%q begins or ends with a dot; write it without, as in example.com", s)
	case strings.Contains(s, ".."):
		return fmt.Errorf("%q has an empty label; write one dot between labels", s)
	case strings.ContainsRune(s, '*'):
		return fmt.Errorf("%q is a wildcard, which is not possible here; write the names one by one", s)
	}
	return nil
}

// isAddr looks at the last octet first, because a failing ParseAddr allocates.
func isAddr(s string) bool {
	if c := s[len(s)-1]; c != ']' && (c < '0' || '9' < c) && !strings.Contains(s, ":") {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// finish checks the bounds of a name in A-labels and the one shape that reads as
// an address: a number as the last label (RFC 1123 §2.1).
func finish(written, s string) (Name, error) {
	if len(s) > maxName {
		return Name{}, fmt.Errorf("%q is longer than %d octets", written, maxName)
	}
	label := 0
	number := true
	for i := range len(s) {
		if s[i] == '.' {
			label, number = 0, true
			continue
		}
		label++
		number = number && '0' <= s[i] && s[i] <= '9'
		if label > maxLabel {
			return Name{}, fmt.Errorf("%q has a label longer than %d octets", written, maxLabel)
		}
	}
	if label == 0 || !plain(s) && !strings.Contains(s, "xn--") {
		return Name{}, fmt.Errorf("%q is not a domain name; write one such as example.com", written)
	}
	if number {
		return Name{}, fmt.Errorf("%q ends in a number, as an IP address does; write a domain name such as example.com", written)
	}
	return Name{s}, nil
}

// lower maps ASCII upper case; it returns s itself if there is none.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return mapASCII(s)
		}
	}
	return s
}

func mapASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// plain tells whether s consists of lower-case letter-digit-hyphen labels, none
// of them an A-label: then no table of IDNA has a say in it.
func plain(s string) bool {
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !ldh(s[i]) {
				return false
			}
			continue
		}
		l := s[start:i]
		if l == "" || l[0] == '-' || l[len(l)-1] == '-' || strings.HasPrefix(l, "xn--") {
			return false
		}
		start = i + 1
	}
	return true
}

func ldh(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' }
