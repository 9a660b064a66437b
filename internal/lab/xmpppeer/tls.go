package xmpppeer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// alpn is the protocol name of XEP-0368.
const alpn = "xmpp-server"

// ServerTLS returns a configuration that asks for a certificate, takes any or none,
// and shows the one that pick returns for the SNI, "" if there was none.
func ServerTLS(pick func(sni string) *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true, // a ticket at the end of a handshake blocks on an unbuffered pipe
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := pick(hello.ServerName); c != nil {
				return c, nil
			}
			return nil, fmt.Errorf("xmpppeer: no certificate for %q", hello.ServerName)
		},
	}
}

// ClientTLS returns a configuration that sends sni if not empty, shows cert if not
// nil whatever authorities the server names, and takes every certificate.
func ClientTLS(cert *tls.Certificate, sni string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: sni}
	c.InsecureSkipVerify = true // who cares sets VerifyConnection, or looks at the state afterwards
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if cert == nil {
			return &tls.Certificate{}, nil
		}
		return cert, nil
	}
	return c
}

// proves returns why the other side's certificate does not prove the domain, nil if
// it does: it has a DNS name for domain and, unless roots is nil, is signed by one of
// them, for whatever purpose.
func proves(state tls.ConnectionState, roots *x509.CertPool, domain string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("xmpppeer: no certificate")
	}
	if roots == nil {
		return state.PeerCertificates[0].VerifyHostname(domain)
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, DNSName: strings.ToLower(domain),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}
