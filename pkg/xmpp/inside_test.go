package xmpp

import (
	"crypto/tls"
	"testing"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
)

// fromInside opens a stream to the inside of the edge by hand.
func (b *bed) fromInside(o xmpppeer.DialOptions) *xmpppeer.Stream {
	b.t.Helper()
	s, err := xmpppeer.Dial(b.ctx, b.connectTo(b.inside), o)
	if err != nil {
		b.t.Fatalf("dial as %s: %v", o.From, err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestInside: the network inside proves nothing. A pool speaks for its domains with its
// certificate, and is shown one for the partner's.
func TestInside(t *testing.T) {
	b := newBed(t)
	member := &b.world.member.TLS
	signedInside := b.world.private.Issue(ca.Leaf{DNS: []string{"printer.corp.contoso.com"}})
	t.Run("no member", func(t *testing.T) {
		for name, cert := range map[string]*tls.Certificate{
			"no certificate": nil, "signed outside": b.cert(ours), "another machine": &signedInside.TLS,
		} {
			b := b.in(t)
			s := b.fromInside(xmpppeer.DialOptions{From: ours, To: theirs, Certificate: cert, Until: xmpppeer.Reoffered})
			if xmpppeer.OffersExternal(s.LastFeatures()) {
				t.Errorf("%s: EXTERNAL is offered", name)
			}
			if err := s.External(b.ctx, ours); err == nil {
				t.Errorf("%s: EXTERNAL succeeds", name)
			}
			_ = s.Send("<message from='bob@contoso.com' to='alice@jabber.example'/>")
			b.ended(s, "not-authorized")
		}
	})
	for name, h := range map[string]struct{ from, to, condition string }{
		"for a partner": {theirs, "other.example", "not-authorized"},
		"to ours":       {ours, ours, "host-unknown"},
		"to below ours": {ours, "sub." + ours, "host-unknown"},
		"to nobody":     {ours, "", "host-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := b.fromInside(xmpppeer.DialOptions{Until: xmpppeer.Connected})
			if _, err := s.Open(b.ctx, xmpppeer.Header{From: h.from, To: h.to}); err != nil {
				t.Fatal(err)
			}
			b.ended(s, h.condition)
		})
	}
	t.Run("the certificate we show", func(t *testing.T) {
		b := b.in(t)
		s := b.fromInside(xmpppeer.DialOptions{From: ours, To: "new." + theirs, Certificate: member, Roots: b.world.mintRoots})
		_ = s.Send("<message from='bob@contoso.com' to='alice@other.example'/>") // anybody: a partner's domain is the edge's
		_ = s.Send("<message from='alice@other.example' to='bob@contoso.com'/>")
		b.ended(s, "invalid-from")
	})
}

// TestFalsePool: a server that is not the pool is told nothing.
func TestFalsePool(t *testing.T) {
	b := newBed(t, func(c *setup) {
		stranger := world().public.Issue(ca.Leaf{DNS: []string{ours}})
		c.pool.Certificates = map[string]*tls.Certificate{"": &stranger.TLS}
	})
	p := b.partner(theirs)
	sent := xmpppeer.Stanza{From: alice, To: bob, ID: "1", Payload: xmpppeer.Body("secret")}
	b.send(p.User(alice), sent)
	b.isError(b.receive(p.User(alice)), sent, "internal-server-error", "wait", "")
}
