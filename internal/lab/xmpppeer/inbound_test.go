package xmpppeer_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"edged/internal/lab/xmpppeer"

	"github.com/google/go-cmp/cmp"
)

// meetServer opens a stream by hand to a server for contoso.com, up to a step.
func meetServer(t *testing.T, from string, until xmpppeer.Step, change func(*xmpppeer.Config)) *xmpppeer.Stream {
	t.Helper()
	w := newWorld(t)
	c := w.config("contoso.com")
	change(&c)
	b := w.start(c, false)
	t.Cleanup(b.Close)
	s := w.dial(from, "contoso.com", until)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestExternalRefused(t *testing.T) {
	always := func(c *xmpppeer.Config) { c.External = xmpppeer.ExternalAlways }
	auth := func(text string) string {
		return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>" + text + "</auth>"
	}
	for name, tt := range map[string]struct {
		raw, want string
		change    func(*xmpppeer.Config)
	}{
		"another mechanism": {"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>", "invalid-mechanism", asIs},
		"another domain":    {auth("bGl0d2FyZS5jb20="), "invalid-authzid", asIs},
		"no base64":         {auth("?"), "incorrect-encoding", asIs},
		"no initial data":   {auth(""), "malformed-request", asIs},
		"untrusted":         {auth("="), "not-authorized", more(always, func(c *xmpppeer.Config) { c.Roots = newWorld(t).roots })},
		"on purpose":        {auth("="), "not-authorized", func(c *xmpppeer.Config) { c.RefuseExternal = true }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := meetServer(t, "fabrikam.com", xmpppeer.Reoffered, tt.change)
				must(t, s.Send(tt.raw))
				e, err := s.Expect(t.Context(), "failure", xmpppeer.NSSASL)
				if err != nil || e.Child(tt.want, xmpppeer.NSSASL) == nil {
					t.Errorf("want %s, got %v, %v", tt.want, e, err)
				}
			})
		})
	}
}

func TestExternalAtSecondAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := meetServer(t, "fabrikam.com", xmpppeer.Reoffered, asIs)
		if err := s.External(t.Context(), "litware.com"); !asType[*xmpppeer.SASLError](err) {
			t.Errorf("another domain: %v", err)
		}
		must(t, s.External(t.Context(), ""))
	})
}

func TestBytesAfterStartTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := meetServer(t, "fabrikam.com", xmpppeer.Offered, asIs)
		must(t, s.Send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>"))
		if err := s.AwaitEnd(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want a closed connection", err)
		}
	})
}

// The features that a server sends follow its configuration.
func TestFeatures(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*xmpppeer.Config)
		until  xmpppeer.Step
		want   []string
	}{
		"in the clear":  {asIs, xmpppeer.Offered, []string{"starttls"}},
		"optional TLS":  {more(dialback, func(c *xmpppeer.Config) { c.TLS = xmpppeer.OptionalTLS }), xmpppeer.Offered, []string{"starttls", "dialback"}},
		"secure":        {asIs, xmpppeer.Reoffered, []string{"mechanisms"}},
		"all":           {func(c *xmpppeer.Config) { c.Dialback, c.Bidi, c.Management, c.IdleSeconds = true, true, true, 9 }, xmpppeer.Reoffered, []string{"mechanisms", "dialback", "bidi", "limits"}},
		"authenticated": {func(c *xmpppeer.Config) { c.Bidi, c.Management = true, true }, xmpppeer.Ready, []string{"sm"}},
		"unproven":      {more(dialback, func(c *xmpppeer.Config) { c.Roots, c.External = newWorld(t).roots, xmpppeer.ExternalProven }), xmpppeer.Reoffered, []string{"dialback"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := meetServer(t, "fabrikam.com", tt.until, tt.change)
				var got []string
				for _, e := range s.LastFeatures().Children {
					got = append(got, e.Name)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Two domains of one server prove themselves on one stream (XEP-0220 §2.6), by hand,
// while that server says what is true about the keys.
func TestSeveralDomainsOnOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		left, right := w.config("fabrikam.com"), w.config("contoso.com")
		dialback(&left)
		dialback(&right)
		left.Domains, left.Secret = []string{"fabrikam.com", "rooms.fabrikam.com"}, "s3cret"
		a, b := w.start(left, false), w.start(right, false)
		defer a.Close()
		defer b.Close()
		to := b.User(bob)
		s := w.dial("fabrikam.com", "contoso.com", xmpppeer.Reoffered)
		defer s.Close()
		for _, from := range left.Domains {
			wrong := s.Dialback(t.Context(), from, "contoso.com", "wrong")
			if diff := cmp.Diff(&xmpppeer.DialbackError{Type: "invalid"}, wrong); diff != "" {
				t.Errorf("wrong key (-want +got):\n%s", diff)
			}
			key := xmpppeer.DialbackKey(left.Secret, "contoso.com", from, s.Peer().ID)
			must(t, s.Dialback(t.Context(), from, "contoso.com", key))
			must(t, s.SendStanza(xmpppeer.Stanza{From: "x@" + from, To: bob}))
			if e, err := to.Receive(t.Context()); err != nil || e.Attr("from") != "x@"+from {
				t.Errorf("got %v, %v", e, err)
			}
		}
	})
}

// Over TCP, each kind of listener, found by the other side.
func TestOverTCP(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		serve  func(*xmpppeer.Server, net.Listener)
		direct bool
	}{
		"STARTTLS":           {(*xmpppeer.Server).ServeStartTLS, false},
		"direct TLS":         {(*xmpppeer.Server).ServeDirectTLS, true},
		"either, in clear":   {(*xmpppeer.Server).Serve, false},
		"either, TLS direct": {(*xmpppeer.Server).Serve, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcpServer(t, w, "fabrikam.com", tt.direct, tt.serve), tcpServer(t, w, "contoso.com", tt.direct, tt.serve)
			defer a.Close()
			defer b.Close()
			talk(t, a.User(alice), b.User(bob))
			e, err := b.AwaitEvent(t.Context(), func(e xmpppeer.Event) bool { return e.What == xmpppeer.EventSecure })
			if err != nil || (e.Text == "xmpp-server") != tt.direct {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
}

func tcpServer(t *testing.T, w *world, domain string, direct bool, serve func(*xmpppeer.Server, net.Listener)) *xmpppeer.Server {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	must(t, err)
	w.hops[domain] = xmpppeer.Hop{Addr: ln.Addr().String(), Direct: direct}
	c := w.config(domain)
	c.Dial = nil
	s := xmpppeer.NewServer(c)
	serve(s, ln)
	return s
}
