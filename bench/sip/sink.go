package sip

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Sink is what stands behind a proxy: it answers every request with 200.
type Sink struct {
	ledger  *Ledger
	contact string

	mu  sync.Mutex
	err error // the first
}

// NewSink returns a Sink that can be reached at addr, host:port.
func NewSink(l *Ledger, addr string) *Sink {
	return &Sink{ledger: l, contact: "Contact: <sip:bob@" + addr + ";transport=tls>\r\n"}
}

// Err is what was wrong with the requests so far, and forgets it.
func (s *Sink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return err
}

// Serve answers what one connection brings until it ends.
func (s *Sink) Serve(c net.Conn) {
	defer c.Close()
	err := s.serve(c)
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) {
		return
	}
	var reset *net.OpError
	if errors.As(err, &reset) || errors.As(err, new(tls.RecordHeaderError)) {
		return // whoever waits for answers notices
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = fmt.Errorf("sink: %w", err)
	}
}

func (s *Sink) serve(c net.Conn) error {
	in := newScanner(c, func() error {
		_, err := io.WriteString(c, "\r\n")
		return err
	})
	var out []byte
	for {
		m, err := in.next()
		if err != nil {
			return err
		}
		if out, err = s.answer(out[:0], m); err != nil {
			return err
		}
		if len(out) == 0 {
			continue
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

// answer notes a request and appends its answer; an ACK has none.
func (s *Sink) answer(dst, m []byte) ([]byte, error) {
	n, err := number(m)
	if err != nil {
		return nil, err
	}
	at := opens
	switch m[0] {
	case 'A':
		return dst, s.ledger.arrive(n, acknowledges)
	case 'B':
		at = ends
	case 'O': // to make sure that there is a way, and counted by nobody
		return s.appendOK(dst, m, false), nil
	case 'I', 'M':
	default:
		return nil, fmt.Errorf("an unexpected %.40q", m)
	}
	if err := s.ledger.arrive(n, at); err != nil {
		return nil, err
	}
	return s.appendOK(dst, m, m[0] == 'I'), nil
}

// appendOK appends a 200 (RFC 3261 §8.2.6), that of an INVITE with the route of
// the call.
func (s *Sink) appendOK(dst, m []byte, invite bool) []byte {
	dst = append(dst, "SIP/2.0 200 OK\r\n"...)
	for line := range lines(m) {
		switch {
		case bytes.HasPrefix(line, []byte("To: ")):
			dst = append(dst, line[:len(line)-2]...)
			if !bytes.Contains(line, []byte(";tag=")) {
				dst = append(dst, ";tag=sink"...)
			}
			dst = append(dst, "\r\n"...)
		case bytes.HasPrefix(line, []byte("Via: ")), bytes.HasPrefix(line, []byte("From: ")),
			bytes.HasPrefix(line, []byte("Call-ID: ")), bytes.HasPrefix(line, []byte("CSeq: ")),
			invite && bytes.HasPrefix(line, []byte("Record-Route: ")):
			dst = append(dst, line...)
		}
	}
	if invite {
		dst = append(dst, s.contact...)
	}
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}
