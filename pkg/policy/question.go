package policy

import (
	"time"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// Protocol is what a message is spoken in.
type Protocol uint8

// The protocols.
const (
	SIP Protocol = iota
	XMPP
)

// String returns "sip" or "xmpp".
func (p Protocol) String() string { return word(p, []string{"sip", "xmpp"}) }

// Direction is which way a message goes.
type Direction uint8

// The directions.
const (
	Inward  Direction = iota // from a partner to us
	Outward                  // from us to a partner
)

// String returns "inward" or "outward".
func (d Direction) String() string { return word(d, []string{"inward", "outward"}) }

// Question asks whether one message may cross.
type Question struct {
	Protocol  Protocol
	Direction Direction
	// Local is our user: inward the one in the Request-URI or the stanza's to,
	// outward the one in From, P-Asserted-Identity or the stanza's from.
	Local User
	// Remote is the partner's domain.
	Remote domain.Name
	// Facts are what was measured before.
	Facts Facts
}

// Facts are what was measured before the policy is asked. The policy itself
// looks nothing up.
type Facts struct {
	// Names are what the peer's certificate proves, whoever signed it. Inward
	// only; nil outward.
	Names []domain.Name
	// Anchors are the root sets that the peer's chain was verified against: ""
	// is tls.roots, everything else a Partner.Anchor. For XMPP they are given
	// if an authority's signature proves the domain, and nil if anything else
	// does: DANE, POSH, dialback.
	Anchors []string
	// SRV are the current _sipfederationtls._tcp targets of the remote domain,
	// in any order; nil if none are known.
	SRV []domain.Name
	// SRVKnown says that they were looked up. With an empty SRV the look-up
	// found nothing or failed; reporting that is the caller's.
	SRVKnown bool
	// Proven says that the XMPP stream is authenticated for the remote domain.
	Proven bool
	// Proof is how, so that a stream whose proof no longer counts after a reload
	// is found.
	Proof Proof
	// Consent says that the local user wrote to the remote contact first (XMPP).
	Consent bool
	// Answer says that the stanza answers one of ours: an IQ result or error, or
	// any other stanza of type error (XMPP). It needs no consent.
	Answer bool
	// Carried is the entry that allowed the connection's first message; nil before
	// (SIP, inward).
	Carried *Partner
	// Passed says that the request has crossed this edge on its way in before, and
	// Foreign that its sender is no user of ours (SIP, outward). Both matter where a
	// provider shares our address space: what a partner writes to a user hosted there
	// comes in, goes to a pool, and leaves for the provider.
	Passed, Foreign bool
	// Anonymous says that From hides the sender as anonymous.invalid (SIP).
	Anonymous bool
	// Media says that the request offers audio or video.
	Media bool
	// Exhausted says that the partner's budget is used up.
	Exhausted bool
}

// Decision is a verdict, and whom it is about.
type Decision struct {
	verdict.Verdict
	// Partner is the entry that matched; nil if none did. It is shared and
	// must not be changed.
	Partner *Partner
}

// Kind is how a partner came to be one.
type Kind uint8

// The kinds of partners.
const (
	Discovered      Kind = iota // SIP: nothing lists the domain, SRV finds it
	Allowed                     // SIP: listed by domain, SRV finds it
	Direct                      // SIP: listed with its proxy
	HostingProvider             // SIP: one of a hosting provider's customers
	PublicProvider              // SIP: users of a public provider
	XMPPListed                  // XMPP: listed
	XMPPDefault                 // XMPP: nothing lists the domain, xmpp_default applies
)

// String returns the kind in lower case, such as "hosting-provider".
func (k Kind) String() string {
	return word(k, []string{
		"discovered", "allowed", "direct", "hosting-provider", "public-provider", "xmpp-listed", "xmpp-default",
	})
}

// Partner is one entry of the policy, with its defaults filled in. It is shared
// by all decisions and must not be changed.
type Partner struct {
	Kind Kind
	// Name is the key for logs and metrics: the listed domain, the provider's
	// name, "discovered" or "xmpp-default". It never comes from a message.
	Name string
	// Proxy is the pinned host name: always set for direct partners and
	// providers, sometimes for listed XMPP partners, else zero.
	Proxy domain.Name
	// Port is where Proxy listens; 0 for providers, whose SRV records say it, except
	// one that shares our address space, and where there is no Proxy.
	Port uint16
	// Service is the name of the SRV record that finds a partner without Proxy, such
	// as _sipfederationtls._tcp; "" for kinds that no SIP record finds.
	Service string
	// Anchor is the root set that must prove the partner; "" is tls.roots.
	Anchor string
	// Verification of the partner's messages (SIP).
	Verification Verification
	// Ping is after how much silence a SIP connection of ours to the partner is
	// asked whether it is alive; 0 is never.
	Ping time.Duration
	// Connections is how many connections to each of its servers carry our requests
	// (SIP).
	Connections int
	// TrustAsserted says that its P-Asserted-Identity counts (SIP).
	TrustAsserted bool
	// Anonymous says that its senders may hide in From, and ours from it (SIP).
	Anonymous bool
	// XMPP holds the settings of XMPP kinds.
	XMPP XMPPSettings
	// Rule is the entry as a person finds it: `allowed_domains: fabrikam.com`.
	Rule verdict.Rule
}
