// Package xmpp is the XMPP half of the federation edge: a relay of stanzas
// between partners outside and pools inside, made of server-to-server streams
// (RFC 6120) that never touch: stream ids, TLS, authentication, acknowledgements,
// limits and errors belong to one stream each, and only stanzas cross.
//
// For a domain of ours and one of a partner there are up to four streams. Outside
// the edge is the server of our domain, inside it is the server of the partner's,
// and so proves that domain to the pool.
//
//	partner --ext-in-->  edge --int-out--> pool      stanzas inward
//	partner <--ext-out-- edge <--int-in--- pool      stanzas outward
//
// # The walk of one stanza
//
// From a partner to a pool, in six files:
//
//	server.go   Serve -> serveConn       who is connecting: limits, side
//	conn.go     run -> readLoop -> handle   what arrived, in what order
//	screen.go   screenStanza             is it well-addressed, honest about its origin, for us
//	policy      Set.Decide               may these two talk
//	relay.go    forwardStanza            what changes, and where it goes
//	pool.go     poolRoute -> planPool    which member, on which stream
//
// Towards a partner the last step is partner.go. A refusal leaves the walk in
// screen.go and becomes an error stanza or a stream error through the one table in
// errors.go. How a stream comes to carry stanzas is told by negotiate.go, with one
// mechanism in each of starttls.go, external.go and dialback.go.
//
// # Who owns what
//
// A stream belongs to the goroutine that reads it (conn.run). Whoever has something
// to send appends it to a queue and wakes the stream's writer, a goroutine that
// lives while there is something to write: an idle stream has one goroutine.
//
// A link is the outgoing queue of one (side, our domain, their domain) and outlives
// the stream that drains it: what was not written yet goes out on the next one, in
// order. A reader whose stanza finds the queue full waits, and so does its peer
// (backpressure); nothing waits unbounded.
//
// Lock order: link, then conn.
//
// Config is fixed when the Server is made; State is everything a reload replaces. A
// stanza keeps the State that it started with.
//
// # Rules kept here
//
//   - RFC 6120 §3 (where to dial), §4 (streams), §5 (STARTTLS), §6 (SASL EXTERNAL
//     with XEP-0178), §8 (stanzas), §10.1 (order), §11 (XML), §13.7 (certificates).
//   - XEP-0220 dialback in all three roles, with the keys of XEP-0185.
//   - XEP-0368 direct TLS, XEP-0198 acknowledgements without resumption, XEP-0288
//     bidirectional streams, XEP-0478 stream limits.
//   - RFC 7673 (DANE) and RFC 7711 (POSH) as proofs, where a partner has them on.
//   - What the edge itself changes in a stanza is a named rule, listed in relay.go;
//     everything else crosses byte for byte.
package xmpp
