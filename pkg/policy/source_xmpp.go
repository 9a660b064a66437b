package policy

import "edged/pkg/domain"

// XMPPSettings say how one XMPP partner is trusted and authenticated.
type XMPPSettings struct {
	// Type says what the partner's users may do without being asked. Default
	// public_unverified.
	Type PartnerType `yaml:"type"`
	// TLS is whether streams are encrypted. Default required.
	TLS Requirement `yaml:"tls"`
	// SASL is whether the partner proves itself by certificate (SASL EXTERNAL,
	// XEP-0178); needs TLS. What signs or vouches for the certificate is the
	// matter of roots, dane and posh; any of them satisfies `required`. Default
	// required; optional for xmpp_default.
	SASL Requirement `yaml:"sasl"`
	// Dialback is whether the partner may prove itself by Server Dialback
	// (XEP-0220). Default true.
	Dialback Switch `yaml:"dialback"`
	// DANE accepts a certificate that TLSA records under DNSSEC name (RFC 7673) in
	// place of one that an authority signed, for SASL and its `required` too.
	// Default: federation.dane, but false for an entry with roots.
	DANE Switch `yaml:"dane"`
	// POSH does the same for a certificate that the partner's web server names over
	// HTTPS (RFC 7711). Default: federation.posh, but false for an entry with roots.
	POSH Switch `yaml:"posh"`
	// Bidi lets one stream carry stanzas both ways (XEP-0288). Default false.
	Bidi Switch `yaml:"bidi"`
	// KeepAlive closes streams on which the partner stays silent. Default true.
	KeepAlive Switch `yaml:"keepalive"`
	// ConnectionLimit is how many streams the partner may have open at once,
	// over all its domains and both directions. Default 20.
	ConnectionLimit int `yaml:"connection_limit"`
}

// XMPPPartner lists one XMPP partner.
type XMPPPartner struct {
	// Domain is the partner's main domain, exactly.
	Domain domain.Name `yaml:"domain"`
	// AdditionalDomains are its other domains, such as its conference service.
	// Each has to be listed, subdomains too.
	AdditionalDomains []domain.Name `yaml:"additional_domains"`
	// Proxy is the host name to dial instead of what SRV says.
	Proxy domain.Name `yaml:"proxy"`
	// Port is where that host listens. Default 5269.
	Port uint16 `yaml:"port"`
	// Roots are as in allowed_domains.
	Roots []string `yaml:"roots"`
	// XMPPSettings stand in the entry itself.
	XMPPSettings `yaml:",inline"`
	// Description is for people.
	Description string `yaml:"description"`
}

// defaultConnectionLimit is in streams per XMPP partner.
const defaultConnectionLimit = 20

// withDefaults fills in what an entry leaves out, SASL apart from the rest
// because it differs between xmpp_default and xmpp_partners.
func (x XMPPSettings) withDefaults(sasl Requirement) XMPPSettings {
	orElse(&x.Type, PublicUnverified)
	orElse(&x.TLS, Required)
	orElse(&x.SASL, sasl)
	orElse(&x.Dialback, On)
	orElse(&x.Bidi, Off)
	orElse(&x.KeepAlive, On)
	orElse(&x.ConnectionLimit, defaultConnectionLimit)
	return x
}

// withProofs fills in whether DANE and POSH count. The organisation's word does
// not open an entry with roots of its own, which are to be the only proof: it has
// to say so itself.
func (x XMPPSettings) withProofs(f *Federation, ownRoots bool) XMPPSettings {
	orElse(&x.DANE, switched(f.DANE && !ownRoots))
	orElse(&x.POSH, switched(f.POSH && !ownRoots))
	return x
}
