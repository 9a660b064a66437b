package verdict

// text is what a reason is called and what an operator should know about it.
type text struct{ name, help string }

// texts has a row for every reason, in order; a test finds a missing one.
var texts = [Count]text{
	Allowed:  {"allowed", "The message may cross."},
	NeedsDNS: {"needs-dns", "No answer yet: the domain's SRV record decides. edged explain takes its targets from --srv, or asks the DNS with --live."},

	FederationOff:       {"federation-off", "Federation is switched off for the whole organisation: set federation.enabled in the policy file."},
	NotOurs:             {"not-ours", "The request does not go between one of our domains and a partner, or a Route or maddr leads elsewhere: add the domain to domains, or correct the address."},
	DomainBlocked:       {"domain-blocked", "The domain, or one above it, is in blocked_domains: remove it there if the partner is wanted."},
	DomainUnlisted:      {"domain-unlisted", "Nothing lists the domain: add it to allowed_domains or xmpp_partners, or switch discovery on."},
	ProviderUnlisted:    {"provider-unlisted", "A hosting provider serves the domain, but the domain is not listed: add it to allowed_domains without a proxy."},
	ProviderDisabled:    {"provider-disabled", "The provider that serves the domain is switched off: set enabled in its entry of providers."},
	IdentityMismatch:    {"identity-mismatch", "The peer's certificate does not prove the domain it speaks for: compare its names with the domain, its SRV targets and the configured proxy and roots."},
	CombinationRefused:  {"combination-refused", "From and To cannot be routed in this combination: the pool sent back to the provider that shares our address space what had come from there, or sent a partner's request that had not come in here."},
	TypeMixed:           {"type-mixed", "The connection has carried another kind of partner before, and federation.one_type_per_connection is on: the peer has to open another connection."},
	TargetOutsideDomain: {"target-outside-domain", "No SRV target lies directly in the domain: the partner has to correct its record, or name its proxy in allowed_domains."},
	UserNotFederated:    {"user-not-federated", "The local user's access policy has federation: false; grant another policy if the user should federate."},
	UserNotXMPP:         {"user-not-xmpp", "The local user's access policy has xmpp: false; grant another policy if the user should reach XMPP partners."},
	UserNotPublic:       {"user-not-public", "The local user's access policy has public: false; grant another policy if the user should reach public providers."},
	UserNotPublicAV:     {"user-not-public-av", "The local user's access policy has public_av: false, so audio and video with public providers are refused; IM is not affected."},
	UserUnreadable:      {"user-unreadable", "The address spells a user that has no canonical form, such as an escaped control character: the sender has to correct it."},
	NoConsent:           {"no-consent", "The partner is public_unverified and the local user has not written to this contact first: let the user add the contact."},
	BudgetExhausted:     {"budget-exhausted", "The sender has used up its budget: limits.transactions_per_connection, limits.partner_share, or what discovered partners may do; list the domain to lift the latter, or block it."},

	DNSNoRecord:        {"dns-no-record", "The domain does not publish the SRV record: name the partner's proxy in allowed_domains, or ask the partner to publish it."},
	DNSFailed:          {"dns-failed", "The DNS did not answer or answered with a failure: check dns.servers, then the partner's name servers."},
	DNSNoAddress:       {"dns-no-address", "The partner's server name has neither A nor AAAA record: the partner has to correct its zone."},
	DNSLimited:         {"dns-limited", "A stranger caused more look-ups than limits.stranger_domains and limits.stranger_lookups allow: list the partner if it is wanted."},
	TargetPrivate:      {"target-private", "The partner's server resolves to private addresses only: name its network in dns.allow_private if that is meant."},
	ConnectFailed:      {"connect-failed", "No server of the next hop accepted a TCP connection: check its addresses, the route and both firewalls."},
	TLSFailed:          {"tls-failed", "The TLS handshake with the next hop failed: the log's err names the alert; often the peer does not trust our certificate."},
	CertificateRefused: {"certificate-refused", "The peer's certificate is untrusted, expired, revoked or has the wrong names: compare it with tls.roots or the entry's roots."},
	ConnectionLost:     {"connection-lost", "The connection ended while the request was on it; it is not sent again, because it may have arrived."},
	NoAnswer:           {"no-answer", "The next hop took the request and stayed silent until the transaction's timer ended."},
	PoolDown:           {"pool-down", "No member of the pool can be reached: look at the pool's status and at its members."},
	QueueFull:          {"queue-full", "The next hop takes messages more slowly than they come, and its queue is full."},
	PeerRefused:        {"peer-refused", "The next hop answered with an error of its own: the log's status says which."},
	NegotiationFailed:  {"negotiation-failed", "The next hop offers neither TLS, SASL EXTERNAL nor dialback in a way that the partner's tls, sasl and dialback settings allow: compare them with what the partner runs."},
	DialbackInvalid:    {"dialback-invalid", "The next hop asked this edge whether its dialback key is good and got a no: secret_file differs between the hosts, or our SRV record leads elsewhere."},
	Overloaded:         {"overloaded", "A bound of this edge is reached: the log names it; raise it under limits if the load is legitimate."},
	ShuttingDown:       {"shutting-down", "This edge is stopping and takes nothing new."},

	Malformed:            {"malformed", "The message is broken in a field the edge has to understand: the log names the field."},
	VersionUnsupported:   {"version-unsupported", "The message is not SIP/2.0."},
	SchemeUnsupported:    {"scheme-unsupported", "The Request-URI is neither sip nor sips."},
	ExtensionUnsupported: {"extension-unsupported", "Proxy-Require names an extension that this edge does not have."},
	MethodRefused:        {"method-refused", "The method never crosses an edge, as REGISTER does not."},
	HopsExhausted:        {"hops-exhausted", "Max-Forwards reached 0: the request went through too many proxies, or in a circle."},
	BreadthExhausted:     {"breadth-exhausted", "Max-Breadth is 0: proxies before this one have forked the request too often."},
	LoopDetected:         {"loop-detected", "This edge has seen the same request before: check that pool and edge do not route to each other."},
	RouteInvalid:         {"route-invalid", "The request names a dialog or an INVITE that this edge does not know: forged, too old, or secret_file differs between the hosts."},
	SenderAnonymous:      {"sender-anonymous", "An anonymous sender names no domain that a certificate could prove: set anonymous in the partner's entry of allowed_domains if that is meant."},
	PrivacyUnsupported:   {"privacy-unsupported", "The sender insists (Privacy: critical) on hiding what a proxy cannot hide, such as Contact and SDP: its own privacy service has to."},
	URITooLong:           {"uri-too-long", "The Request-URI is longer than limits.uri_bytes."},
	HeadersTooLarge:      {"headers-too-large", "The header section is larger than limits.header_bytes or has more fields than limits.header_fields."},
	BodyTooLarge:         {"body-too-large", "The body is larger than limits.body_bytes; over XMPP the stanza is larger than limits.stanza_bytes, or than the next hop takes."},
	TooSlow:              {"too-slow", "The message was not complete within limits.message_timeout."},
	Cancelled:            {"cancelled", "The sender took the request back before it was answered."},
}

// String returns the reason's stable name in kebab-case, such as "domain-blocked".
func (r Reason) String() string {
	if r >= Count {
		return "unknown"
	}
	return texts[r].name
}

// Help says in one line what the reason means and what an operator can do.
func (r Reason) Help() string {
	if r >= Count {
		return "No such reason."
	}
	return texts[r].help
}

// Reasons returns all reasons in order.
func Reasons() []Reason {
	all := make([]Reason, Count)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// ParseReason finds a reason by the name that String gives it.
func ParseReason(s string) (Reason, bool) {
	for r := range Count {
		if texts[r].name == s {
			return r, true
		}
	}
	return 0, false
}
