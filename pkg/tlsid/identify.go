package tlsid

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// proof is one way from a leaf to a root, and the sets that hold that root.
type proof struct {
	chain   []*x509.Certificate // leaf first, root last; the leaf alone if it is a root itself
	anchors []string
}

// maxIntermediates is how many certificates behind the leaf are looked at: real chains
// have one to three. Each more lets a stranger make up ways to the roots, each step of
// which costs us a signature.
const maxIntermediates = 6

// intermediates are those that a peer has presented behind its leaf.
func intermediates(chain []*x509.Certificate) []*x509.Certificate {
	return chain[1:min(len(chain), 1+maxIntermediates)]
}

// demand is what a protocol asks of a chain beyond what crypto/x509 checks.
type demand func(chain []*x509.Certificate) error

// Identify verifies a chain as a peer presented it, leaf first, and returns what
// it proves. The error is a *CertError. With kinds NoNames and TooManyNames the
// Identity says what else is known: the chain itself is proven.
func (t *Trust) Identify(chain []*x509.Certificate) (Identity, error) {
	if len(chain) == 0 {
		return Identity{}, &CertError{Kind: None}
	}
	now, key := t.now(), chainKey(chain)
	if id, ok := t.recent.get(key, now); ok {
		return id, nil
	}
	anchors, err := t.anchorsOf(chain[0], intermediates(chain), sipChain, now)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Leaf: chain[0], Anchors: anchors}
	if err := id.readNames(); err != nil {
		return id, err
	}
	t.recent.put(key, id, now)
	return id, nil
}

// readNames fills in what the leaf names.
func (id *Identity) readNames() error {
	names, how := sipNames(id.Leaf)
	switch {
	case len(names) == 0:
		return certError(NoNames, id.Leaf, errors.New("no sip: URI and no DNS name that is a domain (wildcards are none)"))
	case len(names) > MaxNames:
		return certError(TooManyNames, id.Leaf, fmt.Errorf("%d names, at most %d are read", len(names), MaxNames))
	}
	id.Names, id.How = names, how
	return nil
}

// anchorsOf returns the root sets that vouch for leaf by a chain with nothing
// wrong in it and that fits: at least one, or an error.
func (t *Trust) anchorsOf(leaf *x509.Certificate, others []*x509.Certificate, fits demand, now time.Time) ([]string, error) {
	proofs, err := t.proofs(leaf, others, now)
	if err != nil {
		return nil, verifyError(leaf, err, now)
	}
	var anchors []string
	var refused error
	for _, p := range proofs {
		if err := t.checkChain(p.chain, fits, now); err != nil {
			if refused == nil {
				refused = err
			}
			continue
		}
		anchors = append(anchors, p.anchors...)
	}
	if len(anchors) == 0 {
		return nil, refused
	}
	slices.Sort(anchors)
	return slices.Compact(anchors), nil
}

// proofs builds chains for leaf in every root set: at least one, or else the most
// telling of the errors met.
func (t *Trust) proofs(leaf *x509.Certificate, others []*x509.Certificate, now time.Time) ([]proof, error) {
	options := x509.VerifyOptions{
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		// Usages are checked in checkChain: RFC 5924's is unknown to crypto/x509.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range others {
		options.Intermediates.AddCert(c)
	}
	var found []proof
	var failed error = x509.UnknownAuthorityError{Cert: leaf}
	for _, g := range t.groupsFor(leaf) {
		options.Roots = g.pool
		chains, err := leaf.Verify(options)
		if err != nil {
			failed = worse(failed, err)
		}
		for _, chain := range chains {
			found = append(found, proof{chain: chain, anchors: g.namesOf(chain[len(chain)-1])})
		}
	}
	if len(found) == 0 {
		return nil, failed
	}
	return found, nil
}

// groupsFor is t.groups, unless leaf is itself among the private roots (a partner
// pinned by its own certificate). There crypto/x509 looks no further than the
// leaf, and would miss other sets that hold its issuer; so the sets go one by one.
func (t *Trust) groupsFor(leaf *x509.Certificate) []group {
	pinned := func(g group) bool { return g.holders[string(leaf.Raw)] != nil }
	if !slices.ContainsFunc(t.groups, pinned) {
		return t.groups
	}
	groups := slices.DeleteFunc(slices.Clone(t.groups), pinned)
	for _, s := range t.sets {
		groups = append(groups, group{pool: s.pool, name: s.name})
	}
	return groups
}

func (g group) namesOf(root *x509.Certificate) []string {
	if g.holders == nil {
		return []string{g.name}
	}
	return g.holders[string(root.Raw)]
}

// worse prefers an error that says more than "unknown authority".
func worse(a, b error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](a); ok {
		return b
	}
	return a
}

// checkChain is what crypto/x509 leaves to us: what the protocol demands, then
// revocation.
func (t *Trust) checkChain(chain []*x509.Certificate, fits demand, now time.Time) error {
	if err := fits(chain); err != nil {
		return err
	}
	return t.revoked.check(chain, now)
}

// sipChain demands usages that permit SIP.
func sipChain(chain []*x509.Certificate) error {
	for _, c := range belowRoot(chain) {
		if !usable(c) {
			return certError(WrongUsage, c, errors.New("wanted: serverAuth, clientAuth, sipDomain, any, or no extended key usage"))
		}
	}
	return nil
}

// belowRoot is all of a verified chain but the root, which is trusted as it is. A
// leaf that is a root itself stays.
func belowRoot(chain []*x509.Certificate) []*x509.Certificate {
	return chain[:max(1, len(chain)-1)]
}

// usable reports whether the extended key usages permit SIP over TLS in either
// role: RFC 5924 §4 asks for sipDomain or any, or none at all; serverAuth and
// clientAuth are what the certificates of real partners carry, and public
// authorities issue serverAuth alone.
//
// The same is asked of intermediate authorities, whose usages bound what they may
// sign, so that one for mail cannot vouch for a SIP domain.
func usable(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageAny || u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageClientAuth {
			return true
		}
	}
	return slices.ContainsFunc(c.UnknownExtKeyUsage, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}.Equal)
}
