package posh_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/posh"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const place = "/.well-known/posh/xmpp-server.json"

// web is one server for all web sites of a test, with a certificate for each name
// below example but wrong.example.
type web struct {
	root   *ca.Authority
	server *httptest.Server

	mu    sync.Mutex
	sites map[string]http.HandlerFunc // guarded by mu; "host/path"
	asked map[string]int              // guarded by mu
	dials []string                    // guarded by mu
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{root: ca.New("Web Root"), sites: make(map[string]http.HandlerFunc), asked: make(map[string]int)}
	good := w.root.Issue(ca.Leaf{DNS: []string{"*.example", "*.chat.example"}})
	wrong := w.root.Issue(ca.Leaf{DNS: []string{"other.example"}})
	w.server = httptest.NewUnstartedServer(w)
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.server.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "wrong.example" {
			return &wrong.TLS, nil
		}
		return &good.TLS, nil
	}}
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	return w
}

func (w *web) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	w.mu.Lock()
	w.asked[req.Host+req.URL.Path]++
	site, ok := w.sites[req.Host+req.URL.Path]
	w.mu.Unlock()
	if !ok {
		http.NotFound(rw, req)
		return
	}
	site(rw, req)
}

func (w *web) site(hostAndPath string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites[hostAndPath] = h
}

// document serves a body at the well-known place of the host.
func (w *web) document(host, body string) { w.site(host+place, says(body)) }

func says(body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html") // which nobody believes
		_, _ = io.WriteString(rw, body)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Location", to)
		rw.WriteHeader(http.StatusFound)
	}
}

func status(code int) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
}

func (w *web) queries(hostAndPath string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[hostAndPath]
}

// dial leads every name to the one server, but for those that nobody may reach.
func (w *web) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dials = append(w.dials, addr)
	w.mu.Unlock()
	if addr == "private.example:443" {
		return nil, errors.New("private address")
	}
	return new(net.Dialer).DialContext(ctx, network, w.server.Listener.Addr().String())
}

func (w *web) config() posh.Config {
	roots := x509.NewCertPool()
	roots.AddCert(w.root.Cert().X509)
	return posh.Config{Dial: w.dial, Roots: roots, Timeout: 30 * time.Second}
}

func client(t *testing.T, c posh.Config) *posh.Client {
	t.Helper()
	p := posh.New(c)
	t.Cleanup(p.Close)
	return p
}

// clock is a time that passes only when told.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1e9, 0).Add(time.Duration(c.since.Load())) }
func (c *clock) advance(d time.Duration) { c.since.Add(int64(d)) }

// kind is 0 for no error.
func kind(t *testing.T, err error) posh.ErrorKind {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *posh.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *posh.Error", err)
	}
	return e.Kind
}

func name(s string) domain.Name { return domain.MustParse(s) }

func sum256(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func sum512(c *x509.Certificate) string {
	sum := sha512.Sum512(c.Raw)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// listing is a document with one sha-256 fingerprint.
func listing(c *x509.Certificate, expires int) string {
	return fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":%d}`, sum256(c), expires)
}
