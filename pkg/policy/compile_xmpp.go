package policy

import (
	"fmt"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

func (c *compiler) xmpp() {
	c.xmppDefault()
	for i := range c.src.XMPPPartners {
		x := &c.src.XMPPPartners[i]
		at := func(field string) string { return fmt.Sprintf("xmpp_partners[%d].%s", i, field) }
		p := c.xmppPartner(x)
		c.xmppDomain(at("domain"), x.Domain, p)
		for k, d := range x.AdditionalDomains {
			c.xmppDomain(at(fmt.Sprintf("additional_domains[%d]", k)), d, p)
		}
		c.xmppProxy(x, p, at)
		c.negotiation(p.XMPP, at)
		c.doubts(p.XMPP, x.Dialback, at)
		c.standIns(x.XMPPSettings, p, at)
		c.set.partners = append(c.set.partners, p)
	}
}

// xmppPartner has an anchor of its own kind, so that one domain's roots for SIP
// and for XMPP stay apart.
func (c *compiler) xmppPartner(x *XMPPPartner) *Partner {
	name := x.Domain.String()
	settings := x.withDefaults(Required).withProofs(&c.src.Federation, len(x.Roots) > 0)
	return &Partner{
		Kind: XMPPListed, Name: name, Proxy: x.Proxy, Port: x.Port, XMPP: settings,
		Anchor: c.anchor("xmpp:"+name, x.Roots),
		Rule:   verdict.Rule("xmpp_partners: " + name),
	}
}

func (c *compiler) xmppDefault() {
	at := func(field string) string { return "xmpp_default." + field }
	settings := c.src.XMPPDefault.withDefaults(Optional).withProofs(&c.src.Federation, false)
	c.set.xmppDefault = &Partner{
		Kind: XMPPDefault, Name: XMPPDefault.String(), XMPP: settings, Rule: ruleXMPPDiscovery,
	}
	c.negotiation(settings, at)
	if c.set.xmppDiscovery {
		c.doubts(settings, settings.Dialback, at)
		c.standIns(c.src.XMPPDefault, c.set.xmppDefault, at)
	}
}

func (c *compiler) xmppDomain(path string, d domain.Name, p *Partner) {
	if d.IsZero() {
		c.problem(path, "the domain is missing; write the partner's XMPP domain, such as jabber.example")
		return
	}
	c.foreign(path, d)
	c.notBlocked(path, d)
	e := c.at(d)
	switch {
	case e.xmpp == p:
		c.problem(path, "%s is listed twice in this entry; write it once", d)
	case e.xmpp != nil:
		c.problem(path, "%s belongs to the XMPP partner %s already; keep it in one entry", d, e.xmpp.Name)
	}
	e.xmpp = p
}

func (c *compiler) xmppProxy(x *XMPPPartner, p *Partner, at func(string) string) {
	switch {
	case x.Proxy.IsZero() && x.Port != 0:
		c.problem(at("port"), "a port without a proxy has no effect, because SRV records say the port; write the proxy too, or remove the port")
	case x.Proxy.IsZero():
	case c.set.homes[x.Proxy] != nil:
		c.problem(at("proxy"), "%s is one of our own domains; write the partner's host name", x.Proxy)
	default:
		orElse(&p.Port, xmppPort)
	}
}

// negotiation checks how streams are to be secured: SASL needs TLS, and SASL or
// dialback must be possible.
func (c *compiler) negotiation(x XMPPSettings, at func(string) string) {
	if x.ConnectionLimit < 0 {
		c.problem(at("connection_limit"), "%d is below 0; write how many streams the partner may have, such as 20", x.ConnectionLimit)
	}
	if why := contradiction(x); why != "" {
		c.problem(at("sasl"), "%s", why)
	}
}

// doubts warns about a row under which streams differ from what it seems to say.
// That dialback is never used is worth a word only where somebody wrote it.
func (c *compiler) doubts(x XMPPSettings, written Switch, at func(string) string) {
	if contradiction(x) != "" {
		return
	}
	if x.TLS == Required && x.SASL == Required && written.On() {
		c.warn(at("dialback"), "with tls and sasl required, dialback is never used; write dialback: false to say so")
	}
	if why := doubt(x); why != "" {
		c.warn(at("tls"), "%s", why)
	}
}

// standIns warns about what was written of DANE and POSH if it has no effect, or
// more of it than people expect.
func (c *compiler) standIns(written XMPPSettings, p *Partner, at func(string) string) {
	for _, s := range []struct {
		field string
		Switch
	}{{"dane", written.DANE}, {"posh", written.POSH}} {
		switch {
		case !s.On() || contradiction(p.XMPP) != "":
		case !p.XMPP.Ways().Certificate:
			c.warn(at(s.field), "no certificate is asked for here, so that %s has no effect; write tls: required and sasl: required, or remove it", s.field)
		case p.Anchor != "":
			c.warn(at(s.field), "with %s, a certificate that none of the roots signed may prove the partner too; remove one of both", s.field)
		}
	}
}

// contradiction says why nobody could ever authenticate, or "".
func contradiction(x XMPPSettings) string {
	switch {
	case x.Ways() != Ways{}:
		return ""
	case x.TLS == NotSupported:
		return "without TLS there is no SASL EXTERNAL, and dialback is off: nobody could authenticate; write tls: required, or dialback: true"
	case x.SASL == NotSupported:
		return "both SASL and dialback are off: nobody could authenticate; write sasl: required, or dialback: true"
	}
	return ""
}

// doubt says what is surprising about a row that works, or "".
func doubt(x XMPPSettings) string {
	sasl, dialback := x.SASL != NotSupported, x.Dialback.On()
	switch {
	case x.TLS == NotSupported && sasl:
		return "SASL EXTERNAL needs TLS, which is not supported here: only dialback without encryption is left; write tls: required, or sasl: not_supported"
	case x.TLS == Optional && sasl && dialback:
		return "with tls optional, a stream may fall back to dialback without encryption; write tls: required"
	case x.TLS == Optional && sasl:
		return "SASL EXTERNAL needs TLS, so that tls: optional has no effect; write tls: required"
	}
	return ""
}
