// Package policy decides who may talk with whom.
//
// It is pure: no I/O, no clock, no log. Compile turns a Source (policy.yaml)
// into a Set of immutable tables, or reports everything that is wrong with it.
// Set.Decide answers one Question, which carries the facts measured before: what
// the peer's certificate proves, the domain's current SRV targets, consent and
// budget. Set.Explain runs the same code and also says what it did; Cure finds the
// edits of a Source that a refusal would need.
//
// # Precedence
//
// The checks run in the order of the headings in decide.go; the first that fails
// gives the verdict, and nothing behind it is looked at:
//
//  1. the organisation's switch (federation.enabled)
//  2. the local domain is ours, and federated for the protocol
//  3. the remote domain is not blocked, not below a blocked one, and not ours,
//     unless a provider hosts users of ours
//  4. an entry covers it: exact, else the nearest wildcard, else discovery, else
//     perhaps a provider
//  5. inward, the peer proves it; outward, its SRV record leads to somebody who
//     may answer for it
//  6. the local user's access policy: user, else site, else global
//  7. consent (XMPP partners of type public_unverified, inward, except answers)
//  8. the partner's budget
//
// So the switch and a block bind SIP and XMPP alike, and no listing, provider or
// grant outvotes them. Identity comes before the user's policy: a peer that
// proves nothing learns nothing about users.
//
// # Listing: exact, wildcard, block
//
// An entry lists exactly one domain. `*.fabrikam.com` lists the domains below
// fabrikam.com on every level, and not fabrikam.com itself. A block covers its
// domain and everything below. With
//
//	allowed_domains:
//	  - {domain: fabrikam.com}
//	  - {domain: "*.tailspin.example"}
//	  - {domain: hr.tailspin.example, proxy: edge.hr.example}
//	blocked_domains:
//	  - {domain: spam.example}
//	  - {domain: old.tailspin.example}
//
// and partner_discovery: false, the entries that apply are
//
//	fabrikam.com             allowed_domains: fabrikam.com
//	eu.fabrikam.com          none: an exact entry says nothing about subdomains
//	tailspin.example         none: the wildcard begins below it
//	eu.tailspin.example      allowed_domains: *.tailspin.example
//	a.eu.tailspin.example    allowed_domains: *.tailspin.example
//	hr.tailspin.example      allowed_domains: hr.tailspin.example, and so direct
//	a.hr.tailspin.example    allowed_domains: *.tailspin.example
//	old.tailspin.example     blocked_domains: old.tailspin.example
//	x.old.tailspin.example   blocked_domains: old.tailspin.example
//	news.spam.example        blocked_domains: spam.example
//	notspam.example          none: whole labels count
//
// With partner_discovery: true, "none" becomes "discovered". A block inside a
// wildcard is how one subdomain is kept out; an entry at or below a block could
// never apply, and Compile refuses it.
//
// XMPP partners are always exact: every additional domain is listed. SIP and
// XMPP lists do not know each other; blocks and the switch are shared.
//
// # Who may speak for a domain (SIP)
//
// A direct partner is proven by its proxy's name and by nothing else, not even a
// certificate for the domain itself, which is often the web server's. An allowed
// or discovered partner is proven by the domain's name, or by that of a current
// SRV target lying directly in the domain: sip.fabrikam.com for fabrikam.com,
// but neither a.b.fabrikam.com nor sip.other.example.
//
// A provider is proven by its proxy's name, and speaks for a domain only while
// that domain's SRV record holds exactly that name, never for a direct partner.
// For us speaks only the one that shares our address space, whatever our record
// says: some of our users are hosted there. A hosting provider's customer has to be listed (without a proxy) or
// discovered as well; a public provider's has not, but users need `public`.
//
//	SRV target of fabrikam.com    certificate             verdict for fabrikam.com, listed
//	sip.fabrikam.com              fabrikam.com            allowed
//	sip.fabrikam.com              sip.fabrikam.com        allowed
//	sip.fabrikam.com              www.fabrikam.com        identity-mismatch
//	sipfed.online.example         sipfed.online.example   allowed, by the provider
//	sip.fabrikam.com              sipfed.online.example   identity-mismatch
//	sip.other.example             sip.other.example       identity-mismatch
//
// An entry's own roots prove that entry only, and they alone prove it: a private
// authority of one partner says nothing about another.
//
// The reason needs-dns asks for the SRV record. It is given only if some answer
// could still lead to an allowing verdict, as far as the domains go: strangers
// cause no look-ups. So an unlisted customer of a hosting provider, or one of a
// disabled provider, is refused at once, by that provider's name.
//
// # Who may speak for a domain (XMPP)
//
// A stream is authenticated for one domain, and each domain is listed exactly,
// subdomains too. How a partner may prove itself follows from the tls, sasl and
// dialback of its entry. The best way that both sides have is taken, in the order
// of the columns; Compile refuses a row without any, and warns of one that means
// less than it says (!). XMPPSettings.Ways is this table.
//
//	tls            sasl           dialback  certificate  dialback in TLS  dialback in the clear
//	required       required       true      yes          -                -                      !
//	required       required       false     yes          -                -
//	required       optional       true      yes          yes              -
//	required       optional       false     yes          -                -
//	required       not_supported  true      -            yes              -
//	required       not_supported  false     refused
//	optional       required       true      yes          yes              yes                    !
//	optional       required       false     yes          -                -                      !
//	optional       optional       true      yes          yes              yes                    !
//	optional       optional       false     yes          -                -                      !
//	optional       not_supported  true      -            yes              yes
//	optional       not_supported  false     refused
//	not_supported  required       true      -            -                yes                    !
//	not_supported  required       false     refused
//	not_supported  optional       true      -            -                yes                    !
//	not_supported  optional       false     refused
//	not_supported  not_supported  true      -            -                yes
//	not_supported  not_supported  false     refused
//
// A certificate counts if it is signed under the entry's own roots, or under
// tls.roots where it has none. With dane or posh it also counts if TLSA records
// or the domain's web server vouch for it, so that they satisfy sasl: required.
// They never count where no certificate does (sasl or tls: not_supported). The
// organisation's federation.dane and federation.posh do not reach entries with
// roots of their own; only the entry itself can say that its roots are not all.
//
// What the users of a proven partner may do is its type:
//
//	type               writes to, and asks to see       consent
//	federated          every user who may use XMPP      not needed
//	public_verified    every user who may use XMPP      not needed
//	public_unverified  users who wrote to them first    needed inward
//
// The first two are decided alike; they say who the partner is. Consent is asked
// for inward only, and never for what answers a stanza of ours: an IQ result or
// an error comes because our user, or our user's client, asked for it.
//
// # Access policies
//
// The whole policy of the narrowest scope applies; scopes are not merged. A user
// granted {federation: true} has no xmpp, even where the site or the global
// policy has it. A site's users_file is narrower than its domains.
package policy
