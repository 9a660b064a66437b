package verdict

// Reason says why something was allowed or refused. Its text form is stable: it
// is a metric label, a log value and what operators search the manual for.
type Reason uint8

// The reasons, grouped by who finds them.
const (
	// Allowed is the one reason of an allowing verdict.
	Allowed Reason = iota
	// NeedsDNS is no final answer: the policy can only decide once the domain's
	// current SRV targets are among the facts.
	NeedsDNS

	// Found by pkg/policy.

	FederationOff       // the organisation's switch is off
	NotOurs             // not between one of our domains and a partner, or a Route or maddr leads elsewhere
	DomainBlocked       // the domain, or one above it, is on the block list
	DomainUnlisted      // nothing lists the domain and discovery does not cover it
	ProviderUnlisted    // a hosting provider speaks for the domain, but the domain is not listed
	ProviderDisabled    // the provider that serves the domain is switched off
	IdentityMismatch    // the certificate does not prove the domain
	CombinationRefused  // From and To cannot be routed in this combination, in a shared address space
	TypeMixed           // the connection has carried another kind of partner before
	TargetOutsideDomain // SRV answers, but no target lies directly in the domain
	UserNotFederated    // the local user's access policy says no to federation
	UserNotXMPP         // ... no to XMPP
	UserNotPublic       // ... no to public providers
	UserNotPublicAV     // ... no to audio and video with public providers
	UserUnreadable      // a spelling of a user that has no canonical form
	NoConsent           // the local user has not written to this contact first
	BudgetExhausted     // the partner has used up its budget

	// Found on the way to a partner or a pool.

	DNSNoRecord        // the domain does not publish the record
	DNSFailed          // the DNS did not answer, or answered with a failure
	DNSNoAddress       // a target has neither A nor AAAA
	DNSLimited         // a stranger caused too many look-ups
	TargetPrivate      // every address of the target is private
	ConnectFailed      // no target accepted a TCP connection
	TLSFailed          // the TLS handshake failed
	CertificateRefused // the peer's certificate is untrusted, expired, revoked or has the wrong names
	ConnectionLost     // the connection went away with the request on it
	NoAnswer           // the next hop accepted the request and stayed silent
	PoolDown           // no member of the pool can be reached
	QueueFull          // the next hop does not take what is queued for it
	PeerRefused        // the next hop answered with an error of its own
	NegotiationFailed  // the next hop offers no way to authenticate that policy allows
	DialbackInvalid    // the next hop does not believe our dialback key
	Overloaded         // a bound of this edge is reached
	ShuttingDown       // this edge is stopping

	// Found in the message itself.

	Malformed            // broken where it matters
	VersionUnsupported   // not SIP/2.0
	SchemeUnsupported    // neither sip nor sips
	ExtensionUnsupported // Proxy-Require names something unknown
	MethodRefused        // a method that never crosses, such as REGISTER
	HopsExhausted        // Max-Forwards is 0
	BreadthExhausted     // Max-Breadth is 0
	LoopDetected         // this edge has seen the request before
	RouteInvalid         // no valid route token in a dialog, or a CANCEL that matches nothing
	SenderAnonymous      // an anonymous sender cannot be bound to a certificate
	PrivacyUnsupported   // the sender insists on privacy that no proxy can give
	URITooLong           // the Request-URI exceeds its bound
	HeadersTooLarge      // the header section exceeds its bound
	BodyTooLarge         // the body exceeds its bound
	TooSlow              // the message was not complete in time
	Cancelled            // the sender took the request back

	// Count is the number of reasons; it is no reason itself.
	Count
)
