package tlsid_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
	"edged/pkg/tlsid"
)

func wantKind(t *testing.T, err error, kind tlsid.CertErrorKind) {
	t.Helper()
	refused, ok := errors.AsType[*tlsid.CertError](err)
	if !ok {
		t.Errorf("error %v, want a CertError of kind %v", err, kind)
	} else if refused.Kind != kind {
		t.Errorf("%v: want kind %v", err, kind)
	}
}

// presented is a chain as crypto/tls hands it over.
func presented(t *testing.T, c ca.Cert) []*x509.Certificate {
	t.Helper()
	var chain []*x509.Certificate
	for _, der := range c.TLS.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, cert)
	}
	return chain
}

// TestAnchors is that a root proves for whom it was named, and for nobody else.
func TestAnchors(t *testing.T) {
	public, a, b := ca.New("Public"), ca.New("A"), ca.New("B")
	below := a.Intermediate("below A")
	pinned := b.Issue(ca.Leaf{DNS: []string{"b.test"}})
	mail := b.Issue(ca.Leaf{DNS: []string{"b.test"}, EKU: usages(x509.ExtKeyUsageEmailProtection)})
	loaded := trust(t, tlsid.TrustConfig{
		Roots: []string{rootFile(t, public)},
		Anchors: map[string][]string{
			"a.test":          {rootFile(t, a)},
			"b.test":          {rootFile(t, b)},
			"both.test":       {rootFile(t, a), rootFile(t, b)},
			"pinned.test":     {write(t, pinned.PEM)},
			"everyone.test":   {rootFile(t, public)},
			"below.test":      {rootFile(t, below)},
			"twice.test":      {rootFile(t, below, a)},
			"mail.test":       {write(t, mail.PEM)},
			"withsystem.test": {"system", rootFile(t, a)},
		},
	})
	names := ca.Leaf{DNS: []string{"b.test"}}
	tests := []struct {
		name string
		cert ca.Cert
		want []string
	}{
		{"private root A, though it names B", a.Issue(names), []string{"a.test", "both.test", "twice.test", "withsystem.test"}},
		{"private root B", b.Issue(names), []string{"b.test", "both.test"}},
		{"public root", public.Issue(names), []string{"", "everyone.test"}},
		{"an intermediate that is also somebody's root", below.Issue(names), []string{"a.test", "below.test", "both.test", "twice.test", "withsystem.test"}},
		{"the same, not sent along", below.Issue(ca.Leaf{DNS: names.DNS, SignedByOne: true}), []string{"below.test", "twice.test"}},
		{"pinned by itself", pinned, []string{"b.test", "both.test", "pinned.test"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := loaded.Identify(presented(t, tt.cert))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, id.Anchors); diff != "" {
				t.Errorf("anchors (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("pinned, but for mail", func(t *testing.T) {
		_, err := loaded.Identify(presented(t, mail))
		wantKind(t, err, tlsid.WrongUsage)
	})
	t.Run("nobody's", func(t *testing.T) {
		_, err := loaded.Identify(presented(t, ca.New("C").Issue(names)))
		wantKind(t, err, tlsid.UnknownAuthority)
	})
}

func TestChains(t *testing.T) {
	root := ca.New("Root")
	good, mail := root.Intermediate("For servers", x509.ExtKeyUsageServerAuth), root.Intermediate("For mail", x509.ExtKeyUsageEmailProtection)
	leaf := ca.Leaf{DNS: []string{"a.test"}, EKU: usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageEmailProtection)}
	loaded := trusting(t, root)
	later := trust(t, tlsid.TrustConfig{
		Roots:   []string{rootFile(t, root)},
		Anchors: map[string][]string{"other.test": {rootFile(t, ca.New("Other"))}},
		Now:     func() time.Time { return time.Now().AddDate(20, 0, 0) },
	})
	alone := leaf
	alone.SignedByOne = true
	long := leaf
	long.NotAfter = time.Now().AddDate(30, 0, 0)
	tests := []struct {
		name  string
		trust *tlsid.Trust
		chain []*x509.Certificate
		kind  tlsid.CertErrorKind
	}{
		{"with its intermediate", loaded, presented(t, good.Issue(leaf)), 0},
		{"without its intermediate", loaded, presented(t, good.Issue(alone)), tlsid.UnknownAuthority},
		{"authority for mail", loaded, presented(t, mail.Issue(leaf)), tlsid.WrongUsage},
		{"a leaf as authority", loaded, []*x509.Certificate{good.Issue(leaf).X509, good.Issue(leaf).X509}, tlsid.UnknownAuthority},
		{"authorities expired before the leaf", later, presented(t, good.Issue(long)), tlsid.Expired},
		{"a root expired before the leaf", later, presented(t, root.Issue(long)), tlsid.Expired},
		{"nothing", loaded, nil, tlsid.None},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.trust.Identify(tt.chain)
			if tt.kind != 0 {
				wantKind(t, err, tt.kind)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSystemRoots needs a machine with root certificates, as the product does.
func TestSystemRoots(t *testing.T) {
	loaded, err := tlsid.LoadTrust(tlsid.TrustConfig{Roots: []string{"system"}})
	if err != nil {
		if strings.Contains(err.Error(), "ca-certificates") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	_, err = loaded.Identify(presented(t, ca.New("Nobody").Issue(ca.Leaf{DNS: []string{"a.test"}})))
	wantKind(t, err, tlsid.UnknownAuthority)
}

// TestLoadTrustErrors: everything wrong at once, each with its file.
func TestLoadTrustErrors(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.pem")
	root := ca.New("Root").Cert()
	der := write(t, root.X509.Raw)
	broken := write(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("junk")}))
	key := write(t, root.KeyPEM)
	list := write(t, root.PEM)
	_, err := tlsid.LoadTrust(tlsid.TrustConfig{
		Roots:   []string{absent, der},
		Anchors: map[string][]string{"a.test": {broken}, "b.test": {key}, "": {list}},
		CRLs:    []string{list, der},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{absent, der, "openssl x509", broken + ": certificate 1", key, "without a name", list + ": no PEM block of type X509 CRL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("the absent file appeared")
	}
}

// TestRemembered: what was proven is asked for again only within a moment.
func TestRemembered(t *testing.T) {
	root := ca.New("Root")
	clock := time.Now()
	loaded := trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, root)}, Now: func() time.Time { return clock }})
	end := clock.Add(time.Minute)
	chain := presented(t, root.Issue(ca.Leaf{DNS: []string{"a.test"}, NotAfter: end}))
	for _, at := range []time.Time{clock, clock.Add(time.Second), end.Add(-time.Second)} {
		clock = at
		if id, err := loaded.Identify(chain); err != nil || len(id.Names) != 1 || id.Leaf == nil {
			t.Errorf("at %v: %v, %v", at, id, err)
		}
	}
	clock = end.Add(20 * time.Second)
	_, err := loaded.Identify(chain)
	wantKind(t, err, tlsid.Expired)

	clock = end.Add(-time.Second)
	longer := append(chain[:1:1], ca.New("Rogue").Cert().X509)
	if _, err := loaded.Identify(longer); err != nil {
		t.Errorf("superfluous certificate: %v", err)
	}
	clock = clock.Add(-2 * time.Hour) // a clock that was set back
	_, err = loaded.Identify(chain)
	wantKind(t, err, tlsid.NotYetValid)
}
