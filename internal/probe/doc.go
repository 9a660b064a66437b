// Package probe walks to a partner, or into one of our own pools, step by step as the
// gateway would, and says where the way ends, why, and what helps: discovery, TCP, TLS,
// who answers, and then a SIP OPTIONS or an XMPP stream. Nothing is written that
// anybody would see as a message.
//
// It decides nothing by itself. Policy is asked by policy.Set.DecideDomain; where that
// refuses, the walk goes on under the policy that policy.CureDomain finds, so that one
// look shows everything that stands in the way. Which targets count and who must have
// signed is asked of the packages that the gateway asks.
//
//	probe.go        what a Prober works with; which walks there are
//	report.go       what a walk has found, as text and as JSON
//	walk.go         what all walks share: policy, addresses, TCP;  tls.go  the handshake
//	sip.go          to a SIP partner; options.go asks it
//	xmpp.go         to an XMPP partner
//	pool.go         into a pool of ours, for both protocols
//	certificate.go  what is wrong with a certificate, in words
//	clock.go        whether this host's clock may be why
package probe
