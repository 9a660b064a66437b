package config

import (
	"strings"
	"time"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

// sip checks SIP's two sides and its pools.
func (v *validator) sip() {
	s := &v.config.SIP
	used := len(s.Internal.Listen) > 0 || len(s.Pools) > 0
	if !s.Serves() && !used {
		v.required("sip.external.listen", v.config.XMPP.Serves(), "write where partners reach this edge, such as [\"203.0.113.10:5061\"]")
		return
	}
	v.required("sip.external.listen", s.Serves(), "write where partners reach this edge, such as [\"203.0.113.10:5061\"]")
	v.listens("sip.external.listen", s.External.Listen)
	v.dialFrom("sip.external.dial_from", s.External.DialFrom)
	v.required("sip.internal.listen", len(s.Internal.Listen) > 0, "write where our pools reach this edge, such as [\"10.0.0.5:5061\"]")
	v.listens("sip.internal.listen", s.Internal.Listen)
	v.required("sip.internal.fqdn", !s.Internal.FQDN.IsZero(), "write this edge's name inside, such as edge.corp.contoso.com")
	if s.Internal.Certificate == (Pair{}) {
		v.required("sip.internal.certificate", false, "write {cert: FILE, key: FILE} for "+orName(s.Internal.FQDN, "sip.internal.fqdn"))
	} else {
		v.pair("sip.internal.certificate", s.Internal.Certificate)
	}
	for i, r := range s.Internal.Realms {
		v.required(item("sip.internal.realms", i), strings.TrimSpace(r) != "", "write a realm as the challenges of our servers name it, or remove the entry")
	}
	p := poolCheck{validator: v, path: "sip.pools", protocol: SIPProtocol}
	p.all(s.Pools)
}

// xmpp checks XMPP's two sides and its pools.
func (v *validator) xmpp() {
	x := &v.config.XMPP
	if !x.Serves() && len(x.Internal.Listen) == 0 && len(x.Pools) == 0 {
		return
	}
	v.required("xmpp.external.listen", x.Serves(), "write where partners reach this edge, such as [\"203.0.113.10:5269\"]")
	v.listens("xmpp.external.listen", x.External.Listen)
	v.listens("xmpp.external.direct_tls", x.External.DirectTLS)
	v.dialFrom("xmpp.external.dial_from", x.External.DialFrom)
	v.required("xmpp.internal.listen", len(x.Internal.Listen) > 0, "write where our pools reach this edge, such as [\"10.0.0.5:5269\"]")
	v.listens("xmpp.internal.listen", x.Internal.Listen)
	v.authority(&x.Internal.Authority)
	v.insideDNS(&x.Internal.DNS)
	p := poolCheck{validator: v, path: "xmpp.pools", protocol: XMPPProtocol}
	p.all(x.Pools)
}

// authority checks how partner domains are proven to XMPP pools.
func (v *validator) authority(a *Authority) {
	if a.Mode != Mint {
		return
	}
	const path = "xmpp.internal.authority"
	v.required(path+".ca_cert", a.CACert != "", "write the certificate of a private authority that only the pool trusts, or mode: dialback")
	v.required(path+".ca_key", a.CAKey != "", "write its private key, or mode: dialback")
	const cure = "edged init --authority makes it, with the same domains"
	v.file(path+".ca_cert", a.CACert, cure)
	v.key(path+".ca_key", a.CAKey, cure)
	v.required(path+".sources", len(a.Sources) > 0, "write the networks that pools connect from, such as [10.0.0.0/24]")
}

// insideDNS checks the answerer, if there is one.
func (v *validator) insideDNS(d *InsideDNS) {
	const path = "xmpp.internal.dns"
	if d.Listen.IsZero() && len(d.Forward) == 0 && len(d.Clients) == 0 {
		return
	}
	v.required(path+".listen", !d.Listen.IsZero(), "write where pools ask, such as \"10.0.0.5:53\"")
	v.required(path+".forward", len(d.Forward) > 0, "write the name servers that everything else goes to, such as [\"10.0.0.1:53\"]")
	v.required(path+".clients", len(d.Clients) > 0, "write the networks that may ask, such as [10.0.0.0/24]")
	for i, s := range d.Forward {
		v.nameServer(item(path+".forward", i), s, "")
	}
}

// listens checks that the mapping form of a listener says where, and that not everybody
// is a balancer.
func (v *validator) listens(path string, all []Listen) {
	for i := range all {
		v.required(item(path, i)+".listen", !all[i].Address.IsZero(), "write address:port or fd:NAME")
		for k, n := range all[i].ProxyProtocol {
			if n.Bits() == 0 {
				v.bad(item(item(path, i)+".proxy_protocol", k), "%s is everybody, who could then announce whom he likes; write the networks of your load balancers", n)
			}
		}
	}
}

// listeners finds those that cannot be there at the same time.
func (v *validator) listeners() {
	var seen []namedAddress
	for _, l := range v.config.listeners() {
		for _, before := range seen {
			if before.overlaps(l.Address) {
				v.bad(l.path, "%s is taken by %s (%s); write another address or port", l.Address, before.path, before.Address)
				break
			}
		}
		seen = append(seen, l)
	}
}

// namedAddress is a listener with its path.
type namedAddress struct {
	path string
	Address
}

// listeners returns every place that is listened on, in the order of the file.
func (c *Config) listeners() []namedAddress {
	var all []namedAddress
	for _, group := range []struct {
		path string
		list []Listen
	}{
		{"sip.external.listen", c.SIP.External.Listen},
		{"sip.internal.listen", c.SIP.Internal.Listen},
		{"xmpp.external.listen", c.XMPP.External.Listen},
		{"xmpp.external.direct_tls", c.XMPP.External.DirectTLS},
		{"xmpp.internal.listen", c.XMPP.Internal.Listen},
	} {
		for i, l := range group.list {
			all = append(all, namedAddress{item(group.path, i), l.Address})
		}
	}
	all = append(all,
		namedAddress{"xmpp.internal.dns.listen", c.XMPP.Internal.DNS.Listen},
		namedAddress{"metrics.listen", c.Metrics.Listen},
		namedAddress{"admin.listen", c.Admin.Listen})
	return withoutZero(all)
}

func withoutZero(all []namedAddress) []namedAddress {
	kept := all[:0]
	for _, l := range all {
		if !l.IsZero() {
			kept = append(kept, l)
		}
	}
	return kept
}

// poolCheck checks the pools of one protocol.
type poolCheck struct {
	*validator
	path     string
	protocol Protocol
	ours     map[domain.Name]bool   // does the domain speak the protocol
	served   map[domain.Name]string // path of the pool that serves it
	named    map[string]string      // path of the pool of that name
}

func (p *poolCheck) all(pools []Pool) {
	p.ours, p.served, p.named = make(map[domain.Name]bool), make(map[domain.Name]string), make(map[string]string)
	for i := range p.config.Domains {
		d := &p.config.Domains[i]
		p.ours[d.Name] = d.Speaks(p.protocol)
	}
	p.required(p.path, len(pools) > 0, "write our own servers, such as {name: front, domains: [...], members: [...], roots: [...]}")
	for i := range pools {
		p.one(item(p.path, i), &pools[i])
	}
	for i := range p.config.Domains {
		d := &p.config.Domains[i]
		if p.served[d.Name] == "" && len(pools) > 0 && d.Speaks(p.protocol) && !d.Name.IsZero() {
			p.bad(item("domains", i), "no pool in %s serves %s; add it to the domains of one, or leave %s out of its protocols",
				p.path, d.Name, p.protocol)
		}
	}
}

func (p *poolCheck) one(path string, pool *Pool) {
	p.required(path+".name", pool.Name != "", "write a name for logs and metrics, such as front")
	if before := p.named[pool.Name]; before != "" && pool.Name != "" {
		p.bad(path+".name", "%s is called %q too; write another name", before, pool.Name)
	}
	p.named[pool.Name] = path
	p.required(path+".domains", len(pool.Domains) > 0, "write which of our domains it serves")
	for i, d := range pool.Domains {
		p.domain(item(path+".domains", i), path, d)
	}
	p.members(path, pool)
	p.roots(path+".roots", pool.Roots, "who signs the members' certificates: PEM files, or "+System)
	p.ping(path+".ping", pool.Ping)
}

// ping checks how often members are asked whether they are alive.
func (p *poolCheck) ping(path string, every time.Duration) {
	switch {
	case every == 0:
	case p.protocol == XMPPProtocol:
		p.bad(path, "pings are for SIP; an XMPP pool is asked by white space and stream management, remove the line")
	case every < policy.MinPing || every > policy.MaxPing:
		p.bad(path, "%s is not in 10s..1h; write after how much silence to ask, such as 2m", every)
	}
}

// domain checks one domain of a pool.
func (p *poolCheck) domain(path, pool string, d domain.Name) {
	speaks, ours := p.ours[d]
	before := p.served[d]
	switch {
	case d.IsZero(), !ours && p.unsure:
		// It could not be read, or ours could not; that has been said.
	case !ours:
		p.bad(path, "%s is none of our domains; add it to domains, or remove it here", d)
	case !speaks:
		p.bad(path, "%s does not speak %s; add it to the protocols of the domain, or remove it here", d, p.protocol)
	case before == pool:
		p.bad(path, "%s is written twice; keep one", d)
	case before != "":
		p.bad(path, "%s is served by %s already; leave it in one pool", d, before)
	}
	if before == "" {
		p.served[d] = pool
	}
}

// members checks who the members are, and what their certificates have to cover.
func (p *poolCheck) members(path string, pool *Pool) {
	const write = "write members: [\"host:port\"] or srv: _service._tcp.domain"
	p.required(path+".members", len(pool.Members) > 0 || pool.SRV != "", write)
	if len(pool.Members) > 0 && pool.SRV != "" {
		p.bad(path+".srv", "there are members too; keep one of both")
	}
	seen := make(map[string]bool)
	unnamed := ""
	for i, m := range pool.Members {
		_, addr, err := parseMember(m)
		switch {
		case err != nil:
			p.bad(item(path+".members", i), "%v", err)
		case seen[m]:
			p.bad(item(path+".members", i), "%s is written twice; keep one", m)
		case addr.IsValid():
			unnamed = m
		}
		seen[m] = true
	}
	if pool.SRV != "" {
		unnamed = pool.SRV
		p.srv(path+".srv", pool.SRV)
	}
	if unnamed != "" && p.protocol == SIPProtocol {
		p.required(path+".names", len(pool.Names) > 0, "write what the members' certificates cover, since "+unnamed+" does not tell")
	}
}

// srv checks a service name: RFC 2782, _service._proto.domain.
func (p *poolCheck) srv(path, name string) {
	labels := strings.SplitN(name, ".", 3)
	if len(labels) == 3 && len(labels[0]) > 1 && labels[0][0] == '_' && labels[1] == "_tcp" {
		if _, err := domain.Parse(labels[2]); err == nil {
			return
		}
	}
	p.bad(path, "%s is no service name; write one such as _sipinternaltls._tcp.contoso.com", clip(name))
}
