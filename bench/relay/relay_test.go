package relay

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/bench/wire"
	"edged/internal/lab/ca"
)

// bed is a sink, a relay in front of it and a partner that dials the relay.
type bed struct {
	in      wire.Acceptor
	partner wire.Dialer
	sink    net.Listener
	front   net.Listener
	log     *slog.Logger
}

func newBed(t *testing.T) *bed {
	t.Helper()
	root := ca.New("root")
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert().X509)
	cert := func(name string) tls.Certificate { return root.Issue(ca.Leaf{DNS: []string{name}}).TLS }
	return &bed{
		in:      wire.Acceptor{Domain: "pool.example", Cert: cert("pool.example"), Roots: roots},
		partner: wire.Dialer{From: "partner.example", To: "pool.example", Cert: cert("partner.example"), Roots: roots},
		sink:    listen(t), front: listen(t),
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// heard is all that the next connection of the sink carries.
func (b *bed) heard(open func(net.Conn) (io.Reader, error)) <-chan string {
	all := make(chan string, 1)
	go func() {
		c, err := b.sink.Accept()
		if err != nil {
			all <- err.Error()
			return
		}
		defer c.Close()
		r, err := open(c)
		if err != nil {
			all <- err.Error()
			return
		}
		text, _ := io.ReadAll(r) // the relay may cut it short
		all <- string(text)
	}()
	return all
}

func TestCutKeepsStanzas(t *testing.T) {
	b := newBed(t)
	all := b.heard(func(c net.Conn) (io.Reader, error) {
		s, err := b.in.Stream(c)
		if err != nil {
			return nil, err
		}
		return s.Conn, nil
	})
	go func() { _ = Cut{b.in, b.partner, b.sink.Addr().String(), b.log}.Serve(t.Context(), b.front) }()
	s, err := b.partner.Stream(t.Context(), b.front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const stanzas = "<message to='a@pool.example'/><iq  type=\"get\" id='1'><q xmlns='x'/></iq>"
	if _, err := io.WriteString(s.Conn, stanzas+"\n</stream:stream>"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stanzas, <-all); diff != "" {
		t.Error(diff)
	}
}

func TestBytesKeepsBytes(t *testing.T) {
	b := newBed(t)
	all := b.heard(func(c net.Conn) (io.Reader, error) { return tls.Server(c, b.in.Config()), nil })
	go func() { _ = Bytes{b.in.Config(), b.partner, b.sink.Addr().String(), b.log}.Serve(t.Context(), b.front) }()
	c, err := b.partner.TLS(t.Context(), b.front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "any\x00thing"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if diff := cmp.Diff("any\x00thing", <-all); diff != "" {
		t.Error(diff)
	}
}
