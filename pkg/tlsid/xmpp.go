package tlsid

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"edged/pkg/domain"
)

// loggedNames bounds what Names returns: a log line is no place for hundreds.
const loggedNames = 20

// XMPPIdentity is what a verified chain proves about an XMPP server. It is
// immutable and may be shared. The zero value proves nothing.
type XMPPIdentity struct {
	Leaf    *x509.Certificate // as the peer presented it
	Anchors []string          // root sets that the chain verifies against, sorted: "" is tls.roots, others are entries of the policy

	names []xmppName // distinct, in the certificate's order; at most MaxNames
}

// IdentifyXMPP verifies a chain as a peer presented it, leaf first, and returns
// what its leaf proves: no other certificate's names count, since anyone can send
// a stranger's public certificate along. The leaf must be a server's, by its usage
// and by not being an authority's (RFC 6120 §13.7.1.1).
//
// The error is a *CertError. With kinds NoNames and TooManyNames the XMPPIdentity
// says what else is known: the chain itself is proven, but covers no domain.
func (t *Trust) IdentifyXMPP(chain []*x509.Certificate) (XMPPIdentity, error) {
	if len(chain) == 0 {
		return XMPPIdentity{}, &CertError{Kind: None}
	}
	now, key := t.now(), chainKey(chain)
	if id, ok := t.streams.get(key, now); ok {
		return id, nil
	}
	anchors, err := t.anchorsOf(otherNamesHandled(chain[0]), intermediates(chain), xmppChain, now)
	if err != nil {
		return XMPPIdentity{}, err
	}
	id := XMPPIdentity{Leaf: chain[0], Anchors: anchors}
	if err := id.readNames(); err != nil {
		return id, err
	}
	t.streams.put(key, id, now)
	return id, nil
}

func (id *XMPPIdentity) readNames() error {
	names := xmppNames(id.Leaf)
	switch {
	case len(names) == 0:
		return certError(NoNames, id.Leaf, errors.New("no DNS name, no _xmpp-server SRVName and no XmppAddr that is a domain (the common name is none)"))
	case len(names) > MaxNames:
		return certError(TooManyNames, id.Leaf, fmt.Errorf("%d names, at most %d are read", len(names), MaxNames))
	}
	id.names = names
	return nil
}

// Covers reports whether the certificate proves d, the domain that a stream
// asserts (RFC 6120 §13.7.2.1), by any kind of name it carries.
func (id XMPPIdentity) Covers(d domain.Name) bool {
	return covered(id.names, d)
}

// Names returns what the certificate names, wildcards included, for logs: the
// first 20 in the certificate's order. Ask Covers for decisions.
func (id XMPPIdentity) Names() []string {
	var texts []string
	for _, n := range id.names[:min(len(id.names), loggedNames)] {
		texts = append(texts, n.String())
	}
	return texts
}

// NamesXMPP tells whether a certificate of ours names d for XMPP, whoever signed it.
func NamesXMPP(leaf *x509.Certificate, d domain.Name) bool { return covered(xmppNames(leaf), d) }

// xmppChain demands a server's leaf and authorities that may sign servers.
//
// serverAuth alone is enough also where the peer is the TLS client: public
// authorities issue nothing else. clientAuth alone never is: such certificates are
// handed to people and devices, with less care for the names in them.
func xmppChain(chain []*x509.Certificate) error {
	if chain[0].IsCA {
		return certError(BadChain, chain[0], errors.New("it is an authority's, which cannot name a server: wanted is a certificate with basicConstraints CA:FALSE"))
	}
	for _, c := range belowRoot(chain) {
		if !servesTLS(c) {
			return certError(WrongUsage, c, errors.New("wanted: serverAuth, any, or no extended key usage"))
		}
	}
	return otherNamesPermitted(chain)
}

func servesTLS(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}
