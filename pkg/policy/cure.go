package policy

import (
	"fmt"
	"slices"
	"strings"

	"edged/pkg/verdict"
)

// Change is one edit of policy.yaml.
type Change struct {
	Path string // where, such as "allowed_domains"
	Text string // what to do there, for people
}

// maxChanges bounds the edits that Cure tries one after the other.
const maxChanges = 8

// Remedy is what would have to change for a question to be allowed.
type Remedy struct {
	Changes []Change // one for each refusal, in the order in which the checks meet them
	Set     *Set     // the policy with all of them
	// Decision is what they lead to. If it still refuses, the rest is not for
	// policy.yaml to change, or should not be: who proves what, consent, budgets.
	Decision Decision
}

// Cure looks for the edits of src under which q would be allowed, each as narrow as
// it can be. src has to compile; it is not changed.
func Cure(src Source, local []Local, q Question) Remedy { return cure(src, local, q, (*Set).Decide) }

// CureDomain is the same for the question of DecideDomain.
func CureDomain(src Source, local []Local, q Question) Remedy {
	return cure(src, local, q, (*Set).DecideDomain)
}

func cure(src Source, local []Local, q Question, decide func(*Set, Question) Decision) (r Remedy) {
	c := curer{src: src.copied(), q: q}
	for {
		set, problems := Compile(c.src, local)
		if len(problems) > 0 { // the last edit contradicts something
			return r
		}
		r = Remedy{Changes: slices.Clone(c.changes), Set: set, Decision: decide(set, q)}
		if r.Decision.Allow() || len(c.changes) == maxChanges || !c.edit(set, r.Decision) {
			return r
		}
	}
}

// copied lets every list of the result be edited without touching src.
func (src Source) copied() Source {
	src.AllowedDomains = slices.Clone(src.AllowedDomains)
	src.BlockedDomains = slices.Clone(src.BlockedDomains)
	src.Providers = slices.Clone(src.Providers)
	src.XMPPPartners = slices.Clone(src.XMPPPartners)
	src.AccessPolicies.Sites = slices.Clone(src.AccessPolicies.Sites)
	src.AccessPolicies.Users = slices.Clone(src.AccessPolicies.Users)
	return src
}

// curer edits a policy until a question is allowed.
type curer struct {
	src     Source
	q       Question
	changes []Change
}

// change notes an edit that has been made; it is true so that an edit can return it.
func (c *curer) change(path, format string, args ...any) bool {
	c.changes = append(c.changes, Change{Path: path, Text: fmt.Sprintf(format, args...)})
	return true
}

// edit takes the reason of a refusal away; false if that is not for the policy.
func (c *curer) edit(set *Set, d Decision) bool {
	switch d.Reason {
	case verdict.FederationOff:
		c.src.Federation.Enabled = true
		return c.change("federation.enabled", "set it to true")
	case verdict.DomainBlocked:
		return c.unblock(d.Rule)
	case verdict.DomainUnlisted, verdict.ProviderUnlisted:
		return c.list()
	case verdict.ProviderDisabled:
		return c.enable(d.Partner.Name)
	case verdict.TargetOutsideDomain:
		return c.pin()
	case verdict.SenderAnonymous:
		return c.letHide()
	case verdict.IdentityMismatch:
		return c.accept(d.Partner)
	case verdict.UserNotFederated, verdict.UserNotXMPP, verdict.UserNotPublic, verdict.UserNotPublicAV:
		return c.permit(set, d.Partner)
	default:
		return false
	}
}

func (c *curer) unblock(rule verdict.Rule) bool {
	blocked := strings.TrimPrefix(string(rule), "blocked_domains: ")
	c.src.BlockedDomains = slices.DeleteFunc(c.src.BlockedDomains, func(b BlockedDomain) bool { return b.Domain.String() == blocked })
	if blocked == c.q.Remote.String() {
		return c.change("blocked_domains", "remove %s", blocked)
	}
	return c.change("blocked_domains", "remove %s, which covers %s, and list what else shall stay blocked", blocked, c.q.Remote)
}

// list adds the domain to the partners of its protocol.
func (c *curer) list() bool {
	switch {
	case c.q.Remote.IsZero():
		return false
	case c.q.Protocol == XMPP:
		c.src.XMPPPartners = append(c.src.XMPPPartners, XMPPPartner{Domain: c.q.Remote})
		return c.change("xmpp_partners", "add {domain: %s}", c.q.Remote)
	}
	c.src.AllowedDomains = append(c.src.AllowedDomains, AllowedDomain{Domain: Pattern{Name: c.q.Remote}})
	return c.change("allowed_domains", "add {domain: %s}", c.q.Remote)
}

// allowed returns the exact entry of the domain, nil if there is none.
func (c *curer) allowed() *AllowedDomain {
	i := slices.IndexFunc(c.src.AllowedDomains, func(a AllowedDomain) bool {
		return a.Domain == Pattern{Name: c.q.Remote}
	})
	if i < 0 {
		return nil
	}
	return &c.src.AllowedDomains[i]
}

func (c *curer) enable(provider string) bool {
	for i := range c.src.Providers {
		if c.src.Providers[i].Name == provider {
			c.src.Providers[i].Enabled = true
			return c.change("providers: "+provider, "set enabled: true")
		}
	}
	return false
}

// pin makes a direct partner of a domain whose SRV targets lie elsewhere. Whether
// they are the partner's is for people to find out.
func (c *curer) pin() bool {
	if len(c.q.Facts.SRV) == 0 {
		return false
	}
	proxy := c.q.Facts.SRV[0]
	const ask = "; first let the partner confirm that this is its edge"
	if a := c.allowed(); a != nil {
		a.Proxy = proxy
		return c.change("allowed_domains: "+c.q.Remote.String(), "add proxy: %s%s", proxy, ask)
	}
	c.src.AllowedDomains = append(c.src.AllowedDomains, AllowedDomain{Domain: Pattern{Name: c.q.Remote}, Proxy: proxy})
	return c.change("allowed_domains", "add {domain: %s, proxy: %s}%s", c.q.Remote, proxy, ask)
}

func (c *curer) letHide() bool {
	if c.allowed() == nil {
		return c.list()
	}
	c.allowed().Anonymous = true
	return c.change("allowed_domains: "+c.q.Remote.String(), "add anonymous: true, if its senders may hide")
}

// accept lets an XMPP partner prove itself as it has done. For SIP there is nothing to
// be loosened: another name in the entry would let somebody else speak for the domain.
func (c *curer) accept(p *Partner) bool {
	f := &c.q.Facts
	if c.q.Protocol != XMPP || p == nil || !f.Proven || p.XMPP.Accepts(f.Proof) {
		return false
	}
	path, x := "xmpp_default", &c.src.XMPPDefault
	for i := range c.src.XMPPPartners {
		if e := &c.src.XMPPPartners[i]; e.Domain == c.q.Remote || slices.Contains(e.AdditionalDomains, c.q.Remote) {
			path, x = "xmpp_partners: "+e.Domain.String(), &e.XMPPSettings
		}
	}
	setting := x.loosen(p.XMPP, f.Proof)
	return c.change(path, "set %s, if %s is proof enough", setting, f.Proof)
}

// loosen makes the next of the edits by which settings accept a proof; now are the
// same settings with their defaults.
func (x *XMPPSettings) loosen(now XMPPSettings, p Proof) string {
	dialback := p == ByTLSDialback || p == ByTCPDialback
	switch {
	case dialback && !now.Dialback.On():
		x.Dialback = On
		return "dialback: true"
	case p == ByTCPDialback:
		x.TLS = Optional
		return "tls: optional"
	case now.TLS == NotSupported:
		x.TLS = Optional
		return "tls: optional"
	case p == ByTLSDialback, now.SASL == NotSupported:
		x.SASL = Optional
		return "sasl: optional"
	case p == ByDANE:
		x.DANE = On
		return "dane: true"
	}
	x.POSH = On
	return "posh: true"
}
