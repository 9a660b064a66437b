package lab

// The lines of policy.yaml that decide in the lab, as the edge names them.
const (
	ruleFabrikam     = "allowed_domains: fabrikam.com"
	ruleLitware      = "allowed_domains: litware.com"
	ruleRelecloud    = "allowed_domains: relecloud.example"
	ruleDiscovery    = "federation.partner_discovery: true"
	ruleWingtip      = "providers: Wingtip"
	ruleShared       = "providers: Wingtip: shared_address_space: true"
	ruleMessenger    = "providers: Messenger"
	ruleOldMessenger = "providers: OldMessenger: enabled: false"
	ruleSpam         = "blocked_domains: spam.example"
	ruleInsideOnly   = "access_policies.users.inside-only: federation: false"
	ruleSales        = "access_policies.users.sales: public_av: false"
	ruleGlobal       = "access_policies.global: public: false"
	ruleUndiscovered = "federation.partner_discovery: false"
	ruleOurs         = "domains: contoso.com"
	ruleWoodgrove    = "xmpp_partners: woodgrove.example"
	ruleAdatum       = "xmpp_partners: adatum.example"
	ruleProseware    = "xmpp_partners: proseware.example"
	ruleJabber       = "xmpp_partners: jabber.example"
	ruleWithoutXMPP  = "access_policies.global: xmpp: false"
	ruleClosedXMPP   = "federation.xmpp_discovery: false"
	ruleOpenXMPP     = "federation.xmpp_discovery: true"
	ruleDiscovered   = "federation.discovered"
	ruleSwitch       = "federation.enabled: false"
)
