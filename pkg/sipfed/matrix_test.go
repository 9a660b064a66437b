package sipfed

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
)

// TestCertificateMatrix: which certificates let a partner speak for fabrikam.com, and
// which let the edge speak to it (RFC 5922 §7, RFC 5924). What a chain proves is
// tested in pkg/tlsid; here is what follows from it for a message, either way.
func TestCertificateMatrix(t *testing.T) {
	const us = "fabrikam.com"
	w := world()
	rogue := ca.New("rogue")
	dns := []string{us}
	past := time.Now().Add(-48 * time.Hour)
	tests := []struct {
		name string
		by   *ca.Authority
		leaf ca.Leaf
		in   string // what is answered to a message; none: no handshake
		out  bool   // a message arrives
	}{
		{"the domain, DNS and URI", w.public, ca.Leaf{DNS: dns, URI: []string{"sip:" + us}}, "200", true},
		{"the same, RSA", w.public, ca.Leaf{DNS: dns, URI: []string{"sip:" + us}, Key: ca.RSA}, "200", true},
		{"URI of the domain only", w.public, ca.Leaf{URI: []string{"sip:" + us}}, "200", true},
		{"URI of another, DNS of the domain", w.public, ca.Leaf{URI: []string{"sip:other.example"}, DNS: dns}, "403", false},
		{"the third DNS name", w.public, ca.Leaf{DNS: []string{"a.example", "b.example", "FABRIKAM.com"}}, "200", true},
		{"URI with a user", w.public, ca.Leaf{URI: []string{"sip:bob@" + us}}, "", false},
		{"common name beside another SAN", w.public, ca.Leaf{CN: us, DNS: []string{"other.example"}}, "403", false},
		{"common name alone", w.public, ca.Leaf{CN: us}, "200", true},
		{"wildcard", w.public, ca.Leaf{DNS: []string{"*." + us}}, "", false},
		{"wildcard and host", w.public, ca.Leaf{DNS: []string{"*." + us, "x.example"}}, "403", false},
		{"host of the SRV record", w.public, ca.Leaf{DNS: []string{"sip." + us}}, "200", true},
		{"another host of the domain", w.public, ca.Leaf{DNS: []string{"www." + us}}, "403", false},
		{"target of the record outside the domain", w.public, ca.Leaf{DNS: []string{"sip.hoster.example"}}, "403", false},
		{"subdomain", w.public, ca.Leaf{DNS: []string{"sub." + us}}, "403", false},
		{"EKU sipDomain only", w.public, ca.Leaf{DNS: dns, EKUOther: []asn1.ObjectIdentifier{ca.SIPDomain()}}, "200", true},
		{"EKU serverAuth only", w.public, ca.Leaf{DNS: dns, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, "200", true},
		{"EKU for mail only", w.public, ca.Leaf{DNS: dns, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}, "", false},
		{"expired", w.public, ca.Leaf{DNS: dns, NotBefore: past, NotAfter: past.Add(time.Hour)}, "", false},
		{"not yet valid", w.public, ca.Leaf{DNS: dns, NotBefore: time.Now().Add(time.Hour)}, "", false},
		{"unknown authority", rogue, ca.Leaf{DNS: dns}, "", false},
		{"the inside's authority", w.private, ca.Leaf{DNS: dns}, "", false},
	}
	z := federation(us, map[string]string{"sip.fabrikam.com": partnerAddr, "sip.hoster.example": partnerAddr}, "sip.fabrikam.com", "sip.hoster.example")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := tt.by.Issue(tt.leaf)
			t.Run("in", func(t *testing.T) { presents(t, z, &cert, tt.in) })
			t.Run("out", func(t *testing.T) { shows(t, z, cert, tt.out) })
		})
	}
	t.Run("none", func(t *testing.T) { presents(t, z, nil, "") })
	t.Run("refused after the handshake", refusedLate)
}

// presents lets a partner connect with a certificate, and write.
func presents(t *testing.T, z zone.Zone, cert *ca.Cert, want string) {
	t.Helper()
	b := zoned(t, z)
	config := &tls.Config{InsecureSkipVerify: true}
	if cert != nil {
		config.Certificates = []tls.Certificate{cert.TLS}
	}
	partner, err := b.connect(b.outside, config)
	if err == nil {
		_, err = partner.sock.Write([]byte(wire(request("MESSAGE", "1", ""))))
	}
	if want == "" {
		if m, readErr := partner.read(time.Minute); err == nil && readErr == nil { // TLS 1.3 tells late
			t.Errorf("got\n%s", m)
		}
		return
	}
	if want == "200" {
		pool := b.poolServer()
		pool.send(pool.expect("MESSAGE").reply("200 OK"))
	}
	partner.expect("SIP/2.0 " + want)
}

// shows lets the edge dial a partner that shows a certificate: without proof not a
// byte of SIP leaves.
func shows(t *testing.T, z zone.Zone, cert ca.Cert, arrives bool) {
	t.Helper()
	b := zoned(t, z)
	member := b.client(b.inside, b.world.member)
	member.send(writes("1"))
	raw := <-b.members[partnerAddr]
	sock := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert.TLS}, ClientAuth: tls.RequireAnyClientCert})
	err := sock.HandshakeContext(t.Context())
	partner := newPeer(t, raw, sock)
	if arrives {
		if err != nil {
			t.Fatal(err)
		}
		partner.send(partner.expect("MESSAGE").reply("200 OK"))
		member.expect("SIP/2.0 200")
		return
	}
	if err == nil && partner.receives() {
		t.Error("SIP left before the partner was proven")
	}
	answer := member.expect("SIP/2.0 504")
	if id := answer.one("ms-diagnostics"); !strings.HasPrefix(id, "1010;") {
		t.Errorf("the inside got ms-diagnostics %q, want 1010", id)
	}
}

// refusedLate: under TLS 1.3 a server refuses our certificate after our handshake is
// done, and that is a matter of TLS, not a silence.
func refusedLate(t *testing.T) {
	b := zoned(t, zone.Zone{
		SRV: map[string][]zone.SRV{"_sipfederationtls._tcp.fabrikam.com": {{Port: 5061, Target: "sip.fabrikam.com"}}},
		A:   map[string][]netip.Addr{"sip.fabrikam.com": {netip.MustParseAddr(partnerAddr)}},
	})
	member := b.client(b.inside, b.world.member)
	start := time.Now()
	member.send(writes("1"))
	raw := <-b.members[partnerAddr]
	defer raw.Close()
	sock := tls.Server(raw, &tls.Config{
		Certificates: []tls.Certificate{b.world.partner.TLS}, MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(), // trusts nobody
	})
	if sock.HandshakeContext(t.Context()) == nil {
		t.Fatal("the partner took our certificate")
	}
	answer := member.expect("SIP/2.0 504")
	if id := answer.one("ms-diagnostics"); !strings.HasPrefix(id, "1047;") {
		t.Errorf("the inside got ms-diagnostics %q, want 1047", id)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("after %v", took)
	}
}
