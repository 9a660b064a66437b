package policy

import (
	"slices"

	"edged/pkg/domain"
)

// coverage is whether an identity lets its holder speak for a domain.
type coverage uint8

const (
	uncovered coverage = iota
	covered
	hangsOnSRV // it would, if the domain's current SRV record held a proven name
)

// covers compares what was proven with what entry p asks for. A partner with its
// own roots is proven by those only, and everybody else by tls.roots only: a
// partner's private authority proves nobody but that partner.
func (p *Partner) covers(remote domain.Name, f *Facts) coverage {
	switch p.Kind {
	case XMPPListed, XMPPDefault:
		unsigned := f.Anchors == nil && f.Proof != ByCertificate
		return yes(f.Proven && p.XMPP.Accepts(f.Proof) && (unsigned || p.provenBy(f)))
	case Direct:
		return yes(p.proxyProven(f))
	case HostingProvider, PublicProvider:
		if !p.proxyProven(f) {
			return uncovered
		}
		return f.targets(p.Proxy)
	case Allowed, Discovered:
		if !p.provenBy(f) {
			return uncovered
		}
		return f.coversBySRV(remote)
	}
	return uncovered
}

// proxyProven tells whether the peer is p's proxy.
func (p *Partner) proxyProven(f *Facts) bool {
	return p.provenBy(f) && slices.Contains(f.Names, p.Proxy)
}

// provenBy tells whether the chain was verified against p's root set.
func (p *Partner) provenBy(f *Facts) bool { return slices.Contains(f.Anchors, p.Anchor) }

// coversBySRV is the rule for partners that SRV finds: the certificate holds the
// SIP domain itself (RFC 5922 §7.3), or a current SRV target lying directly in
// it. Names elsewhere need no look-up, because none of them could count.
func (f *Facts) coversBySRV(remote domain.Name) coverage {
	best := uncovered
	for _, n := range f.Names {
		if n == remote {
			return covered
		}
		if !n.DirectlyUnder(remote) {
			continue
		}
		switch f.targets(n) {
		case covered:
			return covered
		case hangsOnSRV:
			best = hangsOnSRV
		case uncovered:
		}
	}
	return best
}

// targets tells whether host is among the current SRV targets.
func (f *Facts) targets(host domain.Name) coverage {
	if !f.SRVKnown {
		return hangsOnSRV
	}
	return yes(slices.Contains(f.SRV, host))
}

// within tells whether an SRV target lies directly in the domain, or is it.
func (f *Facts) within(remote domain.Name) bool {
	return slices.ContainsFunc(f.SRV, func(target domain.Name) bool {
		return target == remote || target.DirectlyUnder(remote)
	})
}

func yes(b bool) coverage {
	if b {
		return covered
	}
	return uncovered
}

// Covers tells whether what was proven (Names, Anchors, SRV; Proven for XMPP)
// lets its holder speak for remote under entry p. It serves both directions:
// inward for who sends, outward for who answered the connection. Without SRV
// facts only what needs none is covered.
func (s *Set) Covers(p *Partner, remote domain.Name, f Facts) bool {
	if p.Kind != HostingProvider && p.Kind != PublicProvider {
		return p.covers(remote, &f) == covered
	}
	if s.Shares(remote) {
		return p == &s.sharing.Partner && p.proxyProven(&f)
	}
	found := s.find(remote)
	listed := found.partner()
	return p.covers(remote, &f) == covered && !found.ours() && (listed == nil || listed.Kind != Direct)
}

// CouldProve tells whether anything in the policy could accept a peer with such
// a certificate, whatever domain it speaks for (SIP). It is false for a plain
// stranger while discovery is off. It may be true for a peer that no message
// will be accepted from; it is never the other way round.
func (s *Set) CouldProve(names []domain.Name, anchors []string) bool {
	return s.enabled && slices.ContainsFunc(names, func(n domain.Name) bool { return s.couldProve(n, anchors) })
}

func (s *Set) couldProve(n domain.Name, anchors []string) bool {
	for _, anchor := range s.proxies[n] {
		if slices.Contains(anchors, anchor) {
			return true
		}
	}
	if p := s.providers[n]; p != nil && p.enabled && slices.Contains(anchors, p.Anchor) {
		return true
	}
	if s.couldSpeakFor(n, anchors) {
		return true
	}
	// The name of a host proves the domain it lies directly in.
	parent, ok := n.Parent()
	return ok && s.couldSpeakFor(parent, anchors)
}

// couldSpeakFor tells whether d could be a partner found by SRV.
func (s *Set) couldSpeakFor(d domain.Name, anchors []string) bool {
	found := s.find(d)
	if found.blocked != "" || found.ours() {
		return false
	}
	p := found.partner()
	if p == nil && s.discovery {
		p = s.discovered
	}
	return p != nil && p.Kind != Direct && slices.Contains(anchors, p.Anchor)
}

// Anonymous returns the domain that a sender counts as who hides in From (SIP):
// one that the certificate could prove and whose entry says anonymous: true. What
// the certificate really proves is for Decide, asked about that domain.
func (s *Set) Anonymous(names []domain.Name, anchors []string) (d domain.Name, ok bool) {
	if !s.anonymous {
		return d, false
	}
	for _, n := range names {
		if s.mayHide(n, anchors) {
			return n, true
		}
		if above, ok := n.Parent(); ok && s.mayHide(above, anchors) {
			return above, true
		}
		for _, d := range s.anonymousBehind[n] {
			if s.mayHide(d, anchors) {
				return d, true
			}
		}
	}
	return d, false
}

func (s *Set) mayHide(d domain.Name, anchors []string) bool {
	found := s.find(d)
	p := found.partner()
	return p != nil && p.Anonymous && slices.Contains(anchors, p.Anchor)
}
