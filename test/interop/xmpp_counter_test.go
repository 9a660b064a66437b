package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"testing"

	"edged/internal/lab/xmpppeer"
)

// ending is how the counter ends a stream.
type ending int

const (
	inOrder ending = iota + 1 // by the closing tag, and the other end's (RFC 6120 §4.4)
	byReset                   // by a TCP reset
)

// counter is the receiving side of jabber.example: it takes numbered messages, and
// acknowledges them (XEP-0198).
type counter struct {
	cert    *tls.Certificate
	ends    map[int]ending // behind which messages streams end
	arrived chan int
}

// count has a counter listen at a place.
func (w *world) count(t *testing.T, at string, cert *tls.Certificate) *counter {
	t.Helper()
	c := &counter{cert: cert, arrived: make(chan int, 2*numbered)}
	listener, err := net.Listen("tcp", w.place(at).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go c.serve(context.WithoutCancel(t.Context()), conn)
		}
	}()
	return c
}

// serve is one stream, which ends with the connection.
func (c *counter) serve(ctx context.Context, conn net.Conn) {
	s, err := xmpppeer.Accept(ctx, conn, xmpppeer.AcceptOptions{
		Domain: "jabber.example", Certificate: c.cert, Final: []string{xmpppeer.OfferManagement},
	})
	if err != nil {
		return
	}
	defer s.Close()
	handled, ended := uint32(0), false
	for {
		e, err := s.Next(ctx)
		switch {
		case errors.Is(err, xmpppeer.ErrEnd) && !ended:
			_ = s.End()
			return
		case err != nil:
			return
		case ended && e.Space == xmpppeer.NSManagement: // the closing tag was the last word
		case e.Is("enable", xmpppeer.NSManagement):
			err = s.Send("<enabled xmlns='", xmpppeer.NSManagement, "'/>")
		case e.Is("r", xmpppeer.NSManagement):
			err = s.SendAck(handled)
		case e.Is("message", xmpppeer.NSServer):
			handled++
			switch c.take(e) {
			case inOrder:
				ended, err = true, s.End()
			case byReset:
				_ = s.Reset()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// take notes a message and returns how the stream ends behind it.
func (c *counter) take(e *xmpppeer.Element) ending {
	n, err := strconv.Atoi(e.Attr("id"))
	if err != nil {
		return 0
	}
	c.arrived <- n
	return c.ends[n]
}
