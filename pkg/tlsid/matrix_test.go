package tlsid_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// TestCertificateMatrix is which domains a client's certificate proves, or why it
// is refused, by real handshakes.
func TestCertificateMatrix(t *testing.T) {
	const us = "partner.test"
	dns := []string{us}
	uri := []string{"sip:" + us}
	past := time.Now().Add(-48 * time.Hour)
	trusted, rogue := ca.New("Trusted"), ca.New("Rogue")
	tests := []struct {
		name string
		by   *ca.Authority // nil = trusted
		leaf ca.Leaf
		want []string
		how  string
		kind tlsid.CertErrorKind
	}{
		{name: "DNS and URI, ECDSA", leaf: ca.Leaf{DNS: dns, URI: uri}, want: []string{us}, how: "sip-uri"},
		{name: "DNS and URI, RSA", leaf: ca.Leaf{DNS: dns, URI: uri, Key: ca.RSA}, want: []string{us}, how: "sip-uri"},
		{name: "URI only", leaf: ca.Leaf{URI: uri}, want: []string{us}, how: "sip-uri"},
		{
			name: "URI of another, DNS of the domain", leaf: ca.Leaf{URI: []string{"sip:other.test"}, DNS: dns},
			want: []string{"other.test"}, how: "sip-uri",
		},
		{
			name: "third DNS", leaf: ca.Leaf{DNS: []string{"a.test", "b.test", us}},
			want: []string{"a.test", "b.test", us}, how: "dns",
		},
		{
			name: "third URI", leaf: ca.Leaf{URI: []string{"sip:a.test", "sip:b.test", "sip:" + us}, DNS: []string{"c.test"}},
			want: []string{"a.test", "b.test", us}, how: "sip-uri",
		},
		{name: "URI with a user part only", leaf: ca.Leaf{CN: us, URI: []string{"sip:alice@" + us}}, kind: tlsid.NoNames},
		{name: "CN beside some other SAN", leaf: ca.Leaf{CN: us, DNS: []string{"other.test"}}, want: []string{"other.test"}, how: "dns"},
		{name: "CN alone", leaf: ca.Leaf{CN: us}, want: []string{us}, how: "cn"},
		{name: "wildcard", leaf: ca.Leaf{CN: us, DNS: []string{"*." + us}}, kind: tlsid.NoNames},
		{name: "EKU sipDomain only", leaf: ca.Leaf{DNS: dns, EKUOther: []asn1.ObjectIdentifier{ca.SIPDomain()}}, want: []string{us}, how: "dns"},
		{name: "EKU serverAuth only", leaf: ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageServerAuth)}, want: []string{us}, how: "dns"},
		{name: "EKU clientAuth only", leaf: ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageClientAuth)}, want: []string{us}, how: "dns"},
		{name: "EKU any", leaf: ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageAny)}, want: []string{us}, how: "dns"},
		{name: "EKU mail only", leaf: ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageEmailProtection)}, kind: tlsid.WrongUsage},
		{name: "evil.test", leaf: ca.Leaf{DNS: []string{"evil.test"}}, want: []string{"evil.test"}, how: "dns"},
		{name: "expired", leaf: ca.Leaf{DNS: dns, NotBefore: past, NotAfter: past.Add(time.Hour)}, kind: tlsid.Expired},
		{name: "not yet valid", leaf: ca.Leaf{DNS: dns, NotBefore: time.Now().Add(time.Hour)}, kind: tlsid.NotYetValid},
		{name: "unknown CA", by: rogue, leaf: ca.Leaf{DNS: dns}, kind: tlsid.UnknownAuthority},
	}
	side := &tlsid.Side{Keys: keys(t, trusted.Issue(ca.Leaf{DNS: []string{"us.test"}})), Trust: trusting(t, trusted)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			by := tt.by
			if by == nil {
				by = trusted
			}
			r := connect(t, tlsid.ServerConfig(always(side), nil), presenting(by.Issue(tt.leaf)))
			if tt.kind != 0 {
				wantRefused(t, r, tt.kind)
				return
			}
			if r.serverErr != nil || r.readErr != nil {
				t.Fatalf("handshake: server %v, client %v", r.serverErr, r.readErr)
			}
			id, err := tlsid.PeerIdentity(side, r.server)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts(id.Names)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if id.How != tt.how || id.Leaf == nil || !cmp.Equal(id.Anchors, []string{""}) {
				t.Errorf("how %q, anchors %q, leaf %v; want how %q by tls.roots", id.How, id.Anchors, id.Leaf != nil, tt.how)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		for _, version := range versions() {
			t.Run(tls.VersionName(version), func(t *testing.T) {
				client := presenting()
				client.MaxVersion = version
				wantRefused(t, connect(t, tlsid.ServerConfig(always(side), nil), client), tlsid.None)
			})
		}
	})
}

func usages(u ...x509.ExtKeyUsage) []x509.ExtKeyUsage { return u }

// wantRefused wants the server's refusal, typed, and that the client was told.
func wantRefused(t *testing.T, r result, kind tlsid.CertErrorKind) {
	t.Helper()
	refused, ok := tlsid.Refusal(r.serverErr)
	if !ok || refused.Kind != kind {
		t.Errorf("server: %v, want refusal %v", r.serverErr, kind)
	}
	if !tlsid.IsAlert(r.clientErr) && !tlsid.IsAlert(r.readErr) {
		t.Errorf("client: handshake %v, read %v; want an alert", r.clientErr, r.readErr)
	}
}

// TestNames are finer points of RFC 5922 §7.
func TestNames(t *testing.T) {
	root := ca.New("Root")
	roots := trusting(t, root)
	tests := []struct {
		name string
		leaf ca.Leaf
		want []string
	}{
		{"upper case", ca.Leaf{DNS: []string{"SIP.Partner.TEST"}}, []string{"sip.partner.test"}},
		{"A-label", ca.Leaf{DNS: []string{"xn--bcher-kva.test"}}, []string{"xn--bcher-kva.test"}},
		{"not an A-label", ca.Leaf{DNS: []string{"xn--a.test", "ok.test"}}, []string{"ok.test"}},
		{"same name twice", ca.Leaf{DNS: []string{"a.test", "A.test"}}, []string{"a.test"}},
		{"wildcard beside a name", ca.Leaf{DNS: []string{"*.a.test", "a.test"}}, []string{"a.test"}},
		{"port and parameters", ca.Leaf{URI: []string{"sip:a.test:5061;transport=tls", "sip:b.test?x=y"}}, []string{"a.test", "b.test"}},
		{"scheme in capitals", ca.Leaf{URI: []string{"SIP:a.test"}}, []string{"a.test"}},
		{"other schemes are no SIP identities", ca.Leaf{URI: []string{"sips:a.test", "https://b.test", "xmpp:c.test"}, DNS: []string{"d.test"}}, []string{"d.test"}},
		{"a person's URI leaves the DNS names", ca.Leaf{URI: []string{"sip:alice@a.test", "sip://bob@a.test"}, DNS: []string{"d.test"}}, []string{"d.test"}},
		{"a useless sip URI still hides the DNS names", ca.Leaf{URI: []string{"sip:192.0.2.1"}, DNS: []string{"d.test"}}, nil},
		{"a sip URI with slashes", ca.Leaf{URI: []string{"sip://a.test"}, DNS: []string{"d.test"}}, nil},
		{"addresses", ca.Leaf{DNS: []string{"192.0.2.1"}}, nil},
		{"CN that is a sentence", ca.Leaf{CN: "Partner Ltd."}, nil},
		{"no name at all", ca.Leaf{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := roots.Identify([]*x509.Certificate{root.Issue(tt.leaf).X509})
			if diff := cmp.Diff(tt.want, texts(id.Names)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if len(tt.want) == 0 {
				wantKind(t, err, tlsid.NoNames)
			}
		})
	}
}

// TestTooManyNames is the bound and what happens at it.
func TestTooManyNames(t *testing.T) {
	root := ca.New("Root")
	roots := trusting(t, root)
	names := make([]string, tlsid.MaxNames+1)
	for i := range names {
		names[i] = "a" + strconv.Itoa(i) + ".test"
	}
	id, err := roots.Identify([]*x509.Certificate{root.Issue(ca.Leaf{DNS: names[1:]}).X509})
	if err != nil || len(id.Names) != tlsid.MaxNames {
		t.Errorf("at the bound: %d names, %v", len(id.Names), err)
	}
	id, err = roots.Identify([]*x509.Certificate{root.Issue(ca.Leaf{DNS: names}).X509})
	wantKind(t, err, tlsid.TooManyNames)
	if len(id.Names) != 0 {
		t.Errorf("above the bound: %d names proven", len(id.Names))
	}
}

func TestCovers(t *testing.T) {
	id := tlsid.Identity{Names: []domain.Name{domain.MustParse("a.test"), {}}}
	for name, want := range map[string]bool{"a.test": true, "b.a.test": false, "test": false} {
		if got := id.Covers(domain.MustParse(name)); got != want {
			t.Errorf("Covers(%s) = %v", name, got)
		}
	}
	if id.Covers(domain.Name{}) {
		t.Error("the zero name is covered")
	}
}
