package tlsid

import (
	"crypto/x509"
	"encoding/asn1"
	"net/url"
	"slices"
	"strings"

	"edged/pkg/domain"
)

// MaxNames bounds how many domains one certificate may prove. Public authorities
// stop at a few hundred; every name costs work in each later decision.
const MaxNames = 1024

// How a certificate names its domains (RFC 5922 §7.1). A certificate is read in
// one way only.
const (
	HowURI = "sip-uri" // sip: URIs of the subjectAltName
	HowDNS = "dns"     // DNS names of the subjectAltName
	HowCN  = "cn"      // the subject's common name
)

// Identity is what a verified chain proves. It is immutable and may be shared.
type Identity struct {
	Names   []domain.Name     // distinct, in the certificate's order; at most MaxNames
	Anchors []string          // root sets that the chain verifies against, sorted: "" is tls.roots, others are entries of the policy
	Leaf    *x509.Certificate // for readers of other kinds of names, e.g. XMPP's
	How     string            // HowURI, HowDNS or HowCN
}

// Covers reports whether the certificate proves n: equal names, never a wildcard
// or a suffix (RFC 5922 §7.2).
func (id Identity) Covers(n domain.Name) bool {
	return !n.IsZero() && slices.Contains(id.Names, n)
}

// SIPNames are the domains that a certificate of ours names for SIP, whoever signed
// it: what a peer that trusts its authority takes it for.
func SIPNames(leaf *x509.Certificate) []domain.Name {
	names, _ := sipNames(leaf)
	return names
}

// sipNames finds the SIP domain identities of a certificate, RFC 5922 §7.1. What
// is no domain name (wildcards, addresses, junk) proves nothing and is skipped.
func sipNames(leaf *x509.Certificate) (names []domain.Name, how string) {
	// 1. URIs of scheme sip without a user part. One with a user part names a
	// person, other schemes name other things: neither is an identity here.
	if hosts := sipHosts(leaf.URIs); len(hosts) > 0 {
		return parseNames(hosts), HowURI
	}
	// 2. DNS names count only where step 1 found no identity, usable or not: a
	// certificate that takes the trouble to name SIP domains means just those.
	if hasSubjectAltName(leaf) {
		return parseNames(leaf.DNSNames), HowDNS
	}
	// 3. The common name, where there is no subjectAltName whatsoever.
	return parseNames(commonNames(leaf)), HowCN
}

func sipHosts(uris []*url.URL) []string {
	var hosts []string
	for _, u := range uris {
		if host, ok := sipHost(u); ok {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// sipHost returns the host of a sip: URI without a user part. Ports, parameters
// and headers do not make it another domain.
func sipHost(u *url.URL) (host string, ok bool) {
	if u.Scheme != "sip" || u.User != nil || strings.Contains(u.Opaque, "@") {
		return "", false
	}
	host = u.Opaque
	if end := strings.IndexAny(host, ":;?"); end >= 0 {
		host = host[:end]
	}
	return host, true
}

// hasSubjectAltName looks for the extension itself: one that holds only kinds of
// names unknown to crypto/x509 still forbids the common name.
func hasSubjectAltName(c *x509.Certificate) bool {
	oid := subjectAltName()
	for i := range c.Extensions {
		if c.Extensions[i].Id.Equal(oid) {
			return true
		}
	}
	return false
}

// commonNames reads the attributes one by one, because Subject.CommonName keeps
// only the last of several.
func commonNames(c *x509.Certificate) []string {
	oid := asn1.ObjectIdentifier{2, 5, 4, 3}
	var names []string
	for _, attribute := range c.Subject.Names {
		if s, ok := attribute.Value.(string); ok && attribute.Type.Equal(oid) {
			names = append(names, s)
		}
	}
	if len(names) > 1 {
		return nil // which of them was checked by the authority is anybody's guess
	}
	return names
}

func parseNames(texts []string) []domain.Name {
	var names []domain.Name
	seen := make(map[domain.Name]bool, len(texts))
	for _, text := range texts {
		n, err := domain.ParseWire(text)
		if err != nil || seen[n] {
			continue
		}
		seen[n] = true
		names = append(names, n)
	}
	return names
}
