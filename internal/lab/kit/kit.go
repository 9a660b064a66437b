// Package kit is what the beds of several tests have in common: the folder of an edge
// with the certificates, roots and the secret that its configuration names.
package kit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
)

// The names of an edge, outside and inside.
const (
	Outside = "sip.contoso.com"
	Inside  = "edge.corp.contoso.com"
)

// Patience bounds every wait. Nothing waits so long unless it fails.
const Patience = 20 * time.Second

// Files is the folder of an edge.
type Files struct {
	Dir string
	// Public signs partners, and the edge outside; Private our own servers, and the edge
	// inside.
	Public, Private *ca.Authority

	tb testing.TB
}

// New makes a folder: tls/edge.crt for contoso.com outside and tls/inside.crt inside,
// with their keys, who signs them as tls/public.crt and tls/private.crt, and a new
// secret, tls/edge.secret.
func New(tb testing.TB) *Files {
	tb.Helper()
	f := &Files{Dir: tb.TempDir(), Public: ca.New("Public"), Private: ca.New("Private"), tb: tb}
	f.Secret(NewSecret())
	f.Issue("edge", f.Public, Outside, "contoso.com")
	f.Issue("inside", f.Private, Inside)
	f.File("tls/public.crt", f.Public.Cert().PEM)
	f.File("tls/private.crt", f.Private.Cert().PEM)
	return f
}

// NewSecret is a secret that nobody has had.
func NewSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}

// Secret writes the secret file: the current secret, then the previous.
func (f *Files) Secret(lines ...string) {
	f.tb.Helper()
	f.File("tls/edge.secret", []byte(strings.Join(lines, "\n")+"\n"))
}

// File writes a file, and makes its folder.
func (f *Files) File(name string, content []byte) {
	f.tb.Helper()
	path := filepath.Join(f.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.tb.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		f.tb.Fatal(err)
	}
}

// Issue writes a certificate of the edge, tls/base.crt, with its key.
func (f *Files) Issue(base string, signer *ca.Authority, names ...string) ca.Cert {
	f.tb.Helper()
	f.File("tls/.keep", nil)
	cert := signer.Issue(ca.Leaf{CN: names[0], DNS: names})
	if _, _, err := cert.WriteFiles(filepath.Join(f.Dir, "tls"), base); err != nil {
		f.tb.Fatal(err)
	}
	return cert
}

// Soon is a context that ends with the patience.
func (f *Files) Soon() context.Context {
	f.tb.Helper()
	ctx, cancel := context.WithTimeout(f.tb.Context(), Patience)
	f.tb.Cleanup(cancel)
	return ctx
}
