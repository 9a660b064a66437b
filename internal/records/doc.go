// Package records knows what an edge has to publish so that partners find it: the
// DNS records of its domains, and the names that its certificates cover. It is what
// `edged dns` prints, and what `edged dns --verify` compares with the world.
//
//	plan.go         what a configuration wants published;  print.go  as a table, a zone file, JSON
//	verify.go       what is to be looked at, in which order
//	dns.go          services and hosts as the DNS has them
//	certificates.go our certificate files: names, validity, who signed them
//	listeners.go    our own listeners, at the places that the DNS names;  starttls.go  the way to TLS for XMPP
//	finding.go      what was found, and what would be right
package records
