// Package xmpppeer is the other end of an XMPP server-to-server stream, made of the
// standard library alone: partner and pool server of the lab, remote end of the tests.
//
// It shares nothing with the edge on purpose. It cuts and reads XML by its own few
// lines, so that a mistake in the edge's message layer cannot hide by being made twice;
// what it takes must be well-formed with all prefixes declared, and it hands over the
// exact bytes of every element beside the parsed tree.
//
// There are two layers. A Stream is one connection, driven by hand: each step of RFC
// 6120 is a method of its own, so that a test can leave it out, repeat it or do it
// wrongly. Dial and Accept walk the usual steps up to a named one:
//
//	s, err := xmpppeer.Dial(ctx, conn, xmpppeer.DialOptions{
//		From: "fabrikam.com", To: "contoso.com", Certificate: cert, Until: xmpppeer.Reoffered,
//	})
//	err = s.External(ctx, "litware.com")           // a *SASLError: invalid-authzid
//	err = s.External(ctx, "fabrikam.com")          // nil
//	_, err = s.Open(ctx, xmpppeer.Header{From: "fabrikam.com", To: "contoso.com"})
//	_, err = s.Features(ctx)
//	err = s.Send("<message from='eve@litware.com' to='bob@contoso.com'/>")
//	se, err := s.AwaitError(ctx)                   // se.Condition: "invalid-from"
//
// A Server is a small complete XMPP server for some domains. It dials and listens,
// authenticates by EXTERNAL and dialback in all roles, answers pings, turns away what
// is for nobody, gives each user an inbox, and keeps a record of what happened:
//
//	var world xmpppeer.Network // or TCP on loopback: leave Dial out
//	ln, err := world.Listen("192.0.2.1:5269")
//	fabrikam := xmpppeer.NewServer(xmpppeer.Config{
//		Domains:      []string{"fabrikam.com"},
//		Certificates: map[string]*tls.Certificate{"fabrikam.com": cert},
//		Roots:        roots,
//		Dial:         world.DialContext,
//		Resolve: func(ctx context.Context, domain string) (xmpppeer.Hop, error) {
//			return xmpppeer.Hop{Addr: "192.0.2.2:5269"}, nil // everything goes to the edge
//		},
//	})
//	defer fabrikam.Close()
//	fabrikam.Serve(ln)
//	alice := fabrikam.User("alice@fabrikam.com")
//	_, err = alice.Message(ctx, "bob@contoso.com", "hello")
//	answer, err := alice.Receive(ctx) // answer.Body(), answer.Raw
//
// Nothing here looks at the clock but for deadlines, nothing polls, and everything ends
// on Close: Pipe and Network give connections in memory, for tests under testing/synctest.
// There the year is 2000: make authorities and certificates inside the bubble as well.
package xmpppeer
