package tlsid

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
)

// FuzzAltNames: whatever bytes a subjectAltName holds, its names are domains in
// canonical form, each once, and cover themselves, or as wildcards do not.
func FuzzAltNames(f *testing.F) {
	leaf := ca.New("Root").Issue(ca.Leaf{
		DNS: []string{"a.test", "*.b.test"}, URI: []string{"sip:a.test"},
		SRV: []string{"_xmpp-server.c.test", "_xmpp-client.d.test"}, XMPPAddr: []string{"bücher.test", "u@a.test"},
	}).X509
	for _, e := range leaf.Extensions {
		f.Add(e.Value)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c := &x509.Certificate{Extensions: []pkix.Extension{{Id: subjectAltName(), Value: der}}}
		names := xmppNames(c)
		seen := make(map[string]bool)
		for _, n := range names {
			if again, err := domain.ParseWire(n.name.String()); err != nil || again != n.name || seen[n.String()] {
				t.Fatalf("%q: %v, seen %v", n, err, seen[n.String()])
			}
			seen[n.String()] = true
			if alone := []xmppName{n}; covered(alone, n.name) == n.wildcard || !n.wildcard && !covered(names, n.name) {
				t.Fatalf("%q of %q", n, names)
			}
			if !n.within("") || !n.meets(n.name.String()) {
				t.Fatalf("%q lies nowhere", n)
			}
		}
		if covered(names, domain.Name{}) {
			t.Fatal("the zero name is covered")
		}
	})
}
