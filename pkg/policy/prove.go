package policy

import (
	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// proven is step 5 inward.
func (j *judge) proven() bool {
	entry := uncovered
	if j.partner != nil {
		entry = j.partner.covers(j.q.Remote, &j.q.Facts)
	}
	if entry == covered {
		return j.speaks(j.partner.Rule, "the certificate proves {remote}")
	}
	if j.partner != nil && j.partner.Kind == Direct {
		return j.refuse(verdict.IdentityMismatch, j.partner.Rule, "{remote} is direct: only its proxy {proxy}, signed under its roots, speaks for it")
	}
	c := j.claims(j.q.Facts.Names)
	c.undecided = c.undecided || entry == hangsOnSRV
	if c.any() {
		return j.byProvider(c)
	}
	if j.partner == nil {
		return j.refuse(verdict.DomainUnlisted, ruleNoDiscovery, "{remote} is not listed, and its SRV record does not name the provider that speaks for it")
	}
	if !j.partner.provenBy(&j.q.Facts) {
		return j.refuse(verdict.IdentityMismatch, j.partner.Rule, "the certificate is not signed under the roots that count for {remote}")
	}
	return j.refuse(verdict.IdentityMismatch, j.partner.Rule, "the certificate proves neither {remote} nor a current SRV target directly in it")
}

// speaks passes step 5, unless the connection has carried another kind of partner
// and is held to it.
func (j *judge) speaks(rule verdict.Rule, text string) bool {
	if before := j.q.Facts.Carried; j.set.oneType && before != nil && before.Kind != j.partner.Kind {
		return j.refuse(verdict.TypeMixed, ruleOneType, "{remote} is {kind}, and the connection has carried a partner of another kind ({carried}) before")
	}
	return j.pass(rule, text)
}

// routed is step 5 outward.
func (j *judge) routed() bool {
	p, f := j.partner, &j.q.Facts
	switch {
	case p != nil && p.Kind == Direct:
		return j.pass(p.Rule, "{remote} is reached through its proxy {proxy}")
	case !f.SRVKnown:
		return j.byProvider(claims{undecided: true})
	case p != nil && len(f.SRV) == 0:
		return j.pass(p.Rule, "{remote} has no SRV targets, which is for the sender to report")
	case p != nil && f.within(j.q.Remote):
		return j.pass(p.Rule, "an SRV target lies directly in {remote}")
	}
	if c := j.claims(f.SRV); c.any() {
		return j.byProvider(c)
	}
	if p == nil {
		return j.refuse(verdict.DomainUnlisted, ruleNoDiscovery, "{remote} is not listed, and its SRV record names no provider")
	}
	return j.refuse(verdict.TargetOutsideDomain, p.Rule, "no SRV target lies directly in {remote}, and none is a provider")
}

// claims are the providers that could speak for a domain, by what may come of it.
type claims struct {
	serving   *provider // its SRV record names the provider
	undecided bool      // the SRV record has to be known first
	disabled  *provider // as serving, but switched off
	unlisted  *provider // as serving, but the domain is not listed
}

func (c *claims) any() bool {
	return c.serving != nil || c.undecided || c.disabled != nil || c.unlisted != nil
}

// claims looks for providers among hosts: proven names inward, SRV targets
// outward. What could not be accepted anyway is not worth a look-up.
func (j *judge) claims(hosts []domain.Name) (c claims) {
	if len(j.set.providers) == 0 {
		return c
	}
	for _, host := range hosts {
		p := j.set.providers[host]
		if p == nil || j.q.Direction == Inward && !p.provenBy(&j.q.Facts) {
			continue
		}
		named := j.q.Facts.targets(host)
		switch {
		case named == uncovered:
		case !p.enabled:
			c.disabled = first(c.disabled, p)
		case p.Kind == HostingProvider && j.partner == nil:
			c.unlisted = first(c.unlisted, p)
		case named == hangsOnSRV:
			c.undecided = true
		default:
			c.serving = first(c.serving, p)
		}
	}
	return c
}

// first picks the provider that comes first in the file, so that the order of
// facts decides nothing.
func first(a, b *provider) *provider {
	if a == nil || b.index < a.index {
		return b
	}
	return a
}

// byProvider ends step 5 for a domain that its own entry does not prove.
func (j *judge) byProvider(c claims) bool {
	switch {
	case c.serving != nil:
		j.partner = &c.serving.Partner
		return j.speaks(j.partner.Rule, "the SRV record of {remote} names the provider's proxy {proxy}")
	case c.undecided:
		rule := ruleNoDiscovery
		if j.partner != nil {
			rule = j.partner.Rule
		}
		return j.refuse(verdict.NeedsDNS, rule, "the current SRV record of {remote} decides")
	case c.disabled != nil:
		j.partner = &c.disabled.Partner
		return j.refuse(verdict.ProviderDisabled, c.disabled.disabled, "the provider that serves {remote} is switched off")
	}
	j.partner = &c.unlisted.Partner
	return j.refuse(verdict.ProviderUnlisted, c.unlisted.Rule, "{remote} is a hosting provider's customer, but is not listed")
}
