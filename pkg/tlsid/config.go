package tlsid

import (
	"crypto/tls"

	"edged/pkg/domain"
)

// Side is one side's keys and trust at one moment. A reload replaces it as a
// whole, so that nobody sees new keys with old roots.
type Side struct {
	Keys  *KeyRing
	Trust *Trust
}

// ServerConfig is the configuration of one side's listener. Every handshake uses
// the Side that side returns at that time, never nil. The caller may set NextProtos.
// Unless proven is nil, the handshake leaves there who the peer is: such a
// configuration is for one connection.
//
// A peer whose certificate we refuse gets an alert, and the error of the handshake
// tells why: see Refusal. For the alert to arrive, what the peer still sends must
// be read for a moment before closing: TCP resets the connection otherwise, and a
// reset can overtake the alert.
func ServerConfig(side func() *Side, proven *Identity) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			// A name that is none, or is missing, gets the default certificate: peers
			// of Microsoft's kind send their own edge's name or nothing at all.
			name, err := domain.ParseWire(hello.ServerName)
			if err != nil {
				name = domain.Name{}
			}
			return side().Keys.For(name), nil
		},
		// Not RequireAndVerifyClientCert: see the package comment.
		ClientAuth:       tls.RequireAnyClientCert,
		VerifyConnection: verify(side, proven),
		// A ticket would carry a certificate past a reload of keys, roots and
		// revocation lists, for the price of one handshake per connection saved.
		SessionTicketsDisabled: true,
		// What is queued goes out at once: small records first would only split it.
		DynamicRecordSizingDisabled: true,
	}
}

// verify judges the peer by the Side of that moment.
func verify(side func() *Side, proven *Identity) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		id, err := PeerIdentity(side(), cs)
		if err == nil && proven != nil {
			*proven = id
		}
		return err
	}
}

// ClientConfig is the configuration of one connection that we open: serverName is
// asked for by SNI (RFC 5922 §7.8; the zero value asks for nothing), and our
// certificate for ours is presented whatever authorities the peer says it accepts.
//
// The handshake proves who the peer is and leaves it in proven, unless that is nil. It
// does not prove that the peer is the right one: which names will do is for the caller
// to judge before it sends a byte.
func ClientConfig(side *Side, serverName, ours domain.Name, proven *Identity) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: serverName.String(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return side.Keys.For(ours), nil
		},
		// Switches off the built-in check, which wants serverName in the certificate
		// and accepts wildcards; VerifyConnection takes its place.
		InsecureSkipVerify: true, //nolint:gosec // not skipped: see above
		VerifyConnection:   verify(func() *Side { return side }, proven),

		DynamicRecordSizingDisabled: true,
	}
}

// PeerIdentity is who the other end of a connection is, judged by side now. After
// a reload it tells whether an open connection would still be let in. The error is
// a *CertError.
func PeerIdentity(side *Side, cs tls.ConnectionState) (Identity, error) {
	return side.Trust.Identify(cs.PeerCertificates)
}
