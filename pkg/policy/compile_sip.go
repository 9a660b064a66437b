package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// MinPing and MaxPing bound how often a connection is asked whether it is alive.
// An answer may take 10 s (RFC 5626 §4.4.1).
const (
	MinPing = 10 * time.Second
	MaxPing = time.Hour
)

// maxConnections is how many connections a partner's server gets at most: Lync's
// bound and default, while one is enough for most.
const maxConnections = 4

// Default ports, where a configured proxy names none.
const (
	sipPort  = 5061
	xmppPort = 5269
)

func (c *compiler) allowed() {
	for i := range c.src.AllowedDomains {
		a := &c.src.AllowedDomains[i]
		at := func(field string) string { return fmt.Sprintf("allowed_domains[%d].%s", i, field) }
		if a.Domain.Name.IsZero() {
			c.problem(at("domain"), "the domain is missing; write the partner's SIP domain, such as fabrikam.com")
			continue
		}
		c.allowedDomain(a, at)
		c.allowedProxy(a, at)
		c.ping(at("ping"), a.Ping)
		c.connections(at("connections"), a.Connections)
		p := c.allowedPartner(a)
		e := c.at(a.Domain.Name)
		if a.Domain.Below {
			e.below = p
			c.reachesBelow(a.Domain.Name)
		} else {
			e.listed = p
		}
		c.set.partners = append(c.set.partners, p)
	}
}

// allowedDomain checks the domain of an entry against the other lists. A wildcard
// above our own domains lists the others there: step 3 keeps ours apart.
func (c *compiler) allowedDomain(a *AllowedDomain, at func(string) string) {
	d := a.Domain
	e := c.at(d.Name)
	if d.Below && e.below != nil || !d.Below && e.listed != nil {
		c.problem(at("domain"), "%s is listed twice; keep one entry", d)
	}
	if !d.Below {
		c.foreign(at("domain"), d.Name)
	}
	c.notBlocked(at("domain"), d.Name)
}

func (c *compiler) allowedProxy(a *AllowedDomain, at func(string) string) {
	if a.Proxy.IsZero() {
		if a.Port != 0 {
			c.problem(at("port"), "a port without a proxy has no effect, because SRV records say the port; write the proxy too, or remove the port")
		}
		return
	}
	if a.SRV != 0 {
		c.problem(at("srv"), "a record has no effect beside a proxy, which is dialled without any; remove one of the two")
	}
	if a.Domain.Below {
		c.problem(at("proxy"), "the wildcard %s cannot have a proxy; list each domain that %s serves", a.Domain, a.Proxy)
	}
	if p := c.set.providers[a.Proxy]; p != nil {
		c.problem(at("proxy"), "%s is the proxy of provider %q, and cannot be a direct partner's too; remove the proxy here to reach %s through the provider, or remove the provider",
			a.Proxy, p.Name, a.Domain)
	}
	if c.set.homes[a.Proxy] != nil {
		c.problem(at("proxy"), "%s is one of our own domains; write the partner's host name", a.Proxy)
	}
}

func (c *compiler) allowedPartner(a *AllowedDomain) *Partner {
	name := a.Domain.String()
	p := &Partner{
		Kind: Allowed, Name: name, Proxy: a.Proxy, Port: a.Port, Verification: a.Verification, Ping: a.Ping,
		Anchor: c.anchor(name, a.Roots),
		Rule:   verdict.Rule("allowed_domains: " + name),

		TrustAsserted: a.TrustAsserted, Anonymous: a.Anonymous,
	}
	orElse(&p.Verification, UseSource)
	p.Connections = max(a.Connections, 1)
	c.set.anonymous = c.set.anonymous || a.Anonymous
	if a.Proxy.IsZero() {
		p.Service = max(a.SRV, FederationTLS).String()
		return p
	}
	p.Kind = Direct
	if a.Anonymous {
		c.set.anonymousBehind[a.Proxy] = append(c.set.anonymousBehind[a.Proxy], a.Domain.Name)
	}
	orElse(&p.Port, sipPort)
	if known := c.set.proxies[a.Proxy]; !slices.Contains(known, p.Anchor) {
		c.set.proxies[a.Proxy] = append(known, p.Anchor)
	}
	return p
}

func (c *compiler) providers() {
	seen := make(map[string]bool, len(c.src.Providers))
	for i := range c.src.Providers {
		p := &c.src.Providers[i]
		at := func(field string) string { return fmt.Sprintf("providers[%d].%s", i, field) }
		c.name(at("name"), p.Name, seen)
		c.providerKind(p, at)
		c.providerProxy(p, at)
		c.ping(at("ping"), p.Ping)
		c.connections(at("connections"), p.Connections)
		compiled := c.provider(p, i)
		if !p.Proxy.IsZero() {
			c.set.providers[p.Proxy] = compiled
		}
		c.set.partners = append(c.set.partners, &compiled.Partner)
	}
}

// ping checks how often connections to a partner are asked whether they are alive.
func (c *compiler) ping(path string, every time.Duration) {
	if every != 0 && (every < MinPing || every > MaxPing) {
		c.problem(path, "%v is not in 10s..1h; write after how much silence to ask, such as 2m, or remove the line for a partner that answers no pings", every)
	}
}

// connections checks how many connections a partner's server gets; 0 is not said.
func (c *compiler) connections(path string, n int) {
	if n < 0 || n > maxConnections {
		c.problem(path, "%d is not in 1..%d; write how many connections to each of the partner's servers carry our requests", n, maxConnections)
	}
}

// name checks a name that people give to something: there, unique, printable.
func (c *compiler) name(path, name string, seen map[string]bool) {
	key := strings.ToLower(name)
	switch {
	case name == "":
		c.problem(path, "the name is missing; write a short one, it appears in logs and refusals")
	case name != strings.TrimSpace(name) || strings.ContainsFunc(name, unicode.IsControl):
		c.problem(path, "%q has spaces at its ends or control characters; write a plain name", name)
	case seen[key]:
		c.problem(path, "the name %q is taken by an entry above; write another one (case does not count)", name)
	}
	seen[key] = true
}

func (c *compiler) providerKind(p *Provider, at func(string) string) {
	switch {
	case p.Kind == 0:
		c.problem(at("kind"), "the kind is missing; write hosting (organisations, whose domains are listed) or public (anybody)")
	case p.Kind == Public && p.SharedAddressSpace:
		c.problem(at("shared_address_space"), "a public provider cannot share our address space; write kind: hosting, or remove this line")
	case p.SharedAddressSpace && p.Enabled && c.set.sharing != nil:
		c.problem(at("shared_address_space"), "provider %q shares our address space already, and no address says at which of two a user is; keep one", c.set.sharing.Name)
	case p.Port != 0 && !p.SharedAddressSpace:
		c.problem(at("port"), "a port has no effect without shared_address_space, because the SRV records of the provider's customers say it; remove this line")
	}
}

func (c *compiler) providerProxy(p *Provider, at func(string) string) {
	if p.Proxy.IsZero() {
		c.problem(at("proxy"), "the proxy is missing; write the host name that the SRV records of the provider's customers hold")
		return
	}
	if other := c.set.providers[p.Proxy]; other != nil {
		c.problem(at("proxy"), "%s is the proxy of provider %q already; write each proxy once", p.Proxy, other.Name)
	}
	if c.set.homes[p.Proxy] != nil {
		c.problem(at("proxy"), "%s is one of our own domains; write the provider's host name", p.Proxy)
	}
}

func (c *compiler) provider(p *Provider, index int) *provider {
	kind := HostingProvider
	if p.Kind == Public {
		kind = PublicProvider
		c.set.publicEnabled = c.set.publicEnabled || p.Enabled
	}
	rule := verdict.Rule("providers: " + p.Name)
	compiled := &provider{
		Partner: Partner{
			Kind: kind, Name: p.Name, Proxy: p.Proxy, Verification: p.Verification, Ping: p.Ping,
			Anchor: c.anchor("provider:"+p.Name, p.Roots), Rule: rule,
			TrustAsserted: p.TrustAsserted,
		},
		index: index, enabled: p.Enabled,
		disabled: rule + ": enabled: false",
		shared:   rule + ": shared_address_space: true",
	}
	if p.SharedAddressSpace {
		compiled.Port = p.Port
		orElse(&compiled.Port, sipPort)
	}
	if p.SharedAddressSpace && p.Enabled {
		c.set.sharing = compiled
	}
	orElse(&compiled.Verification, AlwaysVerifiable)
	compiled.Connections = max(p.Connections, 1)
	return compiled
}

// foreign reports a partner's domain that is one of ours.
func (c *compiler) foreign(path string, d domain.Name) {
	if c.set.homes[d] != nil {
		c.problem(path, "%s is one of our own domains, and users inside need no federation; remove it here", d)
	}
}
