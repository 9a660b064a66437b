// Package discovery finds out where a domain can be dialled.
//
// It asks recursive resolvers for SRV records (RFC 2782) and addresses and keeps
// the answers as long as their TTL allows. What a partner does not publish
// (NoSuchName, NoData, NotOffered) stays apart from what the DNS did not tell
// (ServerFailure, Timeout): the first is about the partner, the second about us.
// There is no fallback from a missing SRV record to the domain's own addresses.
//
// One look-up, in the order of the files: resolver.go takes the question and
// looks into the cache (cache.go); flight.go sees to it that a question is under
// way only once; lookup.go turns records into an Answer (answer.go) or addresses;
// ask.go goes through the servers and follows aliases; exchange.go speaks to one
// server; reading.go judges what it said. Which addresses may be dialled is told
// apart, by CheckAddr (address.go), at the moment of the dial.
package discovery
