// Package discovery finds out where a domain can be dialled.
//
// It asks recursive resolvers for SRV records (RFC 2782), addresses and TLSA
// records (RFC 6698) and keeps the answers as long as their TTL allows. What a
// partner does not publish (NoSuchName, NoData, NotOffered) stays apart from what
// the DNS did not tell (ServerFailure, Timeout): the first is about the partner,
// the second about us. A SIP partner without SRV records is found nowhere; an XMPP
// one at the domain itself, as RFC 6120 §3.2.2 wants, but only if the absence of
// the records is certain.
//
// One look-up, in the order of the files: resolver.go takes the question, xmpp.go
// two of them, and looks into the cache (cache.go); flight.go sees to it that a
// question is under way only once; lookup.go turns records into an Answer
// (answer.go) or addresses, tlsa.go into TLSA records; ask.go goes through the
// servers and follows aliases; exchange.go speaks to one server; reading.go judges
// what it said. In which order targets are tried says order.go; which addresses may
// be dialled is told apart, by CheckAddr (address.go), at the moment of the dial.
package discovery
