package migrate

import (
	"strings"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

func xmppKind() kind {
	return kind{
		command: "Get-CsXmppAllowedPartner",
		marks:   [][]string{{"TlsNegotiation", "SaslNegotiation", "PartnerType"}},
		carry:   (*importer).xmppPartner,
		carried: []string{
			"Identity", "Domain", "AdditionalDomains", "PartnerType", "TlsNegotiation", "SaslNegotiation",
			"SupportDialbackNegotiation", "EnableKeepAlive", "ConnectionLimit", "ProxyFqdn", "Description",
		},
	}
}

func (im *importer) xmppPartner(t *thing) {
	d, err := domainOf(t)
	if err != nil {
		im.drop(t, "%v", err)
		return
	}
	p := policy.XMPPPartner{Domain: d, XMPPSettings: im.negotiation(t), Description: t.get("Description").text}
	if p.Ways() == (policy.Ways{}) {
		im.drop(t, "under tls: %s, sasl: %s and dialback: %s nobody can authenticate", p.TLS, p.SASL, p.Dialback)
		return
	}
	if why := im.partnerDomain(d, im.xmpp); why != "" {
		im.drop(t, "%s", why)
		return
	}
	p.AdditionalDomains = im.additional(t)
	if proxy, ok := im.host(t, "ProxyFqdn"); ok {
		if _, ours := im.ours[proxy]; ours {
			im.leave(t, "ProxyFqdn", t.get("ProxyFqdn"), "it is one of our own domains; the partner is found by SRV")
		} else {
			p.Proxy = proxy
		}
	}
	im.out.XMPPPartners = append(im.out.XMPPPartners, p)
	im.carried(t)
}

// negotiation reads how the partner proves itself, and what its users may do. What
// is not there is as New-CsXmppAllowedPartner makes it.
func (im *importer) negotiation(t *thing) policy.XMPPSettings {
	x := policy.XMPPSettings{Type: policy.PublicUnverified, TLS: policy.Required, SASL: policy.Required}
	word(im, t, "PartnerType", map[string]policy.PartnerType{
		"federated": policy.Federated, "publicverified": policy.PublicVerified, "publicunverified": policy.PublicUnverified,
	}, &x.Type)
	needs := map[string]policy.Requirement{
		"required": policy.Required, "optional": policy.Optional, "notsupported": policy.NotSupported,
	}
	word(im, t, "TlsNegotiation", needs, &x.TLS)
	word(im, t, "SaslNegotiation", needs, &x.SASL)
	dialback, alive := true, true
	im.flag(t, "SupportDialbackNegotiation", &dialback)
	im.flag(t, "EnableKeepAlive", &alive)
	x.Dialback, x.KeepAlive = position(dialback), position(alive)
	if dialback && x.TLS == policy.Required && x.SASL == policy.Required {
		x.Dialback = 0 // switched on and never used: the default says the same, without a warning
	}
	im.count(t, "ConnectionLimit", &x.ConnectionLimit)
	return x
}

func position(on bool) policy.Switch {
	if on {
		return policy.On
	}
	return policy.Off
}

// additional reads the partner's other domains.
func (im *importer) additional(t *thing) []domain.Name {
	const setting = "AdditionalDomains"
	v := t.get(setting)
	if v.opaque {
		im.leave(t, setting, v, "Export-Csv writes no lists: export the partners with ConvertTo-Json, or add the domains to additional_domains")
		return nil
	}
	words := v.list
	if v.text != "" {
		words = strings.FieldsFunc(v.text, func(r rune) bool { return strings.ContainsRune(", ;{}", r) })
	}
	var all []domain.Name
	for _, w := range words {
		d, err := domain.Parse(strings.TrimSuffix(w, "."))
		if err != nil {
			im.leave(t, setting, value{text: w}, err.Error())
			continue
		}
		if why := im.partnerDomain(d, im.xmpp); why != "" {
			im.leave(t, setting, value{text: w}, "left out: "+why)
			continue
		}
		all = append(all, d)
	}
	return all
}
