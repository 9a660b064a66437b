// Package configtest lays out configurations for tests: those that have to be
// good, and those in internal/config/testdata/bad that have to be refused with an
// exact text, whoever loads them.
package configtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// Lay copies folders into a new one, later ones over earlier ones, adds what a
// repository cannot hold, and returns its path. Added are certificates with their
// keys and a secret, under the names that configs/edged.yaml uses, unless a
// folder has such a file.
//
// Copies are readable by their owner only, except those whose name begins with
// "open-": secrets have to be.
func Lay(tb testing.TB, folders ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	addSecret(tb, filepath.Join(dir, "tls", "edge.secret"))
	addPair(tb, filepath.Join(dir, "tls", "edge"), "sip.contoso.com", "xmpp.contoso.com", "contoso.com")
	addPair(tb, filepath.Join(dir, "tls", "inside"), "edge.corp.contoso.com")
	addPair(tb, filepath.Join(dir, "tls", "internal-ca"), "ca.corp.contoso.com")
	addAuthority(tb, filepath.Join(dir, "tls", "authority"), "contoso.com", "conference.contoso.com", "branch.contoso.com")
	addPair(tb, filepath.Join(dir, "litware-ca"), "ca.litware.com")
	for _, from := range folders {
		if err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			name, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			return copyFile(path, filepath.Join(dir, name))
		}); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if strings.HasPrefix(filepath.Base(to), "open-") {
		mode = 0o644
	}
	if err := os.WriteFile(to, raw, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode) // whatever the umask is
}

func write(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// addSecret writes what ReadSecret accepts.
func addSecret(tb testing.TB, path string) {
	tb.Helper()
	b := make([]byte, 32)
	rand.Read(b) // never fails
	write(tb, path, []byte(hex.EncodeToString(b)+"\n"))
}

// addPair writes base.crt and base.key: a certificate for names that signs itself.
// addAuthority adds the private authority for XMPP pools, which may not name ours.
func addAuthority(tb testing.TB, base string, ours ...string) {
	tb.Helper()
	names := make([]domain.Name, len(ours))
	for i, name := range ours {
		names[i] = domain.MustParse(name)
	}
	cert, key, err := tlsid.NewAuthorityPEM(names, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, base+".crt", cert)
	write(tb, base+".key", key)
}

func addPair(tb testing.TB, base string, names ...string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	write(tb, base+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	write(tb, base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
