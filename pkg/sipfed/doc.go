// Package sipfed is the SIP half of the federation edge: a transaction-stateful,
// record-routing, non-forking proxy (RFC 3261 §16, with the corrections of
// RFC 4320, 5393 and 6026) between partners outside and pools inside, both over
// mutual TLS.
//
// # The walk of one request
//
// From a partner to a pool, in six files:
//
//	server.go   Serve -> serveConn      who is connecting: limits, handshake, identity
//	conn.go     run -> readLoop -> handle  what arrived, in what order
//	screen.go   screenRequest           is it well-formed, honest about its origin, for us
//	policy      Set.Decide              may these two talk
//	relay.go    forwardRequest          what changes, and where it goes
//	pool.go     planPool -> poolHop     which member, on which connection
//
// Towards a partner the last step is partner.go. A refusal leaves the walk in
// screen.go and becomes a wire answer through the one table in errors.go.
//
// # Who owns what
//
// A connection belongs to the goroutine that reads it (conn.run). Its writer is
// a child that has ended before run returns; whoever has something to send
// appends it to the connection's outgoing buffer and wakes the writer, which
// sends all that is queued in one write. A reader that has a little for a few other
// connections takes the part of each one's writer for that moment, if there is none
// (writer.go): the socket takes it without waiting, or leaves it to a writer
// (socket.go). Nobody else reads or writes the socket; closing it is open to all.
//
// A transaction belongs to the connection its request came in on. Its lock is
// held only while its state changes and bytes are appended to a buffer, never
// across I/O. Lock order: transaction, then link, then connection. When it is
// dropped it may become another request's: who has found it in a table locks it,
// and looks again whether it is the one that was looked for (transaction.go).
//
// A message belongs to its reader until it is handled, and to the transaction that
// has retained it until that is dropped; then its memory is used again.
//
// A link is all connections to one proven next hop: a partner's domain, a
// pinned proxy, a provider, or a pool (link.go). Its dial goroutines belong to
// the Server, which waits for them in Shutdown.
//
// Config is fixed when the Server is made; State is everything a reload
// replaces. A request keeps the State that it started with.
//
// # Rules kept here
//
//   - RFC 3261 §16 proxy behaviour, §17 transactions on a reliable transport,
//     §18 transport; RFC 6026 (2xx to INVITE), RFC 4320 (non-INVITE), RFC 5393
//     §4.2 (loop hash), RFC 5658 (double Record-Route), RFC 5922 (certificates).
//   - Microsoft's federation traffic: ms-benotify, BENOTIFY, ms-diagnostics.
//   - What the edge itself changes in a message is a named rule, listed in
//     headers.go; everything else crosses byte for byte.
package sipfed
