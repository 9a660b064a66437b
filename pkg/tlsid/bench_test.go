package tlsid_test

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/tlsid"
)

// BenchmarkIdentify is the cost of each new connection besides its handshake, for
// a partner and for a stranger, beside many entries with roots of their own.
func BenchmarkIdentify(b *testing.B) {
	dir := b.TempDir()
	write := func(name string, a *ca.Authority) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, a.Cert().PEM, 0o600); err != nil {
			b.Fatal(err)
		}
		return file
	}
	root := ca.New("Root")
	anchors := make(map[string][]string)
	for i := range 200 {
		name := fmt.Sprintf("partner%d.test", i)
		anchors[name] = []string{write(name, ca.New(name))}
	}
	clock := time.Now()
	now := func() time.Time { // nothing is remembered from one round to the next
		clock = clock.Add(-time.Nanosecond)
		return clock
	}
	trusted, err := tlsid.LoadTrust(tlsid.TrustConfig{Roots: []string{write("root", root)}, Anchors: anchors, Now: now})
	if err != nil {
		b.Fatal(err)
	}
	for name, authority := range map[string]*ca.Authority{"partner": root, "stranger": ca.New("Rogue")} {
		middle := authority.Intermediate("Middle")
		chain := []*x509.Certificate{middle.Issue(ca.Leaf{DNS: []string{"a.test", "sip.a.test"}}).X509, middle.Cert().X509}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := trusted.Identify(chain); (err == nil) != (authority == root) {
					b.Fatal(err)
				}
			}
		})
	}
}
