package policy

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"

	"edged/pkg/domain"
)

// maxLocal is the bound of RFC 7622 §3.3 for a localpart, in octets.
const maxLocal = 1023

// User is one of our users in canonical form. Users compare with == and serve as
// map keys.
type User struct {
	// Local is the part before the @: unescaped, without parameters, mapped by
	// the PRECIS profile UsernameCaseMapped. "" stands for the domain itself.
	Local string
	// Domain is the user's domain.
	Domain domain.Name
}

// String returns alice@contoso.com, or the domain alone if there is no Local.
func (u User) String() string {
	if u.Local == "" {
		return u.Domain.String()
	}
	return u.Local + "@" + u.Domain.String()
}

// UnmarshalText is ParseUser.
func (u *User) UnmarshalText(b []byte) (err error) {
	*u, err = ParseUser(string(b))
	return err
}

// ParseUser reads a user as people write one in configuration.
func ParseUser(s string) (User, error) {
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "sip:"); ok {
		return User{}, fmt.Errorf("%q is a SIP URI; write the user alone: %s", s, rest)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 {
		return User{}, fmt.Errorf("%q is not a user; write one such as alice@contoso.com", s)
	}
	d, err := domain.Parse(s[at+1:])
	if err != nil {
		return User{}, fmt.Errorf("the domain of user %q: %w", s, err)
	}
	local, err := canonical(s[:at])
	if err != nil {
		return User{}, fmt.Errorf("user %q: %w; write one such as alice@contoso.com", s, err)
	}
	return User{local, d}, nil
}

// CanonicalUser reads the user part of a SIP URI, still escaped (RFC 3261
// §19.1.2) and without its password. Parameters inside it (;phone-context=...)
// are cut, escapes are undone once, and the result is case-mapped. An empty
// rawLocal is the domain itself. Lower-case ASCII is taken without allocation.
//
// An error means that the spelling has no canonical form; a policy could be
// walked around by it, so it has to be refused (verdict.UserUnreadable).
func CanonicalUser(rawLocal string, d domain.Name) (User, error) {
	if rawLocal == "" {
		return User{Domain: d}, nil
	}
	if i := strings.IndexByte(rawLocal, ';'); i >= 0 {
		rawLocal = rawLocal[:i]
	}
	local, err := unescape(rawLocal)
	if err != nil {
		return User{}, err
	}
	local, err = canonical(local)
	if err != nil {
		return User{}, err
	}
	return User{local, d}, nil
}

// CanonicalLocalpart reads the localpart of a JID, which has no escapes. It also
// refuses the characters that RFC 7622 §3.3.1 keeps out of localparts. An empty
// localpart is the domain itself.
func CanonicalLocalpart(local string, d domain.Name) (User, error) {
	if local == "" {
		return User{Domain: d}, nil
	}
	if strings.ContainsAny(local, excluded) {
		return User{}, fmt.Errorf("localpart %q has one of \"&'/:<>@", local)
	}
	local, err := canonical(local)
	if err != nil {
		return User{}, err
	}
	return User{local, d}, nil
}

// excluded are the characters that no localpart has (RFC 7622 §3.3.1).
const excluded = `"&'/:<>@`

// caseMapped is UsernameCaseMapped (RFC 8265 §3.3) without its directionality
// rule. The library's own profile applies that to every string and so refuses
// names such as "é-" and "1é"; RFC 8265 §3.3.2 has it only for right-to-left ones.
var caseMapped = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase(), precis.Norm(norm.NFC))

var errEmpty = errors.New("the user part is empty")

// canonical maps an unescaped local part by UsernameCaseMapped (RFC 8265 §3.3).
func canonical(local string) (string, error) {
	switch {
	case local == "":
		return "", errEmpty
	case len(local) > maxLocal:
		return "", fmt.Errorf("the user part is longer than %d octets", maxLocal)
	}
	low, ascii := lowerASCII(local)
	if ascii {
		return low, nil
	}
	mapped, err := caseMapped.String(local)
	if err == nil && bidirule.DirectionString(mapped) == bidi.RightToLeft && !bidirule.ValidString(mapped) {
		err = bidirule.ErrInvalid
	}
	if err != nil {
		return "", fmt.Errorf("user part %q: %w", local, err)
	}
	// RFC 8265 §3.3.3 wants the rules applied until nothing changes. What is
	// not stable at once is too odd for a key.
	again, err := caseMapped.String(mapped)
	if err != nil || again != mapped || len(mapped) > maxLocal {
		return "", fmt.Errorf("user part %q has no stable canonical form", local)
	}
	for _, c := range excluded { // no wide form may turn into one of these
		if strings.Count(mapped, string(c)) != strings.Count(local, string(c)) {
			return "", fmt.Errorf("user part %q has a wide form of %q", local, c)
		}
	}
	return mapped, nil
}

// lowerASCII does what the profile does to printable ASCII, which is to map the
// case. It is false for everything else: spaces and controls, which the profile
// refuses, and all that lies beyond ASCII.
func lowerASCII(s string) (string, bool) {
	upper := false
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f {
			return "", false
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if upper {
		return strings.ToLower(s), true
	}
	return s, true
}

// unescape undoes %HH once (RFC 3261 §25.1, "escaped").
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("user part %q ends within an escape", s)
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", fmt.Errorf("user part %q has %q where an escape of two hexadecimal digits belongs", s, s[i:i+3])
		}
		b = append(b, byte(hi<<4|lo)) //nolint:gosec // two hexadecimal digits
		i += 2
	}
	return string(b), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
