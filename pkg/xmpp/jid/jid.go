package jid

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"edged/pkg/domain"
)

// The bounds of RFC 7622 §3.1, in octets of UTF-8. They hold for what arrives
// and for what becomes of it.
const (
	maxPart = 1023
	maxJID  = 3*maxPart + len("@/")
)

// JID is an XMPP address in canonical parts that remembers how it was written.
// Two JIDs are the same address if what Canonical returns for them is equal; ==
// on JIDs as they came compares their spelling too. The zero value is no address.
type JID struct {
	// Local is the part before the @, mapped by the PRECIS profile
	// UsernameCaseMapped; "" if there is none.
	Local string
	// Domain is the domainpart, in A-labels.
	Domain domain.Name
	// Resource is the part behind the first slash, mapped by the PRECIS profile
	// OpaqueString, which keeps its case; "" if there is none.
	Resource string

	written string
}

// OddError says that a localpart or resourcepart is not what its PRECIS profile
// allows. Servers differ about that, since many go by the older stringprep: the sender
// need not be broken.
type OddError struct {
	JID JID // what can be read: the domain, and how it was written
	err error
}

// Error implements error.
func (e *OddError) Error() string { return e.err.Error() }

// Parse reads an address as it stands in an attribute, XML escapes undone. It
// takes up to 1023 octets for each part and 3071 in all, the domain in A-labels
// or U-labels and with or without its final dot. It refuses IP addresses, empty
// parts, and what the PRECIS profiles refuse, with an *OddError. A string of lower-case ASCII is
// taken without allocation; octets are copied once.
func Parse[T string | []byte](b T) (JID, error) {
	if len(b) > maxJID {
		return JID{}, fmt.Errorf("the address has %d octets; %d are possible", len(b), maxJID)
	}
	return parse(string(b))
}

func parse(s string) (JID, error) {
	switch {
	case s == "":
		return JID{}, errors.New("the address is empty; write one such as juliet@example.com")
	case !utf8.ValidString(s):
		return JID{}, errors.New("the address is not UTF-8")
	}
	// RFC 7622 §3.1: the first slash ends the domainpart, and only before it does
	// the first @ end the localpart.
	j := JID{written: s}
	rest, resource, hasResource := strings.Cut(s, "/")
	local, host, hasLocal := strings.Cut(rest, "@")
	if !hasLocal {
		local, host = "", rest
	}
	var err error
	if j.Domain, err = domainpart(host); err != nil {
		return JID{}, err
	}
	if hasLocal {
		if j.Local, err = localpart(local); err != nil {
			return JID{}, j.odd(err)
		}
	}
	if hasResource {
		if j.Resource, err = resourcepart(resource); err != nil {
			return JID{}, j.odd(err)
		}
	}
	return j, nil
}

// odd gives an error of a profile what can be read all the same.
func (j JID) odd(err error) error {
	if e, ok := errors.AsType[*OddError](err); ok {
		e.JID = JID{Domain: j.Domain, written: j.written}
	}
	return err
}

// domainpart follows RFC 7622 §3.2: the final dot goes before anything else.
func domainpart(s string) (domain.Name, error) {
	if err := checkBounds("domainpart", s); err != nil {
		return domain.Name{}, err
	}
	if strings.IndexByte(s, '@') >= 0 {
		return domain.Name{}, errors.New("the address has a second @ before its resource; one is possible")
	}
	n, err := domain.Parse(strings.TrimSuffix(s, "."))
	if err != nil {
		return domain.Name{}, fmt.Errorf("the domainpart: %w", err)
	}
	return n, nil
}

// String returns the address as it was written.
func (j JID) String() string { return j.written }

// Bare returns the address without its resource, the rest as it was written.
func (j JID) Bare() JID {
	j.Resource = ""
	j.written, _, _ = strings.Cut(j.written, "/")
	return j
}

// Canonical returns the address written in its canonical parts. Canonical JIDs
// compare with == and serve as map keys.
func (j JID) Canonical() JID {
	s := j.Domain.String()
	if j.Local != "" {
		s = j.Local + "@" + s
	}
	if j.Resource != "" {
		s += "/" + j.Resource
	}
	j.written = s
	return j
}

// IsZero tells whether j is no address at all.
func (j JID) IsZero() bool { return j.Domain.IsZero() }
