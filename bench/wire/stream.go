package wire

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"edged/pkg/xmpp/xmlstream"
)

// patience bounds a negotiation.
const patience = 15 * time.Second

// recordBytes is what one TLS record carries, so that each read takes a whole one.
const recordBytes = 16 << 10

// header opens a stream between servers in either direction.
const header = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
	"from='%s' to='%s' version='1.0'%s>"

// Stream is a negotiated stream. Nothing has been read ahead of its stanzas.
type Stream struct {
	Conn     net.Conn
	From, To string // as the initiator sees them

	raw *bufio.Reader // below in; empty at the end of a negotiation
	in  *xmlstream.Reader
}

func newStream(c net.Conn) *Stream {
	s := &Stream{Conn: c, raw: bufio.NewReaderSize(c, recordBytes)}
	s.in = xmlstream.NewReader(s.raw, xmlstream.DefaultLimits())
	return s
}

// secure goes on with another connection, above TLS.
func (s *Stream) secure(c *tls.Conn) error {
	if err := c.Handshake(); err != nil { //nolint:noctx // the connection has a deadline
		return fmt.Errorf("TLS: %w", err)
	}
	s.Conn = c
	s.raw.Reset(c)
	s.in.Reset(s.raw, false)
	return nil
}

// restart begins a new stream on the same connection (RFC 6120 §4.3.3).
func (s *Stream) restart() { s.in.Reset(s.raw, true) }

// ready ends the negotiation. Servers say nothing before they are spoken to.
func (s *Stream) ready() error {
	if s.in.Buffered() > 0 || s.raw.Buffered() > 0 {
		return errors.New("the peer sent stanzas before the end of the negotiation")
	}
	return s.Conn.SetDeadline(time.Time{})
}

// Elements returns the reader of the stream's stanzas. It calls before ahead of
// each read from the connection: the moment to send what has been collected.
func (s *Stream) Elements(before func() error) *xmlstream.Reader {
	s.raw.Reset(hooked{s.Conn, before})
	return s.in
}

type hooked struct {
	io.Reader
	before func() error
}

func (h hooked) Read(b []byte) (int, error) {
	if err := h.before(); err != nil {
		return 0, err
	}
	return h.Reader.Read(b)
}

func (s *Stream) send(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Conn, format, args...)
	return err
}

// header reads the peer's header.
func (s *Stream) header() (*xmlstream.Element, error) {
	e, err := s.in.Next()
	if err == nil && e.Kind != xmlstream.Header {
		err = fmt.Errorf("%s instead of a stream header", e.Raw)
	}
	return e, err
}

// expect reads one element, which has to have this name.
func (s *Stream) expect(local string) (*xmlstream.Element, error) {
	e, err := s.in.Next()
	if err != nil {
		return nil, fmt.Errorf("waiting for <%s>: %w", local, err)
	}
	if string(e.Local) != local {
		return nil, fmt.Errorf("waiting for <%s>: %s", local, e.Raw)
	}
	return e, nil
}

// encoded is a domain as SASL EXTERNAL carries it.
func encoded(domain string) string { return base64.StdEncoding.EncodeToString([]byte(domain)) }
