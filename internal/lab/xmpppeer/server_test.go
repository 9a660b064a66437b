package xmpppeer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an authority, a network in memory and who listens where on it.
type world struct {
	t     *testing.T
	root  *ca.Authority
	roots *x509.CertPool
	net   xmpppeer.Network
	hops  map[string]xmpppeer.Hop
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: ca.New("Lab Root"), roots: x509.NewCertPool(), hops: map[string]xmpppeer.Hop{}}
	w.roots.AddCert(w.root.Cert().X509)
	return w
}

// cert returns a certificate that the world's root signed.
func (w *world) cert(names ...string) *tls.Certificate {
	c := w.root.Issue(ca.Leaf{CN: names[0], DNS: names}).TLS
	return &c
}

// config is a server of one domain that trusts the root and finds the others.
func (w *world) config(domain string) xmpppeer.Config {
	return xmpppeer.Config{
		Domains:      []string{domain},
		Certificates: map[string]*tls.Certificate{"": w.cert(domain)},
		Roots:        w.roots,
		Dial:         w.net.DialContext,
		Resolve: func(_ context.Context, d string) (xmpppeer.Hop, error) {
			if hop, ok := w.hops[d]; ok {
				return hop, nil
			}
			return xmpppeer.Hop{}, fmt.Errorf("no such domain: %s", d)
		},
	}
}

// start starts a server for the domains of c, on an address of its own.
func (w *world) start(c xmpppeer.Config, direct bool) *xmpppeer.Server {
	w.t.Helper()
	addr := fmt.Sprintf("192.0.2.%d:5269", len(w.hops)+1)
	ln, err := w.net.Listen(addr)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range c.Domains {
		w.hops[d] = xmpppeer.Hop{Addr: addr, Direct: direct}
	}
	s := xmpppeer.NewServer(c)
	s.Serve(ln)
	return s
}

const (
	alice = "alice@fabrikam.com"
	bob   = "bob@contoso.com"
)

// how says what two servers have in common.
type how struct {
	change func(*xmpppeer.Config)
	direct bool
	events []string // of the side that opened the first stream, but for open, stanza and closed
}

func combinations() map[string]how {
	return map[string]how{
		"EXTERNAL":   {func(*xmpppeer.Config) {}, false, []string{"out secure", "out external"}},
		"direct TLS": {func(*xmpppeer.Config) {}, true, []string{"out secure", "out external"}},
		"dialback": {
			func(c *xmpppeer.Config) {
				c.Dialback, c.Roots, c.External = true, x509.NewCertPool(), xmpppeer.ExternalProven
			},
			false,
			[]string{"out secure", "in secure", "in verify valid", "out dialback valid"},
		},
		"dialback over direct TLS": {
			func(c *xmpppeer.Config) {
				c.Dialback, c.External, c.DialbackErrors = true, xmpppeer.ExternalNever, true
			},
			true,
			[]string{"out secure", "in secure", "in verify valid", "out dialback valid"},
		},
		"dialback in the clear": {
			func(c *xmpppeer.Config) { c.Dialback, c.TLS = true, xmpppeer.WithoutTLS },
			false,
			[]string{"in verify valid", "out dialback valid"},
		},
		"dialback after EXTERNAL failed": {
			func(c *xmpppeer.Config) {
				c.Dialback, c.External, c.RefuseExternal = true, xmpppeer.ExternalAlways, true
			},
			false,
			[]string{"out secure", "out external not-authorized", "in secure", "in verify valid", "out dialback valid"},
		},
		"TLS optional": {
			func(c *xmpppeer.Config) { c.TLS = xmpppeer.OptionalTLS },
			false,
			[]string{"out secure", "out external"},
		},
		"SM": {
			func(c *xmpppeer.Config) { c.Management = true },
			false,
			[]string{"out secure", "out external", "out managed"},
		},
	}
}

func TestServersTalk(t *testing.T) {
	for name, h := range combinations() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				left, right := w.config("fabrikam.com"), w.config("contoso.com")
				h.change(&left)
				h.change(&right)
				a, b := w.start(left, h.direct), w.start(right, h.direct)
				defer a.Close()
				defer b.Close()
				talk(t, a.User(alice), b.User(bob))
				if diff := cmp.Diff(h.events, summary(a)[:len(h.events)]); diff != "" {
					t.Errorf("events (-want +got):\n%s\nall: %v", diff, a.Events())
				}
				if left.Management {
					if err := a.Settled(t.Context(), "fabrikam.com", "contoso.com"); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// talk sends messages both ways, and asks a question, and wants it all to arrive.
func talk(t *testing.T, a, b *xmpppeer.User) {
	t.Helper()
	for _, p := range []struct{ from, to *xmpppeer.User }{{a, b}, {b, a}} {
		for i := range 3 {
			st := xmpppeer.Stanza{Type: "chat", From: p.from.Address + "/desk", To: p.to.Address, Payload: xmpppeer.Body(fmt.Sprint(i))}
			if err := p.from.Send(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			if got, err := p.to.Receive(t.Context()); err != nil || got.Raw != st.String() {
				t.Fatalf("sent %s, got %v, %v", st, got, err)
			}
		}
	}
	pong, err := a.Ask(t.Context(), xmpppeer.Stanza{To: domain(b), Payload: "<ping xmlns='urn:xmpp:ping'/>"})
	if err != nil || pong.Attr("type") != "result" {
		t.Errorf("ping: %v, %v", pong, err)
	}
}

func domain(u *xmpppeer.User) string { return u.Address[len("bob@"):] }

// summary is what happened, short.
func summary(s *xmpppeer.Server) []string {
	var all []string
	for _, e := range s.Events() {
		switch e.What {
		case xmpppeer.EventOpen, xmpppeer.EventStanza, xmpppeer.EventClosed:
			continue
		}
		line := string(e.Direction) + " " + e.What
		if e.Text != "" && e.What != xmpppeer.EventSecure {
			line += " " + e.Text
		}
		all = append(all, line)
	}
	return all
}
