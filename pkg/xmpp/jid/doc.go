// Package jid reads XMPP addresses (RFC 7622).
//
// A JID has two faces. Decisions, look-ups and comparisons use its canonical
// parts: two spellings of one address are one key. What is relayed is the
// spelling that came in, because the edge changes no address that passes it.
//
// One thing differs from the canonical form of RFC 7622 §3.2: the domain is a
// [domain.Name], in A-labels, so that it compares with names from DNS,
// certificates and configuration.
//
// jid.go is the address, part.go what its localpart and resourcepart may be.
package jid
