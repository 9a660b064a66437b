package tlsid_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// minting is an Authority out of root for a pool of ours.test and ours.example,
// whose clock the test moves.
func minting(t *testing.T, root ca.Cert, size int, clock *time.Time) *tlsid.Authority {
	t.Helper()
	pair := pairOf(t, root)
	a, err := tlsid.LoadAuthority(tlsid.AuthorityConfig{
		Cert: pair.Cert, Key: pair.Key, Ours: ours(), CacheSize: size, Rate: 5,
		Now: func() time.Time { return *clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ours() []domain.Name { return []domain.Name{name("ours.test"), name("ours.example")} }

func private() *ca.Authority {
	return ca.NewConstrained("Private", nil, []string{"ours.test", "ours.example"})
}

// TestMint: what is minted proves its domain to the pool in both roles, for a week
// at most, and proves nothing else.
func TestMint(t *testing.T) {
	root, clock := private(), time.Now()
	a := minting(t, root.Cert(), 10, &clock)
	for _, d := range []string{"a.test", "bücher.test", "test", "xours.test"} {
		cert, err := a.For(name(d))
		if err != nil {
			t.Fatal(err)
		}
		id, err := trusting(t, root).IdentifyXMPP([]*x509.Certificate{cert.Leaf})
		if err != nil || len(id.Names()) != 1 || !id.Covers(name(d)) {
			t.Errorf("%s: %v, names %q", d, err, id.Names())
		}
		for _, usage := range usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth) {
			options := x509.VerifyOptions{Roots: poolOf(root), DNSName: name(d).String(), KeyUsages: usages(usage)}
			if _, err := cert.Leaf.Verify(options); err != nil {
				t.Errorf("%s: %v", d, err)
			}
		}
		if lives := cert.Leaf.NotAfter.Sub(clock); lives > 7*24*time.Hour || cert.Leaf.NotBefore.After(clock) {
			t.Errorf("%s: lives from %v to %v", d, cert.Leaf.NotBefore, cert.Leaf.NotAfter)
		}
		if len(cert.Certificate) != 1 || cert.Leaf.Subject.CommonName != "" {
			t.Errorf("%s: %d certificates to present, subject %v", d, len(cert.Certificate), cert.Leaf.Subject)
		}
	}
	one, _ := a.For(name("a.test"))
	two, _ := a.For(name("test"))
	if one.PrivateKey != two.PrivateKey {
		t.Error("two keys")
	}
}

// TestMintOnWire: both ends of a pool's connection, with the pool's checks those of
// crypto/tls.
func TestMintOnWire(t *testing.T) {
	root, clock := private(), time.Now()
	a := minting(t, root.Cert(), 10, &clock)
	cert, err := a.For(name("partner.test"))
	if err != nil {
		t.Fatal(err)
	}
	pool := presenting()
	pool.InsecureSkipVerify, pool.RootCAs, pool.ServerName = false, poolOf(root), "partner.test"
	if r := connect(t, tlsid.XMPPServerConfig(a.For), pool); r.serverErr != nil || r.clientErr != nil || r.readErr != nil {
		t.Errorf("pool as client: server %v, client %v, read %v", r.serverErr, r.clientErr, r.readErr)
	}
	pool = presenting(root.Issue(ca.Leaf{DNS: []string{"pool.test"}}))
	pool.ClientAuth, pool.ClientCAs = tls.RequireAndVerifyClientCert, poolOf(root)
	if r := connect(t, pool, tlsid.XMPPClientConfig(cert, name("ours.test"))); r.serverErr != nil || r.clientErr != nil || r.readErr != nil {
		t.Errorf("pool as server: server %v, client %v, read %v", r.serverErr, r.clientErr, r.readErr)
	}
}

func TestMintRefusesOurs(t *testing.T) {
	clock := time.Now()
	a := minting(t, private().Cert(), 10, &clock)
	for _, d := range []domain.Name{name("ours.test"), name("a.ours.test"), name("b.a.ours.example"), {}} {
		_, err := a.For(d)
		wantMintError(t, err, tlsid.MintOurs)
	}
}

func wantMintError(t *testing.T, err error, kind tlsid.MintErrorKind) {
	t.Helper()
	if refused, ok := errors.AsType[*tlsid.MintError](err); !ok || refused.Kind != kind {
		t.Errorf("error %v, want a MintError of kind %v", err, kind)
	}
}

// TestMintRenews: one certificate until half its life is over, then another; never
// one that outlives the authority.
func TestMintRenews(t *testing.T) {
	start := time.Now()
	root, clock := private(), start
	a := minting(t, root.Cert(), 10, &clock)
	at := func(after time.Duration) *x509.Certificate {
		clock = start.Add(after)
		cert, err := a.For(name("a.test"))
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	const half = 84 * time.Hour
	first := at(0)
	if !at(half - time.Second).Equal(first) {
		t.Error("renewed before half its life")
	}
	if second := at(half); second.Equal(first) || !second.NotAfter.After(first.NotAfter) {
		t.Error("not renewed at half its life")
	}
	end := a.Expiry().Sub(start)
	if last := at(end - time.Hour); !last.NotAfter.Equal(a.Expiry()) {
		t.Errorf("ends %v, the authority %v", last.NotAfter, a.Expiry())
	}
	clock = a.Expiry()
	_, err := a.For(name("a.test"))
	wantMintError(t, err, tlsid.MintExpired)
}

// TestMintBounds: at most CacheSize are kept, the one asked for longest ago goes,
// and the rate counts new ones only.
func TestMintBounds(t *testing.T) {
	start := time.Now()
	clock := start
	a := minting(t, private().Cert(), 3, &clock)
	get := func(d string) *x509.Certificate {
		t.Helper()
		cert, err := a.For(name(d))
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	one, two := get("one.test"), get("two.test")
	get("three.test")
	get("one.test")
	get("four.test") // two goes
	if !get("one.test").Equal(one) {
		t.Error("one.test was asked for recently and is gone")
	}
	if get("two.test").Equal(two) { // the fifth; three goes
		t.Error("two.test was kept: four in a cache of three")
	}
	_, err := a.For(name("three.test"))
	wantMintError(t, err, tlsid.MintRate)
	get("one.test") // costs nothing
	clock = start.Add(200 * time.Millisecond)
	get("three.test") // four goes
	_, err = a.For(name("six.test"))
	wantMintError(t, err, tlsid.MintRate)
}

// TestMintOldIsBetterThanNone: over the rate, a certificate past half its life is
// handed out until its end.
func TestMintOldIsBetterThanNone(t *testing.T) {
	start := time.Now()
	clock := start
	a := minting(t, private().Cert(), 10, &clock)
	first, err := a.For(name("a.test"))
	if err != nil {
		t.Fatal(err)
	}
	spend := func(at time.Duration, prefix string) {
		clock = start.Add(at)
		for i := range 5 {
			if _, err := a.For(name(fmt.Sprintf("%s%d.test", prefix, i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	spend(100*time.Hour, "x")
	if again, err := a.For(name("a.test")); err != nil || again != first {
		t.Errorf("over the rate: another certificate, or %v", err)
	}
	spend(168*time.Hour+time.Second, "y")
	_, err = a.For(name("a.test"))
	wantMintError(t, err, tlsid.MintRate)
}

// TestMintTogether: those who ask for one new domain together get one certificate.
func TestMintTogether(t *testing.T) {
	clock := time.Now()
	a := minting(t, private().Cert(), 10, &clock)
	var all sync.WaitGroup
	got := make([]*x509.Certificate, 20)
	for i := range got {
		all.Go(func() {
			if cert, err := a.For(name("a.test")); err == nil {
				got[i] = cert.Leaf
			}
		})
	}
	all.Wait()
	for _, c := range got {
		if c == nil || c != got[0] {
			t.Fatal("not one certificate for all")
		}
	}
}

// TestMintBelowRoot: an authority that is no root is presented with what it mints.
func TestMintBelowRoot(t *testing.T) {
	// An intermediate that is excluded by itself, below a root that is not.
	clock := time.Now()
	top := ca.New("Top")
	middle := top.ConstrainedIntermediate("Middle", nil, []string{"ours.test", "ours.example"})
	cert, err := minting(t, middle.Cert(), 10, &clock).For(name("a.test"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := trusting(t, top).IdentifyXMPP(presented(t, ca.Cert{TLS: *cert}))
	if err != nil || !id.Covers(name("a.test")) {
		t.Errorf("%v, names %q", err, id.Names())
	}
}
