package tlsid_test

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// serving picks c whatever is asked for.
func serving(c ca.Cert) func(domain.Name) (*tls.Certificate, error) {
	return func(domain.Name) (*tls.Certificate, error) { return &c.TLS, nil }
}

// TestXMPPHandshakeNeverRefuses: whatever the client presents, the streams begin,
// and what it proves is known afterwards.
func TestXMPPHandshakeNeverRefuses(t *testing.T) {
	root := ca.New("Root")
	roots := trusting(t, root)
	past := time.Now().Add(-48 * time.Hour)
	dns := []string{"a.test"}
	clients := map[string]struct {
		certs []ca.Cert
		kind  tlsid.CertErrorKind
	}{
		"good":    {certs: []ca.Cert{root.Issue(ca.Leaf{DNS: dns})}},
		"none":    {kind: tlsid.None},
		"rogue":   {[]ca.Cert{ca.New("Rogue").Issue(ca.Leaf{DNS: dns})}, tlsid.UnknownAuthority},
		"expired": {[]ca.Cert{root.Issue(ca.Leaf{DNS: dns, NotBefore: past, NotAfter: past.Add(time.Hour)})}, tlsid.Expired},
		"CA":      {[]ca.Cert{root.Cert()}, tlsid.BadChain},
	}
	for what, tt := range clients {
		for _, version := range versions() {
			t.Run(what+" "+tls.VersionName(version), func(t *testing.T) {
				client := presenting(tt.certs...)
				client.MaxVersion = version
				r := connect(t, tlsid.XMPPServerConfig(serving(root.Issue(ca.Leaf{DNS: dns}))), client)
				if r.serverErr != nil || r.clientErr != nil || r.readErr != nil {
					t.Fatalf("server %v, client %v, read %v", r.serverErr, r.clientErr, r.readErr)
				}
				id, err := roots.IdentifyXMPP(r.server.PeerCertificates)
				if tt.kind != 0 {
					wantKind(t, err, tt.kind)
				} else if err != nil || !id.Covers(name("a.test")) {
					t.Errorf("%v, names %q", err, id.Names())
				}
			})
		}
	}
}

// TestXMPPClientConfig: SNI as asked for, our certificate also to servers that
// list other authorities, whatever certificate they have, and no session resumed.
func TestXMPPClientConfig(t *testing.T) {
	ours := ca.New("Ours").Issue(ca.Leaf{DNS: []string{"ours.test"}})
	theirs := ca.New("Theirs").Issue(ca.Leaf{CN: "expired", NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)})
	for _, sni := range []domain.Name{{}, name("theirs.test")} {
		for _, version := range versions() {
			t.Run(sni.String()+" "+tls.VersionName(version), func(t *testing.T) {
				var asked []domain.Name
				server := tlsid.XMPPServerConfig(func(sni domain.Name) (*tls.Certificate, error) {
					asked = append(asked, sni)
					return &theirs.TLS, nil
				})
				server.MaxVersion = version
				server.ClientCAs = poolOf(ca.New("Unrelated"))
				server.SessionTicketsDisabled = false
				server.NextProtos = []string{"xmpp-server"}
				client := tlsid.XMPPClientConfig(&ours.TLS, sni)
				client.NextProtos = []string{"xmpp-server"}
				for range 2 {
					r := connect(t, server, client)
					if r.serverErr != nil || r.clientErr != nil || r.readErr != nil {
						t.Fatalf("server %v, client %v, read %v", r.serverErr, r.clientErr, r.readErr)
					}
					if len(r.server.PeerCertificates) != 1 || !r.server.PeerCertificates[0].Equal(ours.X509) {
						t.Error("our certificate was not presented")
					}
					if r.server.DidResume || r.server.NegotiatedProtocol != "xmpp-server" {
						t.Errorf("resumed %v, protocol %q", r.server.DidResume, r.server.NegotiatedProtocol)
					}
				}
				if len(asked) != 2 || asked[0] != sni || asked[1] != sni {
					t.Errorf("asked for %q, want %q twice", asked, sni)
				}
			})
		}
	}
}

// TestXMPPServerName: what is no domain reaches pick as the zero name, and what
// pick says is final.
func TestXMPPServerName(t *testing.T) {
	for sni, want := range map[string]string{"A.Test": "a.test", "under_score.test": "", "": ""} {
		server := tlsid.XMPPServerConfig(func(got domain.Name) (*tls.Certificate, error) {
			if got.String() != want {
				t.Errorf("SNI %q: asked for %q, want %q", sni, got, want)
			}
			return nil, errors.New("nothing to serve")
		})
		client := presenting()
		client.ServerName = sni
		if r := connect(t, server, client); r.serverErr == nil || !tlsid.IsAlert(r.clientErr) {
			t.Errorf("SNI %q: server %v, client %v", sni, r.serverErr, r.clientErr)
		}
	}
}

// TestXMPPOldVersionsRefused: TLS 1.1 and older, in both roles.
func TestXMPPOldVersionsRefused(t *testing.T) {
	c := ca.New("Root").Issue(ca.Leaf{CN: "old.test"})
	old := presenting(c)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if r := connect(t, tlsid.XMPPServerConfig(serving(c)), old); r.serverErr == nil {
		t.Error("old client accepted")
	}
	if r := connect(t, old, tlsid.XMPPClientConfig(&c.TLS, name("old.test"))); r.clientErr == nil {
		t.Error("old server accepted")
	}
}
