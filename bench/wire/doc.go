// Package wire opens the streams that the benchmarks put load on: XMPP between
// servers (STARTTLS, SASL EXTERNAL) from either end, components (XEP-0114), and
// TLS without XMPP.
//
// It is a tool of its own and knows nothing of edged's XMPP half but the cutter
// of elements. After the negotiation of a Stream its connection carries bare
// stanzas, which callers read and write as bytes:
//
//	s, err := wire.Dialer{From: "partner.example", To: "pool.example", Cert: cert, Roots: roots}.Stream(ctx, addr)
//	buf = wire.NewForm("alice@partner.example/pc", "bob@pool.example").Append(buf, n)
package wire
