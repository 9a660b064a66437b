package tlsid_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// write puts blobs, one after the other, into a new file of the test.
func write(t *testing.T, blobs ...[]byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, bytes.Join(blobs, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// rootFile writes the roots' certificates into one file.
func rootFile(t *testing.T, roots ...*ca.Authority) string {
	t.Helper()
	var blobs [][]byte
	for _, r := range roots {
		blobs = append(blobs, r.Cert().PEM)
	}
	return write(t, blobs...)
}

func trust(t *testing.T, c tlsid.TrustConfig) *tlsid.Trust {
	t.Helper()
	loaded, err := tlsid.LoadTrust(c)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// trusting is a Trust in one public root and nothing else.
func trusting(t *testing.T, root *ca.Authority) *tlsid.Trust {
	t.Helper()
	return trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, root)}})
}

func pairOf(t *testing.T, c ca.Cert) tlsid.Pair {
	t.Helper()
	cert, key, err := c.WriteFiles(t.TempDir(), "own")
	if err != nil {
		t.Fatal(err)
	}
	return tlsid.Pair{Cert: cert, Key: key}
}

func keys(t *testing.T, certs ...ca.Cert) *tlsid.KeyRing {
	t.Helper()
	var pairs []tlsid.Pair
	for _, c := range certs {
		pairs = append(pairs, pairOf(t, c))
	}
	ring, err := tlsid.LoadKeys(pairs, domain.Name{})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func always(s *tlsid.Side) func() *tlsid.Side { return func() *tlsid.Side { return s } }

func texts(names []domain.Name) []string {
	var list []string
	for _, n := range names {
		list = append(list, n.String())
	}
	slices.Sort(list)
	return list
}

// result is how both ends saw one connection.
type result struct {
	serverErr error // of the server's handshake
	clientErr error // of the client's handshake
	readErr   error // of the client's first read, if its handshake succeeded
	server    tls.ConnectionState
	client    tls.ConnectionState
}

// connect runs one handshake over loopback; the server greets with a byte. A
// net.Pipe would not do: whoever refuses writes its alert while the other end is
// still writing, which needs a buffer in between.
func connect(t *testing.T, server, client *tls.Config) result {
	t.Helper()
	left, right := loopback(t)
	var r result
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(left, server)
		if r.serverErr = conn.HandshakeContext(t.Context()); r.serverErr != nil {
			return // not closed yet: a reset could overtake the alert
		}
		r.server = conn.ConnectionState()
		_, r.serverErr = conn.Write([]byte{'!'})
	}()
	conn := tls.Client(right, client)
	if r.clientErr = conn.HandshakeContext(t.Context()); r.clientErr == nil {
		_, r.readErr = conn.Read(make([]byte, 1))
		r.client = conn.ConnectionState()
	}
	<-done
	return r
}

func loopback(t *testing.T) (left, right net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if right, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if left, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{left, right} {
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return left, right
}

// presenting is a client of another make: it presents c and believes everything.
func presenting(c ...ca.Cert) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true}
	for _, one := range c {
		config.Certificates = append(config.Certificates, one.TLS)
	}
	return config
}

// versions are those of TLS that we speak.
func versions() []uint16 { return []uint16{tls.VersionTLS12, tls.VersionTLS13} }

func poolOf(a *ca.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert().X509)
	return pool
}
