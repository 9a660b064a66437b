package tlsid

import (
	"crypto/tls"

	"edged/pkg/domain"
)

// XMPPServerConfig is the configuration of one side's XMPP connections, before and
// after STARTTLS alike: pick returns our certificate for the name that the peer
// asked for by SNI. The name is zero if it asked for none, or for something that is
// no domain; after STARTTLS pick goes by the stream's "to" and need not look at it,
// since peers such as Prosody send no SNI there (RFC 7590 §3.5). The caller may set
// NextProtos.
//
// The handshake asks for the peer's certificate and succeeds whatever it is, also
// without one: dialback may follow, and whom it proves is for IdentifyXMPP to say
// when the stream asserts a domain (XEP-0178 §3). Only a certificate that
// crypto/tls cannot read, or whose key the peer does not hold, ends it.
func XMPPServerConfig(pick func(sni domain.Name) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name, err := domain.ParseWire(hello.ServerName)
			if err != nil {
				name = domain.Name{}
			}
			return pick(name)
		},
		ClientAuth: tls.RequestClientCert,
		// A resumed session would carry a certificate past a reload.
		SessionTicketsDisabled: true,
		// Streams write what is queued at once: small records first would only split it.
		DynamicRecordSizingDisabled: true,
	}
}

// XMPPClientConfig is the configuration of one XMPP connection that we open:
// serverName is asked for by SNI (the zero value asks for nothing). cert, never nil, is
// presented whatever authorities the peer says it accepts: ejabberd lists its own
// only, and crypto/tls would then keep quiet. The caller may set NextProtos.
//
// The handshake proves nothing about the peer. IdentifyXMPP does, afterwards, by
// the certificates of the connection's state: a peer that it does not know may
// still be good enough for dialback, where policy lets it.
func XMPPClientConfig(cert *tls.Certificate, serverName domain.Name) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: serverName.String(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return cert, nil
		},
		InsecureSkipVerify:          true, //nolint:gosec // measured after the handshake: see above
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
}
