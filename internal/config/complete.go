package config

import "edged/pkg/domain"

// resolve makes every path in c relative to the process instead of to dir.
func (c *Config) resolve(dir string) {
	for i := range c.TLS.Certificates {
		c.TLS.Certificates[i].resolve(dir)
	}
	resolveAll(dir, c.TLS.Roots)
	resolveAll(dir, c.TLS.CRLs)
	c.SIP.Internal.Certificate.resolve(dir)
	for _, pools := range [][]Pool{c.SIP.Pools, c.XMPP.Pools} {
		for i := range pools {
			resolveAll(dir, pools[i].Roots)
		}
	}
	a := &c.XMPP.Internal.Authority
	for _, path := range []*string{&a.CACert, &a.CAKey, &c.SecretFile, &c.StateDir, &c.Admin.Socket, &c.Policy} {
		*path = within(dir, *path)
	}
	if c.Log.Audit != Stdout {
		c.Log.Audit = within(dir, c.Log.Audit)
	}
	c.SecretFile, a.CAKey = credential(c.SecretFile), credential(a.CAKey)
}

func (p *Pair) resolve(dir string) { p.Cert, p.Key = within(dir, p.Cert), within(dir, p.Key) }

// complete fills in the defaults that follow from other values.
func (c *Config) complete() {
	for i := range c.Domains {
		d := &c.Domains[i]
		if d.Protocols == nil {
			d.Protocols = []Protocol{SIPProtocol, XMPPProtocol}
		}
		d.SIP, d.XMPP = named(d.SIP, "sip", d.Name), named(d.XMPP, "xmpp", d.Name)
	}
	for i := range c.SIP.Pools {
		c.SIP.Pools[i].nameMembers()
	}
	// XMPP pools keep what is written: a server proves the very domain that it
	// speaks for (RFC 6120 §13.7.2), if no names are to stand for it.
}

// nameMembers lets the members' host names be what their certificates cover.
func (p *Pool) nameMembers() {
	if len(p.Names) > 0 {
		return
	}
	seen := make(map[domain.Name]bool)
	for _, m := range p.Members {
		if host, _, err := parseMember(m); err == nil && !host.IsZero() && !seen[host] {
			seen[host] = true
			p.Names = append(p.Names, host)
		}
	}
}

// named returns the host that a domain's records point to: what is written, else
// label.<d>, which is the zero Name only if that is too long.
func named(written domain.Name, label string, d domain.Name) domain.Name {
	if !written.IsZero() || d.IsZero() {
		return written
	}
	host, err := domain.Parse(label + "." + d.String())
	if err != nil {
		return domain.Name{}
	}
	return host
}
