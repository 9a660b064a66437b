package lab

// The lines of policy.yaml that decide in the lab, as the edge names them.
const (
	ruleFabrikam     = "allowed_domains: fabrikam.com"
	ruleLitware      = "allowed_domains: litware.com"
	ruleDiscovery    = "federation.partner_discovery: true"
	ruleWingtip      = "providers: Wingtip"
	ruleMessenger    = "providers: Messenger"
	ruleOldMessenger = "providers: OldMessenger"
	ruleSpam         = "blocked_domains: spam.example"
	ruleInsideOnly   = "access_policies.users: inside-only"
	ruleSales        = "access_policies.users: sales"
	ruleGlobal       = "access_policies.global"
	ruleSwitch       = "federation.enabled: false"
)
