package wire

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // XEP-0114 knows nothing else
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Dialer says who opens streams to whom.
type Dialer struct {
	From, To string          // domains
	Cert     tls.Certificate // for From
	Roots    *x509.CertPool  // who signs To
	Local    netip.Addr      // to dial from; the zero value leaves it to the system
	Curves   []tls.CurveID   // for the key exchange; crypto/tls's own choice if empty
}

// Stream opens an authenticated stream (RFC 6120 §4 to §6, XEP-0178).
func (d Dialer) Stream(ctx context.Context, addr string) (*Stream, error) {
	c, err := d.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	s := newStream(c)
	s.From, s.To = d.From, d.To
	if err := d.negotiate(s); err != nil {
		c.Close()
		return nil, fmt.Errorf("stream from %s to %s at %s: %w", d.From, d.To, addr, err)
	}
	return s, nil
}

// TLS opens a connection that begins with TLS, without XMPP in it.
func (d Dialer) TLS(ctx context.Context, addr string) (*tls.Conn, error) {
	c, err := d.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(c, d.config())
	if err := secured.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS with %s: %w", addr, err)
	}
	return secured, c.SetDeadline(time.Time{})
}

func (d Dialer) dial(ctx context.Context, addr string) (net.Conn, error) {
	var dialer net.Dialer
	if d.Local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.Local, 0))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// config presents the certificate always, whomever the server names as
// authorities: some name the public ones only.
func (d Dialer) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: d.To, RootCAs: d.Roots, DynamicRecordSizingDisabled: true,
		CurvePreferences:     d.Curves,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &d.Cert, nil },
	}
}

func (d Dialer) negotiate(s *Stream) error {
	if _, err := d.open(s); err != nil {
		return err
	}
	if err := s.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	if _, err := s.expect("proceed"); err != nil {
		return err
	}
	if err := s.secure(tls.Client(s.Conn, d.config())); err != nil {
		return err
	}
	features, err := d.open(s)
	if err != nil {
		return err
	}
	if !bytes.Contains(features, []byte(">EXTERNAL<")) {
		return fmt.Errorf("EXTERNAL is not offered in %s", features)
	}
	if err := s.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>", encoded(d.From)); err != nil {
		return err
	}
	if _, err := s.expect("success"); err != nil {
		return err
	}
	s.restart()
	if _, err := d.open(s); err != nil {
		return err
	}
	return s.ready()
}

// open exchanges headers and returns the features.
func (d Dialer) open(s *Stream) ([]byte, error) {
	if err := s.send(header, d.From, d.To, ""); err != nil {
		return nil, err
	}
	if _, err := s.header(); err != nil {
		return nil, err
	}
	features, err := s.expect("features")
	if err != nil {
		return nil, err
	}
	return bytes.Clone(features.Raw), nil
}

// Component connects to a server as one of its components (XEP-0114).
func Component(ctx context.Context, addr, name, secret string) (*Stream, error) {
	c, err := Dialer{}.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	s := newStream(c)
	if err := s.attach(name, secret); err != nil {
		c.Close()
		return nil, fmt.Errorf("component %s at %s: %w", name, addr, err)
	}
	return s, nil
}

func (s *Stream) attach(name, secret string) error {
	err := s.send("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "+
		"xmlns:stream='http://etherx.jabber.org/streams' to='%s'>", name)
	if err != nil {
		return err
	}
	opened, err := s.header()
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(opened.Value("id") + secret)) //nolint:gosec // as above
	if err := s.send("<handshake>%s</handshake>", hex.EncodeToString(sum[:])); err != nil {
		return err
	}
	if _, err := s.expect("handshake"); err != nil {
		return err
	}
	return s.ready()
}
