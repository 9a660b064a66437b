package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// Acceptor is the other end: it serves a domain and believes certificates.
type Acceptor struct {
	Domain string
	Cert   tls.Certificate // for Domain
	Roots  *x509.CertPool  // who may sign the initiators
}

// Stream answers the negotiation on a connection that was accepted. On an error
// the connection is closed.
func (a Acceptor) Stream(c net.Conn) (*Stream, error) {
	s := newStream(c)
	err := c.SetDeadline(time.Now().Add(patience))
	if err == nil {
		err = a.negotiate(s)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("stream at %s: %w", a.Domain, err)
	}
	return s, nil
}

// Config is the TLS of an acceptor. Whether a client's certificate is believed is
// decided later.
func (a Acceptor) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{a.Cert}, ClientAuth: tls.RequestClientCert,
		SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true,
	}
}

// Mutual is the TLS of an acceptor that takes nobody without a certificate of its
// roots, and speaks TLS 1.3 only.
func (a Acceptor) Mutual() *tls.Config {
	c := a.Config()
	c.MinVersion, c.ClientAuth, c.ClientCAs = tls.VersionTLS13, tls.RequireAndVerifyClientCert, a.Roots
	return c
}

func (a Acceptor) negotiate(s *Stream) error {
	if err := a.open(s, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"); err != nil {
		return err
	}
	if _, err := s.expect("starttls"); err != nil {
		return err
	}
	if err := s.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
		return err
	}
	secured := tls.Server(s.Conn, a.Config())
	if err := s.secure(secured); err != nil {
		return err
	}
	if err := a.open(s, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"); err != nil {
		return err
	}
	if err := a.authenticate(s, secured.ConnectionState().PeerCertificates); err != nil {
		return err
	}
	s.restart()
	if err := a.open(s, ""); err != nil {
		return err
	}
	return s.ready()
}

// authenticate believes a chain that leads to the roots and names the initiator.
func (a Acceptor) authenticate(s *Stream, chain []*x509.Certificate) error {
	auth, err := s.expect("auth")
	if err != nil {
		return err
	}
	if m := auth.Value("mechanism"); m != "EXTERNAL" {
		return fmt.Errorf("mechanism %q instead of EXTERNAL", m)
	}
	if len(chain) == 0 {
		return errors.New("the initiator has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{
		Roots: a.Roots, Intermediates: between, DNSName: s.From, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err
	}
	return s.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
}

// open reads the initiator's header and answers it.
func (a Acceptor) open(s *Stream, features string) error {
	opened, err := s.header()
	if err != nil {
		return err
	}
	if from := opened.Value("from"); from != "" {
		s.From = from
	}
	s.To = opened.Value("to")
	return s.send(header+"<stream:features>%s</stream:features>", a.Domain, s.From, " id='s"+fmt.Sprint(time.Now().UnixNano())+"'", features)
}
