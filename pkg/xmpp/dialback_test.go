package xmpp

import (
	"errors"
	"net"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
)

const sharedSecret = "the partner's"

// byHand puts a listener of the test into the DNS as the server of a partner's domain.
func (b *bed) byHand(name string) net.Listener {
	b.t.Helper()
	l := listen(b.t)
	b.t.Cleanup(func() { _ = l.Close() })
	b.publish(name, l.Addr().String(), false)
	return l
}

// accept plays the partner's server on the next connection.
func (b *bed) accept(l net.Listener, o xmpppeer.AcceptOptions) *xmpppeer.Stream {
	b.t.Helper()
	raw, err := l.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := xmpppeer.Accept(b.ctx, raw, o)
	if err != nil {
		b.t.Fatalf("accept: %v", err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return s
}

// dialbackTo plays a partner's server that offers dialback alone, over TLS.
func (b *bed) dialbackTo(l net.Listener) *xmpppeer.Stream {
	b.t.Helper()
	return b.accept(l, xmpppeer.AcceptOptions{
		Domain: theirs, Certificate: b.cert("unrelated.example"), Secure: []string{xmpppeer.OfferErrors}, Until: xmpppeer.Reoffered,
	})
}

// key is the dialback key of jabber.example for a stream that it has opened.
func key(s *xmpppeer.Stream) string {
	return xmpppeer.DialbackKey(sharedSecret, ours, theirs, s.Peer().ID)
}

// TestUnsolicitedDialback: an answer counts on the stream where it was asked for, for
// the pair and the id that it was asked for, and nowhere else (XEP-0220 §3.1).
func TestUnsolicitedDialback(t *testing.T) {
	spoof := "<message from='alice@jabber.example' to='bob@contoso.com'><body>spoof</body></message>"
	t.Run("result on a stream that they opened", func(t *testing.T) {
		b := newBed(t, entry(byEither()))
		s := b.dial(theirs, nil, xmpppeer.Reoffered)
		_ = s.Send("<db:result from='jabber.example' to='contoso.com' type='valid'/>", "<db:result from='contoso.com' to='jabber.example' type='valid'/>", spoof)
		b.ended(s, "not-authorized")
	})
	t.Run("verify on a stream that they opened", func(t *testing.T) {
		b := newBed(t, entry(byEither()))
		silent := b.byHand(theirs)
		s := b.dial(theirs, nil, xmpppeer.Reoffered)
		_ = s.SendResult(theirs, ours, "no key")
		a := b.dialbackTo(silent)
		asked, err := a.Expect(b.ctx, "verify", xmpppeer.NSDialback)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SendVerdict(asked, "valid", "")
		_ = s.Send(spoof)
		b.ended(s, "not-authorized")
	})
	t.Run("result for another pair", func(t *testing.T) {
		b := newBed(t, entry(byEither()))
		l := b.byHand(theirs)
		if _, err := b.pool.User(bob).Message(b.ctx, alice, "hello"); err != nil {
			t.Fatal(err)
		}
		s := b.dialbackTo(l)
		asked, err := s.Expect(b.ctx, "result", xmpppeer.NSDialback)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Send("<db:result from='other.example' to='contoso.com' type='valid'/><db:result from='jabber.example' to='other.example' type='valid'/>" +
			"<db:verify from='jabber.example' to='contoso.com' id='1' type='valid'/>")
		_ = s.SendVerdict(asked, "invalid", "")
		if e := b.receive(b.pool.User(bob)); e.Condition() != "internal-server-error" {
			t.Errorf("got %s, want internal-server-error: the key is invalid", e)
		}
	})
	t.Run("verify with another id", func(t *testing.T) {
		b := newBed(t, entry(byEither()))
		l := b.byHand(theirs)
		s := b.dial(theirs, nil, xmpppeer.Reoffered)
		_ = s.SendResult(theirs, ours, "no key")
		a := b.dialbackTo(l)
		asked, err := a.Expect(b.ctx, "verify", xmpppeer.NSDialback)
		if err != nil {
			t.Fatal(err)
		}
		if asked.Attr("id") != s.Peer().ID {
			t.Errorf("asked about the stream %s, want %s", asked.Attr("id"), s.Peer().ID)
		}
		_ = a.Send("<db:verify from='jabber.example' to='contoso.com' id='another' type='valid'/>" +
			"<db:verify from='other.example' to='contoso.com' id='" + asked.Attr("id") + "' type='valid'/>" +
			"<db:result from='jabber.example' to='contoso.com' type='valid'/>")
		_ = a.SendVerdict(asked, "invalid", "")
		b.judged(s, "invalid", "")
	})
}

// judged waits for the answer to a key.
func (b *bed) judged(s *xmpppeer.Stream, kind, condition string) {
	b.t.Helper()
	answer, err := s.Await(b.ctx, "result", xmpppeer.NSDialback)
	if err != nil {
		b.t.Fatalf("no answer to the key: %v", err)
	}
	if answer.Attr("type") != kind || answer.Condition() != condition || answer.Attr("from") != ours || answer.Attr("to") != theirs {
		b.t.Errorf("the answer to the key is %s, want %s %s", answer, kind, condition)
	}
}

// TestAuthoritativeServer: what the authoritative server says, or does not say, is what
// the initiating one hears (XEP-0220 §2.5).
func TestAuthoritativeServer(t *testing.T) {
	hasty := func(c *setup) { c.bounds.DialbackTimeout = 300 * time.Millisecond }
	authority := func(a xmpppeer.Authority) func(*bed) {
		return func(b *bed) {
			b.partner(theirs, func(c *xmpppeer.Config) { c.Dialback, c.Secret, c.Authority = true, sharedSecret, a })
		}
	}
	tests := map[string]struct {
		start           func(*bed)
		change          func(*setup)
		kind, condition string
		ends            bool // the stream
	}{
		"valid":    {start: authority(xmpppeer.Truthful), kind: "valid"},
		"invalid":  {start: authority(xmpppeer.SayNo), kind: "invalid", ends: true},
		"error":    {start: authority(xmpppeer.SayError), kind: "error", condition: "remote-server-not-found"},
		"slow":     {start: authority(xmpppeer.SayNought), change: hasty, kind: "error", condition: "remote-server-timeout"},
		"down":     {start: func(b *bed) { _ = b.byHand(theirs).Close() }, kind: "error", condition: "remote-connection-failed"},
		"nowhere":  {start: func(*bed) {}, kind: "error", condition: "remote-server-not-found"},
		"unwanted": {start: func(*bed) {}, change: entry(byCertificate()), kind: "error", condition: "not-authorized"},
		"unlisted": {start: func(*bed) {}, change: func(c *setup) { c.policy.XMPPPartners = nil }, kind: "error", condition: "forbidden"},
		"blocked": {start: func(*bed) {}, change: func(c *setup) {
			c.policy.XMPPPartners = nil
			c.policy.BlockedDomains[0].Domain = domain.MustParse(theirs)
		}, kind: "error", condition: "forbidden"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := []func(*setup){entry(byEither())}
			if tt.change != nil {
				change = append(change, tt.change)
			}
			b := newBed(t, change...)
			tt.start(b)
			s := b.dial(theirs, nil, xmpppeer.Reoffered)
			if err := s.SendResult(theirs, ours, key(s)); err != nil {
				t.Fatal(err)
			}
			b.judged(s, tt.kind, tt.condition)
			if tt.ends {
				if err := s.AwaitEnd(b.ctx); !errors.Is(err, xmpppeer.ErrEnd) {
					t.Errorf("the stream goes on: %v", err)
				}
				return
			}
			_ = s.Send("<message from='alice@jabber.example' to='bob@contoso.com'><body>hello</body></message>")
			if tt.kind == "valid" {
				b.receive(b.pool.User(bob))
				return
			}
			b.ended(s, "not-authorized") // an error does not end the stream, but proves nothing
		})
	}
}

// TestKeyInClear: a partner whose entry wants TLS cannot prove itself without.
func TestKeyInClear(t *testing.T) {
	b := newBed(t, entry(byEither()))
	s := b.dial(theirs, nil, xmpppeer.Offered)
	_ = s.SendResult(theirs, ours, key(s))
	b.judged(s, "error", "policy-violation")
}
