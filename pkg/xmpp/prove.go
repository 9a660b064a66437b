package xmpp

import (
	"context"
	"slices"
	"time"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/tlsid"
)

// proof is how the other end has shown that it speaks for a domain.
type proof uint8

const (
	unproven   proof = iota
	byPKIX           // its certificate names the domain, and who signed it is trusted (RFC 6120 §13.7)
	byDANE           // its certificate is the one in signed DNS (RFC 7673)
	byPOSH           // its certificate is the one that the domain's web server names (RFC 7711)
	byDialback       // the domain's server vouches for it (XEP-0220)
)

// String is the label in logs and metrics.
func (p proof) String() string {
	return [...]string{"none", "pkix", "dane", "posh", "dialback"}[p]
}

// said is what policy calls the proof, on a stream that is encrypted or not.
func (p proof) said(encrypted bool) policy.Proof {
	switch {
	case p == byPKIX:
		return policy.ByCertificate
	case p == byDANE:
		return policy.ByDANE
	case p == byPOSH:
		return policy.ByPOSH
	case p == byDialback && encrypted:
		return policy.ByTLSDialback
	case p == byDialback:
		return policy.ByTCPDialback
	}
	return 0
}

// isStranger reports whether nothing lists a partner; nil is one that policy has not
// been asked about.
func isStranger(p *policy.Partner) bool { return p != nil && p.Kind == policy.XMPPDefault }

// prove measures what the other end's certificate says about the stream's peer.
func (c *conn) prove(st *State, t terms) proof { return c.proveFor(st, t, c.peer) }

func (c *conn) proveFor(st *State, t terms, peer domain.Name) proof {
	cs := c.connectionState()
	if cs == nil || len(cs.PeerCertificates) == 0 || peer.IsZero() {
		return unproven
	}
	if c.side == Internal {
		if pool := st.pools[peer]; c.certErr == nil && pool != nil && pool.proves(c.identity, peer) {
			return byPKIX
		}
		return unproven
	}
	if !t.allowsSASL() { // then no certificate counts, whoever vouches for it
		return unproven
	}
	if c.certErr == nil && slices.Contains(c.identity.Anchors, t.anchor) && c.identity.Covers(peer) {
		return byPKIX
	}
	if t.refused != nil || t.partner == nil || !t.dane && !t.posh {
		return unproven
	}
	if c.dialled {
		return c.vouchedFor(st, t, peer)
	}
	// What follows asks others, as the verification of a key does, and counts as one.
	one := c.verification(t)
	if !c.mayAsk(st, t, peer) || !c.srv.verifying.enter(one, &st.Bounds) {
		return unproven
	}
	defer c.srv.verifying.leave(one)
	return c.vouchedFor(st, t, peer)
}

// vouchedFor asks signed DNS and the domain's web server about the certificate.
func (c *conn) vouchedFor(st *State, t terms, peer domain.Name) proof {
	ctx, cancel := context.WithTimeout(c.srv.group.Context(), st.Bounds.ConnectTimeout)
	defer cancel()
	if t.dane && c.provenByDANE(ctx, st, peer) {
		return byDANE
	}
	if t.posh && c.srv.cfg.POSH != nil {
		set, err := c.srv.cfg.POSH.Lookup(ctx, peer)
		if err == nil && set.Matches(c.connectionState().PeerCertificates[0]) {
			return byPOSH
		}
	}
	return unproven
}

// provenByDANE compares the certificate with the TLSA records of the place that was
// dialled; of who dialled us, with those of the first places of its domain (RFC 7673
// §3): each is a look-up.
func (c *conn) provenByDANE(ctx context.Context, st *State, peer domain.Name) bool {
	records := c.tlsa
	if !c.dialled {
		answer, err := st.Resolver.XMPP(ctx, peer)
		if err != nil || !answer.Authentic {
			return false
		}
		for _, t := range answer.Targets[:min(len(answer.Targets), maxPlaces)] {
			records = append(records, st.tlsa(ctx, t.Host, t.Port)...)
		}
	}
	chain := c.connectionState().PeerCertificates
	// Where signed DNS leads from the domain to the target, the certificate may name
	// either (RFC 7673 §4.1).
	return tlsid.MatchTLSA(records, chain, peer, time.Now()) == tlsid.TLSAMatch ||
		!c.host.IsZero() && tlsid.MatchTLSA(records, chain, c.host, time.Now()) == tlsid.TLSAMatch
}

// tlsa returns the records of a place, if signed DNS vouches for them.
func (st *State) tlsa(ctx context.Context, host domain.Name, port uint16) []tlsid.TLSA {
	records, authentic, err := st.Resolver.TLSA(ctx, host, port)
	if err != nil || !authentic {
		return nil
	}
	out := make([]tlsid.TLSA, len(records))
	for i, r := range records {
		out[i] = tlsid.TLSA(r)
	}
	return out
}
