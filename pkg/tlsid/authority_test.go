package tlsid_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/tlsid"
)

// TestLoadAuthorityRefuses: each error names the file and says what would be right.
func TestLoadAuthorityRefuses(t *testing.T) {
	now := time.Now()
	constrained := func(excluded ...string) ca.Cert { return ca.NewConstrained("X", nil, excluded).Cert() }
	both := []string{"ours.test", "ours.example"}
	mixed := pairOf(t, constrained(both...))
	mixed.Key = pairOf(t, constrained(both...)).Key
	tests := []struct {
		name string
		pair tlsid.Pair
		at   time.Time
		want string // in the error; "" = accepted
	}{
		{"exactly ours", pairOf(t, constrained(both...)), now, ""},
		{"above ours", pairOf(t, constrained("test", "EXAMPLE")), now, ""},
		{"no constraints", pairOf(t, ca.New("X").Cert()), now, "nameConstraints = critical,excluded;DNS:ours.test,excluded;DNS:ours.example"},
		{"one missing", pairOf(t, constrained("ours.test")), now, "do not exclude ours.example:"},
		{"below ours only", pairOf(t, constrained("ours.example", "a.ours.test")), now, "do not exclude ours.test:"},
		{"a dot leaves the domain itself", pairOf(t, constrained("ours.example", ".ours.test")), now, "do not exclude ours.test:"},
		{"permits", pairOf(t, ca.NewConstrained("X", []string{"a.test"}, both).Cert()), now, "permit only a.test"},
		{"a leaf", pairOf(t, ca.New("X").Issue(ca.Leaf{DNS: both})), now, "CA:TRUE"},
		{"a leaf's key usage", pairOf(t, ca.New("X").Issue(ca.Leaf{DNS: both, CA: true})), now, "keyCertSign"},
		{"one role", pairOf(t, ca.New("X").Intermediate("Y", x509.ExtKeyUsageServerAuth).Cert()), now, "clientAuth"},
		{"expired", pairOf(t, constrained(both...)), now.AddDate(11, 0, 0), "expired on"},
		{"not yet valid", pairOf(t, constrained(both...)), now.AddDate(-1, 0, 0), "clock"},
		{"another's key", mixed, now, "private key does not match"},
		{"no file", tlsid.Pair{Cert: "/nowhere/ca.crt", Key: mixed.Key}, now, "/nowhere/ca.crt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tlsid.LoadAuthority(tlsid.AuthorityConfig{
				Cert: tt.pair.Cert, Key: tt.pair.Key, Ours: ours(), CacheSize: 1, Rate: 1,
				Now: func() time.Time { return tt.at },
			})
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.pair.Cert)):
				t.Errorf("error %v, want %q and the file in it", err, tt.want)
			}
		})
	}
}

func TestLoadAuthorityWantsBounds(t *testing.T) {
	pair := pairOf(t, private().Cert())
	for _, c := range []tlsid.AuthorityConfig{{Rate: 1}, {CacheSize: 1}} {
		c.Cert, c.Key, c.Ours = pair.Cert, pair.Key, ours()
		if _, err := tlsid.LoadAuthority(c); err == nil {
			t.Errorf("cache %d, rate %g accepted", c.CacheSize, c.Rate)
		}
	}
}

// TestNewAuthorityPEM: it loads, and what it signs for us anyway is worthless.
func TestNewAuthorityPEM(t *testing.T) {
	now := time.Now()
	cert, key, err := tlsid.NewAuthorityPEM(ours(), now)
	if err != nil {
		t.Fatal(err)
	}
	config := tlsid.AuthorityConfig{Cert: write(t, cert), Key: write(t, key), Ours: ours(), CacheSize: 1, Rate: 1}
	if _, err := tlsid.LoadAuthority(config); err != nil {
		t.Fatal(err)
	}
	config.Ours = nil // whoever has the key may do this
	a, err := tlsid.LoadAuthority(config)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := a.For(name("a.ours.test"))
	if err != nil {
		t.Fatal(err)
	}
	roots := trust(t, tlsid.TrustConfig{Roots: []string{config.Cert}})
	_, err = roots.IdentifyXMPP([]*x509.Certificate{forged.Leaf})
	wantKind(t, err, tlsid.BadChain)
	if _, _, err := tlsid.NewAuthorityPEM(nil, now); err == nil {
		t.Error("an authority without anything excluded")
	}
}
