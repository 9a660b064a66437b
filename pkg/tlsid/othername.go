package tlsid

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"edged/pkg/domain"
)

// xmppServer is the service of SRV-IDs that counts between servers. A certificate
// for _xmpp-client proves nothing here (RFC 9525 §6.5).
const xmppServer = "_xmpp-server."

// xmppName is one domain that a certificate names, or every domain directly under
// it: a wildcard stands for exactly one label (RFC 9525 §6.3).
type xmppName struct {
	name     domain.Name
	wildcard bool
	other    bool // an otherName: crypto/x509 does not hold it against name constraints
}

// String is the name as certificates write it.
func (n xmppName) String() string {
	if n.wildcard {
		return "*." + n.name.String()
	}
	return n.name.String()
}

func covered(names []xmppName, d domain.Name) bool {
	return slices.ContainsFunc(names, func(n xmppName) bool {
		if n.wildcard {
			return d.DirectlyUnder(n.name)
		}
		return !d.IsZero() && d == n.name
	})
}

// xmppNames are the domains that a certificate names for XMPP servers, distinct,
// in its order (RFC 6120 §13.7.1.2). The common name is none of them.
func xmppNames(c *x509.Certificate) []xmppName {
	var names []xmppName
	seen := make(map[string]bool)
	for _, e := range c.Extensions {
		if !e.Id.Equal(subjectAltName()) {
			continue
		}
		for _, n := range readAltNames(e.Value) {
			if text := n.String(); !seen[text] {
				seen[text] = true
				names = append(names, n)
			}
		}
	}
	return names
}

func subjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// readAltNames reads a subjectAltName itself, since crypto/x509 skips otherNames.
// What it cannot read, or what is no domain, proves nothing and is skipped.
func readAltNames(der []byte) []xmppName {
	var all []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &all); err != nil || len(rest) > 0 {
		return nil
	}
	var names []xmppName
	for _, one := range all {
		if n, ok := readAltName(one); ok {
			names = append(names, n)
		}
	}
	return names
}

// readAltName reads one GeneralName of RFC 5280 §4.2.1.6.
func readAltName(v asn1.RawValue) (n xmppName, ok bool) {
	const otherName, dNSName = 0, 2
	if v.Class != asn1.ClassContextSpecific {
		return n, false
	}
	switch v.Tag {
	case dNSName:
		return parsePattern(string(v.Bytes))
	case otherName:
		id, text, ok := readOtherName(v)
		if !ok {
			return n, false
		}
		n, ok = parseOtherName(id, text)
		n.other = true
		return n, ok
	}
	return n, false
}

// readOtherName returns the type and the string of an otherName. Strings come as
// UTF8String or as IA5String, each type in its own only; others are not ok.
func readOtherName(v asn1.RawValue) (id asn1.ObjectIdentifier, text asn1.RawValue, ok bool) {
	var value asn1.RawValue
	rest, err := asn1.Unmarshal(v.Bytes, &id)
	if err != nil || !v.IsCompound {
		return nil, text, false
	}
	// value [0] EXPLICIT ANY
	if rest, err = asn1.Unmarshal(rest, &value); err != nil || len(rest) > 0 {
		return nil, text, false
	}
	if value.Class != asn1.ClassContextSpecific || value.Tag != 0 || !value.IsCompound {
		return nil, text, false
	}
	if rest, err = asn1.Unmarshal(value.Bytes, &text); err != nil || len(rest) > 0 {
		return nil, text, false
	}
	return id, text, text.Class == asn1.ClassUniversal && !text.IsCompound
}

func parseOtherName(id asn1.ObjectIdentifier, text asn1.RawValue) (n xmppName, ok bool) {
	switch {
	case text.Tag == asn1.TagIA5String && id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}):
		return parseSRVName(string(text.Bytes))
	case text.Tag == asn1.TagUTF8String && id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}):
		return parseXMPPAddr(string(text.Bytes))
	}
	return n, false
}

// parseSRVName reads an SRV-ID (RFC 4985 §2), whose service compares without
// regard to case.
func parseSRVName(s string) (n xmppName, ok bool) {
	if len(s) < len(xmppServer) || !strings.EqualFold(s[:len(xmppServer)], xmppServer) {
		return n, false
	}
	return parsePattern(s[len(xmppServer):])
}

// parseXMPPAddr reads an XmppAddr (RFC 6120 §13.7.1.4): a server's is a bare
// domain, in U-labels or A-labels. There are no wildcards among addresses.
func parseXMPPAddr(s string) (n xmppName, ok bool) {
	d, err := domain.Parse(s)
	return xmppName{name: d}, err == nil
}

// parsePattern reads a DNS name that may have "*" as its complete left-most label,
// and nowhere else (RFC 9525 §6.3).
func parsePattern(s string) (n xmppName, ok bool) {
	rest, wildcard := strings.CutPrefix(s, "*.")
	d, err := domain.ParseWire(rest)
	return xmppName{name: d, wildcard: wildcard}, err == nil
}

// otherNamesHandled returns c as crypto/x509 should see it. A critical
// subjectAltName of otherNames alone is "unhandled" there and fails every chain;
// here it is handled. Certificates are shared, so c itself stays as it is.
func otherNamesHandled(c *x509.Certificate) *x509.Certificate {
	isAltName := func(id asn1.ObjectIdentifier) bool { return id.Equal(subjectAltName()) }
	if !slices.ContainsFunc(c.UnhandledCriticalExtensions, isAltName) {
		return c
	}
	handled := *c
	handled.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), isAltName)
	return &handled
}

// otherNamesPermitted holds the domains in otherNames against the name constraints
// that its authorities have for DNS names. To crypto/x509 they are another kind of
// name, which would let an authority that may sign for one partner's domain only
// speak for every domain by XmppAddr.
func otherNamesPermitted(chain []*x509.Certificate) error {
	names := xmppNames(chain[0])
	if len(names) > MaxNames {
		return nil // refused for that, without work that a stranger chooses
	}
	for _, n := range names {
		for _, authority := range chain[1:] {
			if n.other && !permits(authority, n) {
				return certError(BadChain, chain[0], fmt.Errorf("%s may not sign for %s (name constraints)", clip(authority.Subject.String()), n))
			}
		}
	}
	return nil
}

// permits is RFC 5280 §4.2.1.10 for one name.
func permits(authority *x509.Certificate, n xmppName) bool {
	if slices.ContainsFunc(authority.ExcludedDNSDomains, n.meets) {
		return false
	}
	return len(authority.PermittedDNSDomains) == 0 || slices.ContainsFunc(authority.PermittedDNSDomains, n.within)
}

// within reports whether all that n stands for lies in a DNS subtree: the name
// itself and everything under it, or without the name itself if it begins with a
// dot. The empty subtree is everything.
func (n xmppName) within(subtree string) bool {
	if subtree == "" {
		return true
	}
	above, dotted := strings.CutPrefix(subtree, ".")
	root, err := domain.ParseWire(above)
	if err != nil {
		return false // no host name lies there
	}
	return n.name.Under(root) || n.name == root && (!dotted || n.wildcard)
}

// meets reports whether anything that n stands for lies in a DNS subtree: a
// wildcard also meets one that begins at a name it stands for.
func (n xmppName) meets(subtree string) bool {
	root, err := domain.ParseWire(strings.TrimPrefix(subtree, "."))
	return n.within(subtree) || err == nil && n.wildcard && root.DirectlyUnder(n.name)
}
