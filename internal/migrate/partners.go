package migrate

import (
	"cmp"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

func blockedKind() kind {
	return kind{
		command: "Get-CsBlockedDomain",
		marks:   [][]string{{"Domain"}, {"Comment"}},
		lacks:   []string{"ProxyFqdn", "MarkForMonitoring", "TlsNegotiation"},
		carry:   (*importer).blockedDomain,
		carried: []string{"Identity", "Domain", "Comment"},
	}
}

func (im *importer) blockedDomain(t *thing) {
	d, err := domainOf(t)
	switch {
	case err != nil:
		im.widen(t, "", value{}, err.Error())
	case im.isOurs(d):
		im.drop(t, "it is one of our own domains, or above one: block the domains that are meant one by one")
	case im.blocked[d]:
		im.drop(t, "it is listed already")
	default:
		im.blocked[d] = true
		im.out.BlockedDomains = append(im.out.BlockedDomains, policy.BlockedDomain{Domain: d, Comment: t.get("Comment").text})
		im.carried(t)
	}
}

// domainOf reads what a domain is called: both properties are the same.
func domainOf(t *thing) (domain.Name, error) {
	return domain.Parse(strings.TrimSuffix(cmp.Or(t.get("Domain").text, t.get("Identity").text), "."))
}

// isOurs tells whether a domain is one of ours, or above one of ours.
func (im *importer) isOurs(d domain.Name) bool {
	for own := range im.ours {
		if own == d || own.Under(d) {
			return true
		}
	}
	return false
}

// blocker returns the blocked domain that covers d.
func (im *importer) blocker(d domain.Name) (domain.Name, bool) {
	for up, ok := d, true; ok; up, ok = up.Parent() {
		if im.blocked[up] {
			return up, true
		}
	}
	return domain.Name{}, false
}

// partnerDomain tells whether a partner may have the domain, among those that are
// listed for its protocol; if not, it says why.
func (im *importer) partnerDomain(d domain.Name, listed map[domain.Name]bool) (why string) {
	_, ours := im.ours[d]
	block, blocked := im.blocker(d)
	switch {
	case ours:
		return "it is one of our own domains"
	case blocked && block == d:
		return "it is blocked too, and a block beats every list"
	case blocked:
		return "it lies below " + block.String() + ", which is blocked with everything below it"
	case listed[d]:
		return "it is listed already"
	}
	listed[d] = true
	return ""
}

func allowedKind() kind {
	return kind{
		command: "Get-CsAllowedDomain",
		marks:   [][]string{{"Domain"}, {"ProxyFqdn", "MarkForMonitoring"}},
		lacks:   []string{"TlsNegotiation", "SaslNegotiation", "PartnerType"},
		carry:   (*importer).allowedDomain,
		carried: []string{"Identity", "Domain", "ProxyFqdn", "VerificationLevel", "Comment"},
		left: []property{
			{name: "MarkForMonitoring", quiet: "False", why: "there is no monitoring server; the metrics count every listed partner"},
		},
	}
}

func (im *importer) allowedDomain(t *thing) {
	d, err := domainOf(t)
	if err != nil {
		im.drop(t, "%v", err)
		return
	}
	if why := im.partnerDomain(d, im.listed); why != "" {
		im.drop(t, "%s", why)
		return
	}
	a := policy.AllowedDomain{Domain: policy.Pattern{Name: d}, Comment: t.get("Comment").text}
	a.Proxy = im.proxyOf(t)
	word(im, t, "VerificationLevel", verifications(), &a.Verification)
	im.out.AllowedDomains = append(im.out.AllowedDomains, a)
	im.carried(t)
}

// proxyOf is the host that a domain is pinned to, unless that has no meaning here.
func (im *importer) proxyOf(t *thing) domain.Name {
	proxy, ok := im.host(t, "ProxyFqdn")
	_, ours := im.ours[proxy]
	provider := im.proxies[proxy]
	switch {
	case !ok:
	case ours:
		im.widen(t, "ProxyFqdn", t.get("ProxyFqdn"), "it is one of our own domains; the partner is found by SRV")
	case provider != "":
		im.leave(t, "ProxyFqdn", t.get("ProxyFqdn"), "it is the proxy of provider "+provider+", through which the domain is reached (Lync would not start: event 14517)")
	default:
		return proxy
	}
	return domain.Name{}
}

func hostingKind() kind {
	return kind{
		command: "Get-CsHostingProvider",
		marks:   [][]string{{"ProxyFqdn"}, {"HostsOCSUsers", "EnabledSharedAddressSpace", "IsLocal"}},
		carry:   func(im *importer, t *thing) { im.provider(t, policy.Hosting) },
		carried: []string{"Identity", "Name", "ProxyFqdn", "Enabled", "EnabledSharedAddressSpace", "VerificationLevel"},
		left: []property{
			{name: "HostsOCSUsers", quiet: "*"}, // what is hosted there, which only a shared address space asks for
			{name: "IsLocal", quiet: "False", why: "its proxy is one of our own servers: make it a pool of edged.yaml, if its users federate"},
			{name: "AutodiscoverUrl", quiet: "", why: "is for clients"},
			{name: "SipClientPort", quiet: "443", why: "is for clients"},
		},
	}
}

func publicKind() kind {
	return kind{
		command: "Get-CsPublicProvider",
		marks:   [][]string{{"ProxyFqdn"}, {"IconUrl", "NameDecorationDomain"}},
		lacks:   []string{"HostsOCSUsers"},
		carry:   func(im *importer, t *thing) { im.provider(t, policy.Public) },
		carried: []string{"Identity", "Name", "ProxyFqdn", "Enabled", "VerificationLevel"},
		left: []property{
			{name: "IconUrl", quiet: "*"}, // what clients show
			{name: "NameDecorationDomain", quiet: "", why: "edged does not rewrite addresses: users write the decorated name"},
			{name: "NameDecorationRoutingDomain", quiet: "", why: "edged does not rewrite addresses: users write the decorated name"},
			{name: "NameDecorationExcludedDomainList", quiet: "", why: "edged does not rewrite addresses: users write the decorated name"},
			{name: "EnableSkypeIdRouting", quiet: "False", why: "edged does not rewrite addresses: users write the decorated name"},
			{name: "EnableSkypeDirectorySearch", quiet: "False", why: "is for clients"},
		},
	}
}

func (im *importer) provider(t *thing, as policy.ProviderKind) {
	proxy, ok := im.host(t, "ProxyFqdn")
	_, ours := im.ours[proxy]
	if local, _ := t.get("IsLocal").boolean(); local {
		return // remainder says why
	}
	name := im.freeName(providerName(t))
	switch {
	case !ok:
		im.drop(t, "it names no proxy")
		return
	case ours:
		im.drop(t, "its proxy is one of our own domains")
		return
	case im.proxies[proxy] != "":
		im.drop(t, "%s is the proxy of provider %s already", proxy, im.proxies[proxy])
		return
	}
	im.proxies[proxy] = name
	p := policy.Provider{Name: name, Kind: as, Proxy: proxy}
	im.flag(t, "Enabled", &p.Enabled)
	if as == policy.Hosting {
		im.flag(t, "EnabledSharedAddressSpace", &p.SharedAddressSpace)
	}
	word(im, t, "VerificationLevel", verifications(), &p.Verification)
	im.out.Providers = append(im.out.Providers, p)
	im.carried(t)
}

func providerName(t *thing) string {
	if name := t.get("Name").text; name != "" {
		return oneLine(name)
	}
	return oneLine(t.name)
}

// freeName returns the name, or one with a number that no provider has yet.
func (im *importer) freeName(name string) string {
	taken := func(s string) bool {
		for i := range im.out.Providers {
			if strings.EqualFold(im.out.Providers[i].Name, s) {
				return true
			}
		}
		return false
	}
	return free(name, " ", taken)
}
