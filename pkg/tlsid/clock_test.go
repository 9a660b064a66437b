package tlsid_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/tlsid"
)

// jumps are what happens to a clock: it is set right, or wrong.
func jumps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{time.Hour, -time.Hour, day, -day, 30 * day, -60 * day, 365 * day, -300 * day}
}

// TestMintedWhenTheClockIsSet: what is handed out is valid by the clock of this
// moment, whatever it was when it was minted.
func TestMintedWhenTheClockIsSet(t *testing.T) {
	clock := time.Now().AddDate(1, 0, 0)
	a := minting(t, private().Cert(), 10, &clock)
	for _, jump := range jumps() {
		for range 2 { // the second one is remembered
			cert, err := a.For(name("partner.test"))
			if err != nil {
				t.Fatal(err)
			}
			if leaf := cert.Leaf; clock.Before(leaf.NotBefore) || !clock.Before(leaf.NotAfter) {
				t.Errorf("at %v: valid from %v to %v", clock, leaf.NotBefore, leaf.NotAfter)
			}
		}
		clock = clock.Add(jump)
	}
}

// TestProvenWhenTheClockIsSet: a certificate proves its names while it is valid by
// the clock of this moment, also if it was judged just before.
func TestProvenWhenTheClockIsSet(t *testing.T) {
	root, start := ca.New("Root"), time.Now()
	chain := []*x509.Certificate{root.Issue(ca.Leaf{
		DNS: []string{"a.test"}, NotBefore: start.Add(-30 * time.Minute), NotAfter: start.Add(30 * time.Minute),
	}).X509}
	clock := start
	trusted := trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, root)}, Now: func() time.Time { return clock }})
	for _, jump := range append([]time.Duration{0, time.Minute, -time.Minute}, jumps()...) {
		for _, at := range []time.Time{start.Add(jump), start} {
			clock = at
			_, err := trusted.Identify(chain)
			refused, _ := errors.AsType[*tlsid.CertError](err)
			switch age := at.Sub(start); {
			case age > 30*time.Minute && (refused == nil || refused.Kind != tlsid.Expired),
				age < -30*time.Minute && (refused == nil || refused.Kind != tlsid.NotYetValid),
				age.Abs() < 30*time.Minute && err != nil:
				t.Errorf("clock off by %v: %v", age, err)
			}
		}
	}
}
