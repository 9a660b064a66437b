package migrate

import "time"

// edgeKind is the organisation's switch and the limits of discovered partners.
func edgeKind() kind {
	return kind{
		command: "Get-CsAccessEdgeConfiguration",
		marks:   [][]string{{"AllowFederatedUsers"}},
		carry:   (*importer).edgeConfiguration,
		carried: []string{
			"Identity", "AllowFederatedUsers", "EnablePartnerDiscovery", "DiscoveredPartnerVerificationLevel",
			"EnableDiscoveredPartnerContactsLimit", "MaxContactsPerDiscoveredPartner", "DiscoveredPartnerStandardRate",
			"DiscoveredPartnerReportPeriodMinutes", "MarkSourceVerifiableOnOutgoingMessages", "UseDnsSrvRouting",
		},
		left: []property{
			{name: "RoutingMethod", quiet: "UseDnsSrvRouting", why: "all federation went to one server, DefaultRouteFqdn; here each partner is found by SRV, or listed with that server as its proxy"},
			{name: "UseDefaultRouting", quiet: "False", why: "see RoutingMethod"},
			{name: "DefaultRouteFqdn", quiet: "", why: "write it as proxy of each domain in allowed_domains that is to go there"},
			{name: "IsPublicProvider", quiet: "False", why: "is about the default route; list a provider of kind public instead"},
			{name: "VerificationLevel", quiet: "", why: "is about the default route; write verification for each entry"},
			{name: "BeClearingHouse", quiet: "False", why: "edged relays between partners and our own servers, never between partners"},
			{name: "EnableArchivingDisclaimer", quiet: "False", why: "edged does not know the header that was sent; write the line in federation.archiving_notice"},
			{name: "KeepCrlsUpToDateForPeers", quiet: "False", why: "edged fetches no revocation lists: name their files in tls.crls of edged.yaml, and let a timer renew them", wide: true},
			{name: "OutgoingTlsCountForFederatedPartners", quiet: "4", why: "write connections for the entries that need more than one"},
			{name: "AllowOutsideUsers", quiet: "False", why: "own users who sign in over the Internet do not come through edged: keep an edge for them"},
			{name: "AllowAnonymousUsers", quiet: "False", why: "guests of conferences do not come through edged: keep an edge for them"},
			{name: "MaxAcceptedCertificatesStored", quiet: "1000", why: "there is no such cache; limits of edged.yaml bounds what is remembered"},
			{name: "MaxRejectedCertificatesStored", quiet: "500", why: "there is no such cache; limits of edged.yaml bounds what is remembered"},
			{name: "CertificatesDeletedPercentage", quiet: "20", why: "there is no such cache; limits of edged.yaml bounds what is remembered"},
			{name: "DnsSrvCacheRecordCount", quiet: "", why: "is limits.dns_cache of edged.yaml"},
			{name: "EnableUserReplicator", quiet: "False", why: "is about the user store, which edged has nothing to do with"},
			{name: "SkypeSearchUrl", quiet: "", why: "is for clients"},
		},
	}
}

func (im *importer) edgeConfiguration(t *thing) {
	if im.edge {
		im.drop(t, "there is another one before it, and there is only one such object")
		return
	}
	im.edge = true
	f := &im.out.Federation
	im.flag(t, "AllowFederatedUsers", &f.Enabled)
	im.flag(t, "EnablePartnerDiscovery", &f.PartnerDiscovery)
	im.flag(t, "MarkSourceVerifiableOnOutgoingMessages", &f.MarkSourceVerifiable)
	word(im, t, "DiscoveredPartnerVerificationLevel", verifications(), &f.Discovered.Verification)
	im.discovered(t)
	im.carried(t)
}

// discovered reads the limits. What they cannot be here stays as it is.
func (im *importer) discovered(t *thing) {
	d := &im.out.Federation.Discovered
	limited := true
	if im.flag(t, "EnableDiscoveredPartnerContactsLimit", &limited); limited {
		im.count(t, "MaxContactsPerDiscoveredPartner", &d.Contacts)
	} else {
		d.Contacts = 0
	}
	rate, minutes := int(d.Rate), int(d.ReportPeriod/time.Minute)
	im.count(t, "DiscoveredPartnerStandardRate", &rate)
	im.count(t, "DiscoveredPartnerReportPeriodMinutes", &minutes)
	if rate == 0 {
		im.leave(t, "DiscoveredPartnerStandardRate", t.get("DiscoveredPartnerStandardRate"), "a rate is above 0; federation.partner_discovery: false keeps them all out")
	} else {
		d.Rate, d.SuspiciousRate, d.Total = float64(rate), min(d.SuspiciousRate, float64(rate)), max(d.Total, float64(rate))
	}
	const most = 365 * 24 * 60
	if minutes == 0 || minutes > most {
		im.leave(t, "DiscoveredPartnerReportPeriodMinutes", t.get("DiscoveredPartnerReportPeriodMinutes"), "a period is a minute to a year")
	} else {
		d.ReportPeriod = time.Duration(minutes) * time.Minute
	}
}
