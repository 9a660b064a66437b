package xmpp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"edged/pkg/consent"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/posh"
	"edged/pkg/tlsid"
	"edged/pkg/trace"
)

// Side is one of the edge's two faces. It is a property of the listener a stream
// came in on, or of whom we dialled; never of what a stanza claims.
type Side uint8

// The two sides.
const (
	External Side = iota // partners on the Internet
	Internal             // our own pools
)

// String returns the label used in logs and metrics.
func (s Side) String() string {
	if s == Internal {
		return "internal"
	}
	return "external"
}

// other returns the side across the edge.
func (s Side) other() Side { return 1 - s }

// Config is what a Server keeps for its whole life.
type Config struct {
	Log     *slog.Logger
	Metrics *Metrics   // nil counts nothing
	Tap     *trace.Tap // who follows messages; nil tells nobody

	// Dial opens a TCP connection to a next hop on the given side. Nil means
	// an ordinary dialler.
	Dial func(ctx context.Context, side Side, addr netip.AddrPort) (net.Conn, error)
	// Consent remembers who wrote to whom first; nil remembers nothing, so that
	// public_unverified partners are never heard.
	Consent *consent.Book
	// POSH looks up what partners publish by RFC 7711; nil if nobody may use it.
	POSH *posh.Client
}

// State is everything that a reload replaces, as one value. It is immutable once
// it has been given to Apply, and a stanza is finished under the State that it was
// judged by.
type State struct {
	Policy   *policy.Set
	Resolver *discovery.Resolver
	Bounds   limit.Bounds
	Secret   Secret

	// Host is the edge's own name, shown to the inside as the origin of errors.
	Host domain.Name
	// Outside are the certificates partners see and whom we trust to sign theirs.
	Outside *tlsid.Side
	// Inside is whom we trust to sign our pools' certificates.
	Inside *tlsid.Trust
	// Authority proves partner domains to pools (mode mint). Nil means that pools
	// ask by dialback; the certificates of Outside are shown then.
	Authority *tlsid.Authority
	// Sources are the networks that pools connect from; empty means any.
	Sources []netip.Prefix
	Pools   []*Pool
	// Own are the places where this edge listens outside. No partner lives there.
	Own map[netip.AddrPort]bool
	// Discovered bounds partners that nothing lists; it outlives reloads.
	Discovered *limit.Discovered

	pools  map[domain.Name]*Pool
	secret dialbackSecret
}

// Secret is the content of secret_file: keys for dialback derive from it.
// Previous may be nil.
type Secret struct {
	Current, Previous []byte
}

// Pool is a set of equal servers inside.
type Pool struct {
	Name    string
	Domains []domain.Name // a pool speaks only for these
	Anchor  string        // the root set that signs its members: an anchor of Inside
	// Names may stand in a member's certificate in place of the pool's domains.
	Names   []domain.Name
	Members *nexthop.Pool // host:port each
}

// prepare builds the tables that a State is looked up by.
func (st *State) prepare() {
	st.pools = make(map[domain.Name]*Pool)
	for _, p := range st.Pools {
		for _, d := range p.Domains {
			st.pools[d] = p
		}
	}
	st.secret = newDialbackSecret(st.Secret)
}

// proves reports whether a certificate is that of a member which may speak for d.
func (p *Pool) proves(id tlsid.XMPPIdentity, d domain.Name) bool {
	return slices.Contains(id.Anchors, p.Anchor) && (id.Covers(d) || slices.ContainsFunc(p.Names, id.Covers))
}

// actsFor reports whether the edge is the server of d on a side: outside of our own
// domains, inside of everybody else's.
func (st *State) actsFor(side Side, d domain.Name) bool {
	if side == External {
		return st.pools[d] != nil && st.Policy.IsLocal(d, policy.XMPP)
	}
	return !st.ours(d)
}

// ours reports whether d is one of our domains or lies below one: nobody outside
// has such a name.
func (st *State) ours(d domain.Name) bool {
	for {
		if st.pools[d] != nil || st.Policy.IsLocal(d, policy.SIP) || st.Policy.IsLocal(d, policy.XMPP) {
			return true
		}
		above, ok := d.Parent()
		if !ok {
			return false
		}
		d = above
	}
}

// pair names whom a stanza concerns: a domain of ours and one of a partner. Both
// sides of the edge use the same pairs.
type pair struct{ ours, theirs domain.Name }

// pairOf is the pair of a stream on a side, on which the edge acts as self and the
// other end as peer.
func pairOf(side Side, self, peer domain.Name) pair {
	if side == External {
		return pair{ours: self, theirs: peer}
	}
	return pair{ours: peer, theirs: self}
}

// self is whom the edge acts as on a side.
func (p pair) self(side Side) domain.Name {
	if side == External {
		return p.ours
	}
	return p.theirs
}

// peer is whom the other end speaks for on a side.
func (p pair) peer(side Side) domain.Name { return p.self(side.other()) }

// partner returns the settings of a pair's partner, and why the policy refuses the
// domain if it does: no user is looked at.
func (st *State) partner(p pair, way policy.Direction, facts policy.Facts) (policy.Decision, *refusal) {
	d := st.Policy.DecideDomain(policy.Question{
		Protocol: policy.XMPP, Direction: way, Local: policy.User{Domain: p.ours}, Remote: p.theirs, Facts: facts,
	})
	return d, refusedBy(d)
}
