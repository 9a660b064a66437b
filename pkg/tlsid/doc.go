// Package tlsid says who a TLS peer is: our own keys, whom we trust to vouch for
// others, what was revoked, and the names that a peer's certificate chain proves.
//
// It measures and never judges. A SIP handshake succeeds for everyone whose chain is
// sound and names at least one domain; whether those names may speak for the
// domain of a message is asked later, per message, by pkg/policy. That is why
// tls.Config's own name check is switched off here and why a certificate that
// names a perfect stranger is no error.
//
// crypto/tls refuses client certificates without the clientAuth usage, which
// public authorities no longer issue. So SIP's configurations ask for any
// certificate and verify it in VerifyConnection, which runs before our side
// calls the handshake done, and also when a session is resumed.
//
// XMPP differs in two ways (RFC 6120 §13.7). Certificates name their domains in more
// kinds of names, some of which crypto/x509 does not read. And a handshake succeeds
// whatever the peer presents, since a peer that its certificate does not prove may
// still be proven by dialback, DANE or POSH; it is measured once its stream asserts
// a domain.
//
//   - identity.go: the names a certificate proves for SIP (RFC 5922 §7)
//   - xmpp.go: what a chain proves for XMPP; othername.go: the names it reads
//   - dane.go: what TLSA records prove (RFC 7671)
//   - trust.go: root sets; identify.go: which of them vouch for a chain
//   - revocation.go, crl.go: revocation lists
//   - recent.go: verified chains, remembered for the moment that follows
//   - keys.go: our certificates by name
//   - config.go, xmppconfig.go: the tls.Configs of SIP and of XMPP
//   - authority.go, mint.go, authoritypem.go: certificates for partners' domains, made
//     here, that only our own pool trusts
//   - errors.go: why a certificate was refused, by us or by the peer
//
// What is loaded never changes. A reload loads a new Side beside the old
// one; whoever holds it swaps one pointer.
package tlsid
