// Package sipmsg holds SIP messages that print as they were read.
//
// A Reader cuts messages out of a byte stream (RFC 3261 §18.3) and is strict
// about it: whatever could be read with two different lengths is refused. A
// Message keeps the bytes it came in and an index of its rows; only what routing
// needs is parsed (start line, top Via, From, To, Call-ID, CSeq, Max-Forwards),
// everything else stays opaque. A Splice makes the changed message: it copies
// spans and never prints a row again.
//
// Two kinds of bad input are kept apart. A SyntaxError is a broken message whose
// end is known: the connection goes on. After a FramingError nobody knows where
// the next message starts: the connection has to be closed.
//
// The life of a message:
//
//	m, err := reader.Next()
//	splice.Reset(m)
//	splice.Insert(m.HeadersStart(), "Via: SIP/2.0/TLS edge.example;branch=z9hG4bK7\r\n")
//	out = splice.AppendTo(out)
//
// A caller may give its Reader a Pool and Release each message after use; the
// proxy does not yet.
//
// Offsets (Field, Value, Splice) count bytes from the start of Message.Raw.
package sipmsg
