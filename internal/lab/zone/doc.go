// Package zone is a small authoritative DNS server whose data are plain maps.
//
// The lab and the tests describe a world with it, outages included: names that
// fail, names that never answer, answers too large for UDP, domains that a
// validating resolver would find signed. It answers for every name there is,
// like a resolver that knows nothing but its maps, and it follows aliases.
package zone
