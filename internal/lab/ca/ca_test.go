package ca_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"edged/internal/lab/ca"
)

func TestIssue(t *testing.T) {
	root := ca.New("Root")
	middle := root.Intermediate("Middle", x509.ExtKeyUsageServerAuth)
	leaf := middle.Issue(ca.Leaf{
		CN:     "sip.fabrikam.com",
		DNS:    []string{"sip.fabrikam.com"},
		URI:    []string{"sip:fabrikam.com"},
		EKU:    []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		Key:    ca.RSA,
		Serial: 7,
	})
	if len(leaf.TLS.Certificate) != 2 {
		t.Fatalf("chain of %d certificates, want the leaf and one intermediate", len(leaf.TLS.Certificate))
	}
	chains, err := leaf.X509.Verify(x509.VerifyOptions{
		Roots:         pool(root.Cert().X509),
		Intermediates: pool(middle.Cert().X509),
		DNSName:       "sip.fabrikam.com",
	})
	if err != nil || len(chains) != 1 || len(chains[0]) != 3 {
		t.Fatalf("Verify: %v, chains %v", err, chains)
	}
	if _, ok := leaf.X509.PublicKey.(*rsa.PublicKey); !ok {
		t.Errorf("key is a %T, want RSA", leaf.X509.PublicKey)
	}
	if got := leaf.X509.SerialNumber.Int64(); got != 7 {
		t.Errorf("serial %d, want 7", got)
	}
	if got := leaf.X509.URIs[0].String(); got != "sip:fabrikam.com" {
		t.Errorf("URI %q", got)
	}
}

func TestIssueWithoutIntermediates(t *testing.T) {
	leaf := ca.New("Root").Intermediate("Middle").Issue(ca.Leaf{SignedByOne: true})
	if len(leaf.TLS.Certificate) != 1 {
		t.Errorf("chain of %d certificates, want the leaf alone", len(leaf.TLS.Certificate))
	}
}

// TestOtherNames: crypto/x509 reads the names it knows beside those it does not.
func TestOtherNames(t *testing.T) {
	leaf := ca.New("Root").Issue(ca.Leaf{
		DNS: []string{"a.test"}, URI: []string{"sip:a.test"},
		SRV: []string{"_xmpp-server.a.test"}, XMPPAddr: []string{"a.test"},
	}).X509
	if len(leaf.DNSNames) != 1 || len(leaf.URIs) != 1 || leaf.URIs[0].String() != "sip:a.test" {
		t.Errorf("DNS %q, URI %v", leaf.DNSNames, leaf.URIs)
	}
	// RFC 4985 §2: otherName { 1.3.6.1.5.5.7.8.7, [0] IA5String }; RFC 6120
	// §13.7.1.4: otherName { 1.3.6.1.5.5.7.8.5, [0] UTF8String }.
	for _, want := range []string{
		"\xa0\x21\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x07\xa0\x15\x16\x13_xmpp-server.a.test",
		"\xa0\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x08\x0c\x06a.test",
	} {
		if !slices.ContainsFunc(leaf.Extensions, func(e pkix.Extension) bool { return bytes.Contains(e.Value, []byte(want)) }) {
			t.Errorf("no extension holds %q", want)
		}
	}
}

// TestConstrained: crypto/x509 enforces what the authority was made with.
func TestConstrained(t *testing.T) {
	root := ca.NewConstrained("Root", []string{"a.test"}, []string{"x.a.test"})
	middle := ca.New("Top").ConstrainedIntermediate("Middle", nil, []string{"x.a.test"})
	for name, ok := range map[string]bool{"a.test": true, "y.a.test": true, "x.a.test": false, "b.test": false} {
		leaf := root.Issue(ca.Leaf{DNS: []string{name}}).X509
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool(root.Cert().X509)}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	leaf := middle.Issue(ca.Leaf{DNS: []string{"x.a.test"}}).X509
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool(middle.Cert().X509)}); err == nil {
		t.Error("an intermediate's constraints do not hold")
	}
}

func TestWriteFiles(t *testing.T) {
	cert, key, err := ca.New("Root").Intermediate("Middle").Issue(ca.Leaf{CN: "edge"}).WriteFiles(t.TempDir(), "edge")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Certificate) != 2 || pair.Leaf.Subject.CommonName != "edge" {
		t.Errorf("loaded %d certificates of %q", len(pair.Certificate), pair.Leaf.Subject.CommonName)
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info.Mode(), err)
	}
}

func TestCRL(t *testing.T) {
	root := ca.New("Root")
	leaf, other := root.Issue(ca.Leaf{CN: "revoked"}), root.Issue(ca.Leaf{CN: "good"})
	now := time.Now()
	block, _ := pem.Decode(root.CRL(now, now.Add(time.Hour), leaf))
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(root.Cert().X509); err != nil {
		t.Error(err)
	}
	if n := len(list.RevokedCertificateEntries); n != 1 {
		t.Fatalf("%d entries, want 1", n)
	}
	got := list.RevokedCertificateEntries[0].SerialNumber
	if got.Cmp(leaf.X509.SerialNumber) != 0 || got.Cmp(other.X509.SerialNumber) == 0 {
		t.Errorf("revoked serial %v, want that of %v", got, leaf.X509.Subject)
	}
}

func TestHandshake(t *testing.T) {
	root := ca.New("Root")
	leaf := root.Issue(ca.Leaf{DNS: []string{"a.test"}})
	left, right := net.Pipe()
	defer left.Close()
	server := tls.Server(left, &tls.Config{Certificates: []tls.Certificate{leaf.TLS}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	client := tls.Client(right, &tls.Config{RootCAs: pool(root.Cert().X509), ServerName: "a.test"})
	if err := client.Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
