package records

import (
	"fmt"
	"io"
	"net"

	"edged/pkg/domain"
	"edged/pkg/xmpp/xmlstream"
)

// startTLS opens a stream and asks for TLS (RFC 6120 §5.4.2). After it the
// connection is where the handshake begins.
func startTLS(conn net.Conn, to domain.Name) error {
	const header = "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"
	if _, err := fmt.Fprintf(conn, header, to); err != nil {
		return err
	}
	r := xmlstream.NewReader(conn, xmlstream.DefaultLimits())
	if err := expect(r, "stream"); err != nil {
		return err
	}
	if err := expect(r, "features"); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	return expect(r, "proceed")
}

// expect reads the next element, which has to have that name.
func expect(r *xmlstream.Reader, name string) error {
	e, err := r.Next()
	if err != nil {
		return err
	}
	if got := string(e.Local); got != name {
		return fmt.Errorf("no XMPP: <%.40s> where <%s> was expected", got, name)
	}
	return nil
}
