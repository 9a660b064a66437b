package daemon

import (
	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/domain"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/sipfed"
	"edged/pkg/xmpp"
)

// connections lists what is open, of both protocols.
func (d *Daemon) connections() []admin.Connection {
	all := []admin.Connection{}
	if d.current.Load() == nil { // the servers are set before current
		return all
	}
	if d.server != nil {
		for _, c := range d.server.Connections() {
			all = append(all, sipConnection(&c))
		}
	}
	if d.xmpp.server != nil {
		for _, c := range d.xmpp.server.Connections() {
			all = append(all, xmppConnection(&c))
		}
	}
	return all
}

func sipConnection(c *sipfed.Connection) admin.Connection {
	out := admin.Connection{
		Proto: policy.SIP.String(), ID: c.ID, Side: c.Side, Dialled: c.Dialled, Peer: c.Peer, Member: c.Member, TLS: c.TLS,
		Names: texts(c.Identity.Names), Roots: rootNames(c.Identity.Anchors), Talks: []admin.Talk{}, LastUsed: c.LastUsed,
	}
	if c.Identity.Leaf != nil {
		out.NotAfter = c.Identity.Leaf.NotAfter
	}
	for _, d := range c.Domains {
		out.Talks = append(out.Talks, admin.Talk{Theirs: d.String(), Proof: policy.ByCertificate.String()})
	}
	return out
}

func xmppConnection(c *xmpp.Connection) admin.Connection {
	out := admin.Connection{
		Proto: policy.XMPP.String(), ID: c.ID, Side: c.Side, Dialled: c.Dialled, Peer: c.Peer, Member: c.Member, TLS: c.TLS,
		Names: c.Cert, Roots: rootNames(c.Anchors), NotAfter: c.Expires, Talks: []admin.Talk{}, Acks: c.Acks, LastUsed: c.LastUsed,
	}
	for _, p := range c.Pairs {
		proof := p.Proof
		if proof == "pkix" { // as policy.yaml and the log of a stream have it
			proof = policy.ByCertificate.String()
		}
		out.Talks = append(out.Talks, admin.Talk{Ours: p.Ours, Theirs: p.Theirs, Proof: proof})
	}
	return out
}

// rootNames names root sets as the configuration does.
func rootNames(anchors []string) []string {
	out := make([]string, len(anchors))
	for i, a := range anchors {
		if out[i] = a; a == "" {
			out[i] = "tls.roots"
		}
	}
	return out
}

func texts(names []domain.Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return out
}

// pools lists our pools and the health of their members, those of SIP first.
func (d *Daemon) pools() []admin.Pool {
	all := []admin.Pool{}
	b := d.current.Load()
	if b == nil {
		return all
	}
	for i, p := range b.pools {
		all = append(all, poolStatus(policy.SIP, &b.loaded.Config.SIP.Pools[i], p.Members))
	}
	for i, p := range b.xmppPools {
		all = append(all, poolStatus(policy.XMPP, &b.loaded.Config.XMPP.Pools[i], p.Members))
	}
	return all
}

func poolStatus(proto policy.Protocol, p *config.Pool, members *nexthop.Pool) admin.Pool {
	out := admin.Pool{Proto: proto.String(), Name: p.Name, Domains: texts(p.Domains), Members: []admin.Member{}}
	for _, s := range members.Status() {
		out.Members = append(out.Members, admin.Member{Name: s.Member, Up: s.Up, Since: s.Since, Failures: s.Failures, Drained: s.Drained})
	}
	return out
}
