package jid

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// excluded are the characters that UsernameCaseMapped would let pass and RFC
// 7622 §3.3.1 keeps out of localparts.
const excluded = `"&'/:<>@`

// caseMapped is UsernameCaseMapped (RFC 8265 §3.3) without its directionality
// rule. The library's own profile applies that to every string and so refuses
// names such as "é-" and "1é"; RFC 8265 §3.3.2 has it only for right-to-left ones.
var caseMapped = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase(), precis.Norm(norm.NFC))

// localpart enforces RFC 7622 §3.3.
func localpart(s string) (string, error) {
	if len(s) <= maxPart && usual(s) {
		return s, nil
	}
	if err := checkLocal(s); err != nil {
		return "", err
	}
	if printable(s, '!') {
		return strings.ToLower(s), nil
	}
	mapped, err := enforce(caseMapped, s)
	if err == nil && bidirule.DirectionString(mapped) == bidi.RightToLeft && !bidirule.ValidString(mapped) {
		err = bidirule.ErrInvalid
	}
	if err != nil {
		return "", &OddError{err: fmt.Errorf("the localpart %q: %w; letters, digits and most ASCII punctuation are possible", s, err)}
	}
	// Once more, because a fullwidth @ has become an @ by now.
	return mapped, checkLocal(mapped)
}

// usual tells whether s is of lower-case letters, digits, dots and hyphens, as
// nearly all localparts are: there is nothing to look up and nothing to change.
func usual(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return s != ""
}

func checkLocal(s string) error {
	if err := checkBounds("localpart", s); err != nil {
		return err
	}
	if i := strings.IndexAny(s, excluded); i >= 0 {
		return fmt.Errorf("the localpart %q has %q; none of %s is possible there", s, s[i], excluded)
	}
	return nil
}

// resourcepart enforces RFC 7622 §3.4. A leading space is taken: an example in
// §3.5 calls it invalid, but no rule does, and peers send what the rules allow.
func resourcepart(s string) (string, error) {
	if err := checkBounds("resourcepart", s); err != nil {
		return "", err
	}
	if printable(s, ' ') {
		return s, nil
	}
	mapped, err := enforce(precis.OpaqueString, s)
	if err != nil {
		return "", &OddError{err: fmt.Errorf("the resourcepart %q: %w; printable characters are possible", s, err)}
	}
	return mapped, checkBounds("resourcepart", mapped)
}

// enforce applies a profile. RFC 8265 §3.3.3 and §4.2.3 want its rules applied
// until nothing changes; what is not stable at once is too odd for a key.
func enforce(p *precis.Profile, s string) (string, error) {
	mapped, err := p.String(s)
	if err != nil {
		return "", err
	}
	if again, err := p.String(mapped); err != nil || again != mapped {
		return "", errors.New("no stable canonical form")
	}
	return mapped, nil
}

func checkBounds(part, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the %s is empty; write an address such as juliet@example.com/balcony", part)
	case len(s) > maxPart:
		return fmt.Errorf("the %s has %d octets; %d are possible", part, len(s), maxPart)
	}
	return nil
}

// printable tells whether s is ASCII from lowest to the tilde. To such octets the
// profiles do nothing, apart from the case of a localpart.
func printable(s string, lowest byte) bool {
	for i := range len(s) {
		if s[i] < lowest || s[i] > '~' {
			return false
		}
	}
	return true
}
