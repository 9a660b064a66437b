package sipfed

import (
	"hash/fnv"
	"math/rand/v2"
	"net"
	"strconv"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// defaultPort is where SIP over TLS listens (RFC 3261 §18.1.1).
const defaultPort = 5061

// planPartner leads to the partner that policy has decided for: where the inside
// names a next hop (explicitTarget), there, else to the pinned proxy or to the
// domain's SRV targets. Whoever answers must prove the partner.
func (s *Server) planPartner(st *State, adm *admission, m *sipmsg.Message) (*link, []string, *refusal) {
	h := partnerHop(st, adm)
	h.key.lane = lane(m, adm.decision.Partner.Connections)
	l := s.links.get(h)
	targets := l.inOrder(Targets(adm.decision.Partner, adm.remote(), adm.answer))
	if explicit, ok := explicitTarget(adm); ok {
		targets = []string{explicit}
	}
	if len(targets) == 0 {
		return nil, nil, refuse(verdict.TargetOutsideDomain, "no SRV target of %s counts", adm.remote())
	}
	return l, targets, nil
}

// lane chooses among the connections that a partner's server may have. What goes
// between two users stays on one, and so in order.
func lane(m *sipmsg.Message, connections int) int {
	if connections < 2 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write(m.From().URI)
	_, _ = h.Write(m.To().URI)
	return int(h.Sum32() % uint32(connections)) //nolint:gosec // 1 to 4
}

// partnerHop says how the next hop outside is named and proven.
func partnerHop(st *State, adm *admission) hop {
	p, remote, facts := adm.decision.Partner, adm.remote(), adm.question.Facts
	face := st.Faces[External].TLS
	ours := adm.local().Domain
	h := hop{tls: face, state: st, ours: ours, serverName: ServerName(p, remote), ping: p.Ping}
	h.key = linkKey{side: External, ours: st.keyFingerprint(External, ours), hop: "domain:" + remote.String() + "/" + p.Anchor}
	switch p.Kind {
	case policy.Direct:
		h.key.hop = "proxy:" + p.Proxy.String() + "/" + p.Anchor
	case policy.HostingProvider, policy.PublicProvider:
		h.key.hop = "provider:" + p.Name + "/" + p.Proxy.String() + "/" + p.Anchor
	default:
	}
	h.proven = func(id tlsid.Identity) bool {
		f := facts // dials run at the same time
		f.Names, f.Anchors = id.Names, id.Anchors
		return st.Policy.Covers(p, remote, f)
	}
	return h
}

// ServerName is what a partner's server is asked for by SNI: its pinned name, or else
// the domain.
func ServerName(p *policy.Partner, remote domain.Name) domain.Name {
	if !p.Proxy.IsZero() {
		return p.Proxy
	}
	return remote
}

// Targets lists where a partner may be reached, host:port, best first: at its proxy, or
// where those targets of its SRV answer lead that count.
func Targets(p *policy.Partner, remote domain.Name, answer discovery.Answer) []string {
	switch p.Kind {
	case policy.Direct:
		return []string{targetName(p.Proxy, orDefault(p.Port))}
	case policy.HostingProvider, policy.PublicProvider:
		if p.Port != 0 && len(answer.Targets) == 0 { // for users of ours: no record leads there
			return []string{targetName(p.Proxy, p.Port)}
		}
		return srvTargets(answer.Only(p.Proxy))
	default:
		return srvTargets(answer.DirectlyIn(remote))
	}
}

func srvTargets(a discovery.Answer) []string {
	ordered := a.Ordered(rand.IntN)
	targets := make([]string, len(ordered))
	for i, t := range ordered {
		targets[i] = targetName(t.Host, t.Port)
	}
	return targets
}

// explicitTarget is the next hop that the inside names: the Route that follows
// ours, or inside a dialog the Request-URI (RFC 3261 §16.6 step 6). A Request-URI
// that is the partner's domain itself goes by federation routing.
func explicitTarget(adm *admission) (string, bool) {
	uri := adm.to.uri
	switch {
	case adm.next.text != nil:
		uri = adm.next.uri
	case !adm.dialog:
		return "", false
	}
	if d, err := hostDomain(uri); err == nil && d == adm.remote() {
		return "", false
	}
	return net.JoinHostPort(string(uri.Host), strconv.Itoa(int(orDefault(uri.Port)))), true
}

func orDefault(port uint16) uint16 {
	if port == 0 {
		return defaultPort
	}
	return port
}
