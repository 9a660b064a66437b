package policy

import "edged/pkg/verdict"

// The rules of refusals that no listed entry is behind.
const (
	ruleOff           verdict.Rule = "federation.enabled: false"
	ruleDomains       verdict.Rule = "domains"
	ruleDiscovery     verdict.Rule = "federation.partner_discovery: true"
	ruleNoDiscovery   verdict.Rule = "federation.partner_discovery: false"
	ruleXMPPDiscovery verdict.Rule = "federation.xmpp_discovery: true"
	ruleNoXMPP        verdict.Rule = "federation.xmpp_discovery: false"
	ruleOneType       verdict.Rule = "federation.one_type_per_connection: true"
	ruleLimits        verdict.Rule = "federation.discovered"
)

// Decide answers whether one message may cross. It allocates nothing.
func (s *Set) Decide(q Question) Decision {
	j := judge{set: s, q: q}
	return j.run()
}

// DecideDomain is Decide without what belongs to the local user, the access
// policy and consent: may the two domains talk at all? Connections that are
// already open are judged by it again after a reload. Local may be zero if a
// connection carries messages for several of our domains.
func (s *Set) DecideDomain(q Question) Decision {
	j := judge{set: s, q: q, domainOnly: true}
	return j.run()
}

// judge is one question on its way through the checks.
type judge struct {
	set        *Set
	q          Question // by value: behind a pointer it would have to be on the heap
	domainOnly bool
	trace      *trace // nil unless somebody wants to know

	home     *home
	remote   finding
	partner  *Partner // who may be speaking, once known
	hosted   bool     // partner is a provider that speaks for users of ours
	decision Decision // the refusal, once there is one
}

// run puts the question to the checks in order. The first that fails wins.
func (j *judge) run() Decision {
	switch {
	case !j.switchedOn():
	case !j.localIsOurs():
	case !j.remoteMayExist():
	case !j.partnerKnown():
	case !j.identityFits():
	case !j.userMay():
	case !j.consentGiven():
	case !j.budgetLeft():
	default:
		j.decision = Decision{verdict.Verdict{Reason: verdict.Allowed, Rule: j.partner.Rule}, j.partner}
	}
	return j.decision
}

// refuse ends the question; it is false so that a check can return it.
func (j *judge) refuse(reason verdict.Reason, rule verdict.Rule, text string) bool {
	j.decision = Decision{verdict.Verdict{Reason: reason, Rule: rule}, j.partner}
	j.note(Failed, rule, text)
	return false
}

// pass ends a check; it is true so that the check can return it.
func (j *judge) pass(rule verdict.Rule, text string) bool {
	j.note(Passed, rule, text)
	return true
}

// 1. The organisation's switch binds both protocols and both directions.
func (j *judge) switchedOn() bool {
	if !j.set.enabled {
		return j.refuse(verdict.FederationOff, ruleOff, "federation is switched off for the organisation")
	}
	return j.pass("federation.enabled: true", "federation is switched on")
}

// 2. The local side is one of our domains, federated for the protocol.
func (j *judge) localIsOurs() bool {
	j.home = j.set.homes[j.q.Local.Domain]
	switch {
	case j.domainOnly && j.q.Local == (User{}):
		return true
	case j.home == nil:
		return j.refuse(verdict.NotOurs, ruleDomains, "{ours} is not one of our domains")
	case !j.home.speaks(j.q.Protocol):
		return j.refuse(verdict.NotOurs, j.home.rule, "{ours} is ours, but not federated for {protocol}")
	}
	return j.pass(j.home.rule, "{ours} is ours")
}

// 3. The remote domain is neither blocked nor ours. A block covers everything
// below it and beats every list.
func (j *judge) remoteMayExist() bool {
	j.remote = j.set.find(j.q.Remote)
	switch {
	case j.remote.blocked != "":
		return j.refuse(verdict.DomainBlocked, j.remote.blocked, "{remote} is blocked, by its own name or by a domain above it")
	case j.q.Remote.IsZero():
		return j.refuse(verdict.DomainUnlisted, "", "the remote side names no domain")
	case j.remote.ours():
		return j.colleagues(j.remote.exact.home)
	}
	return j.pass("blocked_domains", "neither {remote} nor a domain above it is blocked, and it is not ours")
}

// colleagues ends step 3 for a remote domain that is ours. Nobody outside speaks
// for it, except the provider that hosts some of its users.
func (j *judge) colleagues(home *home) bool {
	p, f := j.set.sharing, &j.q.Facts
	inward := j.q.Direction == Inward
	switch {
	case !inward && (p == nil || !home.sip || j.q.Protocol != SIP):
		return j.refuse(verdict.NotOurs, home.rule, "{remote} is one of our own domains and no partner")
	case p == nil || !home.sip || j.q.Protocol != SIP || inward && !p.proxyProven(f):
		return j.refuse(verdict.IdentityMismatch, home.rule, "{remote} is one of our own domains: nobody outside speaks for it")
	case !inward && f.Foreign != f.Passed:
		return j.refuse(verdict.CombinationRefused, p.shared, "a user of ours who has come in is not sent out again, and nobody else who has not")
	}
	j.hosted = true
	j.partner = &p.Partner
	return j.pass(p.shared, "{remote} is ours, and some of its users are hosted at {proxy}")
}

// 4. Some entry lists the domain: exactly, by the nearest wildcard, or by
// discovery. Without one a provider may still serve it; step 5 finds out.
func (j *judge) partnerKnown() bool {
	if j.q.Protocol == XMPP {
		return j.xmppKnown()
	}
	if j.hosted {
		return j.pass(j.partner.Rule, "the provider carries users of {remote}")
	}
	j.partner = j.remote.partner()
	switch {
	case j.partner != nil:
		return j.pass(j.partner.Rule, "{remote} is listed ({kind})")
	case j.set.discovery:
		j.partner = j.set.discovered
		return j.pass(ruleDiscovery, "{remote} is not listed, and discovery is on")
	case j.providerPossible():
		return j.pass(ruleNoDiscovery, "{remote} is not listed and discovery is off, but a provider may serve it")
	}
	return j.refuse(verdict.DomainUnlisted, ruleNoDiscovery, "{remote} is not listed, discovery is off, and no provider can serve it")
}

func (j *judge) xmppKnown() bool {
	switch {
	case j.remote.exact != nil && j.remote.exact.xmpp != nil:
		j.partner = j.remote.exact.xmpp
		return j.pass(j.partner.Rule, "{remote} is listed ({kind})")
	case j.set.xmppDiscovery:
		j.partner = j.set.xmppDefault
		return j.pass(ruleXMPPDiscovery, "{remote} is not listed, and XMPP federation is open")
	}
	return j.refuse(verdict.DomainUnlisted, ruleNoXMPP, "{remote} is not an XMPP partner, and XMPP federation is not open")
}

// providerPossible tells whether a provider may have a say about an unlisted
// domain. It is asked before any look-up: inward the peer must have a
// provider's name, outward only public providers serve unlisted domains.
func (j *judge) providerPossible() bool {
	if len(j.set.providers) == 0 {
		return false
	}
	if j.q.Direction == Outward {
		return j.set.publicEnabled || len(j.q.Facts.SRV) > 0
	}
	for _, n := range j.q.Facts.Names {
		if j.set.providers[n] != nil {
			return true
		}
	}
	return false
}

// 5. Inward the peer has proven the domain; outward the domain's SRV record
// leads to somebody who may answer for it.
func (j *judge) identityFits() bool {
	switch {
	case j.q.Protocol == XMPP:
		return j.xmppProven()
	case j.q.Facts.Anonymous && (j.partner == nil || !j.partner.Anonymous):
		return j.refuseAnonymous()
	case j.hosted:
		return j.speaks(j.partner.Rule, "the provider is proven by its proxy {proxy}, and reached there")
	case j.q.Direction == Outward:
		return j.routed()
	}
	return j.proven()
}

// refuseAnonymous ends the question of a sender who hides in From: before any
// look-up, because no answer to it could help.
func (j *judge) refuseAnonymous() bool {
	rule := ruleNoDiscovery
	if j.partner != nil {
		rule = j.partner.Rule
	}
	return j.refuse(verdict.SenderAnonymous, rule, "the sender hides in From, and no entry says anonymous: true for {remote}")
}

func (j *judge) xmppProven() bool {
	f := &j.q.Facts
	switch {
	case j.q.Direction == Outward:
		return j.pass(j.partner.Rule, "{remote} proves itself when the stream to it is opened")
	case j.partner.covers(j.q.Remote, f) == covered:
		return j.pass(j.partner.Rule, "the stream is authenticated for {remote}")
	case !f.Proven:
		return j.refuse(verdict.IdentityMismatch, j.partner.Rule, "the stream is not authenticated for {remote}")
	case !j.partner.XMPP.Accepts(f.Proof):
		return j.refuse(verdict.IdentityMismatch, j.partner.Rule, "the stream is authenticated for {remote} by {proof}, which its settings do not accept")
	}
	return j.refuse(verdict.IdentityMismatch, j.partner.Rule, "the certificate for {remote} is not signed under the roots that count for it")
}

// 6. The local user's access policy: the whole policy of the narrowest scope.
func (j *judge) userMay() bool {
	if j.domainOnly {
		return true
	}
	a := j.set.accessOf(j.q.Local, j.home)
	public := j.partner.Kind == PublicProvider
	switch {
	case !a.Federation:
		return j.refuse(verdict.UserNotFederated, a.noFederation, "{local} may not federate")
	case j.q.Protocol == XMPP && !a.XMPP:
		return j.refuse(verdict.UserNotXMPP, a.noXMPP, "{local} may not reach XMPP partners")
	case public && !a.Public:
		return j.refuse(verdict.UserNotPublic, a.noPublic, "{local} may not reach public providers")
	case public && j.q.Facts.Media && !a.PublicAV:
		return j.refuse(verdict.UserNotPublicAV, a.noPublicAV, "{local} may not use audio and video with public providers")
	}
	return j.pass(a.rule, "{local} may")
}

// 7. Users of a public_unverified XMPP partner are heard once the local user has
// written to them. What answers a stanza of ours was asked for, whoever sends it.
func (j *judge) consentGiven() bool {
	switch {
	case j.domainOnly:
		return true
	case j.partner.XMPP.Type != PublicUnverified || j.q.Direction == Outward:
		return j.pass(j.partner.Rule, "no consent is needed")
	case j.q.Facts.Answer:
		return j.pass(j.partner.Rule, "an answer to a stanza of ours needs no consent")
	case !j.q.Facts.Consent:
		return j.refuse(verdict.NoConsent, j.partner.Rule, "{local} has not written to this contact first")
	}
	return j.pass(j.partner.Rule, "{local} wrote first")
}

// 8. The partner's budget.
func (j *judge) budgetLeft() bool {
	if !j.q.Facts.Exhausted {
		return j.pass(j.partner.Rule, "the partner's budget is not used up")
	}
	rule := j.partner.Rule
	if j.partner.Kind == Discovered || j.partner.Kind == XMPPDefault {
		rule = ruleLimits
	}
	return j.refuse(verdict.BudgetExhausted, rule, "the partner's budget is used up")
}
