package interop

import (
	"crypto/x509"
	"testing"
	"time"

	"edged/internal/lab/ca"
)

// authority signs certificates. Its own is in the file, for the configurations
// of who trusts it.
type authority struct {
	*ca.Authority
	file string
	pool *x509.CertPool
}

func (w *world) newAuthority(t testing.TB, name string) authority {
	t.Helper()
	a := authority{Authority: ca.New(name), pool: x509.NewCertPool()}
	a.pool.AddCert(a.Cert().X509)
	a.file = w.write(t, name, a.Cert()).certFile
	return a
}

// credential is a certificate with its key, in memory and as files.
type credential struct {
	ca.Cert
	certFile, keyFile string
}

// issue signs a certificate for the names, for use on both sides of a connection.
func (w *world) issue(t testing.TB, a authority, names ...string) credential {
	t.Helper()
	return w.write(t, names[0], a.Issue(leaf(names...)))
}

// issueExpired is issue, but the certificate ended an hour ago.
func (w *world) issueExpired(t testing.TB, a authority, names ...string) credential {
	t.Helper()
	l := leaf(names...)
	l.NotBefore, l.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
	return w.write(t, names[0]+"-expired", a.Issue(l))
}

func leaf(names ...string) ca.Leaf {
	return ca.Leaf{
		CN: names[0], DNS: names,
		EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (w *world) write(t testing.TB, base string, c ca.Cert) credential {
	t.Helper()
	cert, key, err := c.WriteFiles(w.dir, base)
	if err != nil {
		t.Fatal(err)
	}
	return credential{Cert: c, certFile: cert, keyFile: key}
}
