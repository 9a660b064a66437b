package xmpp

import (
	"log/slog"
	"runtime"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/consent"
	"edged/pkg/policy"
	"edged/pkg/store"
)

// TestConsent: users of a public_unverified partner are heard once our user has written
// to them, each for himself.
func TestConsent(t *testing.T) {
	file := must(store.Open(t.TempDir()))
	t.Cleanup(func() { _ = file.Close() })
	book := must(consent.Open(file, consent.Config{Max: 100, Log: slog.New(slog.DiscardHandler), Now: time.Now}))
	t.Cleanup(func() { _ = book.Close() })
	b := newBed(t, func(c *setup) {
		c.config.Consent = book
		c.policy.XMPPPartners[0].Type = policy.PublicUnverified
	})
	p := b.partner(theirs)
	friend, stranger, user := p.User(alice), p.User("eve@jabber.example"), b.pool.User(bob)
	asks := xmpppeer.Stanza{From: alice, To: bob, ID: "1", Payload: xmpppeer.Body("may I?")}
	b.send(friend, asks)
	b.isError(b.receive(friend), asks, "service-unavailable", "cancel", "")
	b.chat(user, friend, "hello")
	b.chat(friend, user, "hello back")
	eve := xmpppeer.Stanza{From: stranger.Address, To: bob, ID: "2", Payload: xmpppeer.Body("and I?")}
	b.send(stranger, eve)
	b.isError(b.receive(stranger), eve, "service-unavailable", "cancel", "")
	if pairs := book.List("", 10); len(pairs) != 1 {
		t.Errorf("remembered are %v, want one pair", pairs)
	}
}

// TestReload: the next stanza on an open stream is judged by the new policy.
func TestReload(t *testing.T) {
	b := newBed(t)
	p := b.partner(theirs)
	for range 3 {
		b.chat(p.User(alice), b.pool.User(bob), "hello")
		b.chat(b.pool.User(bob), p.User(alice), "hello")
	}
	c := b.defaults()
	c.policy.AccessPolicies.Global = policy.AccessPolicy{}
	next := b.newState(c, b.state.Pools[0].Members.Order(0)[0])
	t.Cleanup(next.Resolver.Close)
	b.s.Apply(next)
	in := xmpppeer.Stanza{From: alice, To: bob, ID: "1", Type: "chat", Payload: xmpppeer.Body("hello")}
	b.send(p.User(alice), in)
	b.isError(b.receive(p.User(alice)), in, "service-unavailable", "cancel", "")
	out := xmpppeer.Stanza{From: bob, To: alice, ID: "1", Type: "chat", Payload: xmpppeer.Body("hello")}
	b.send(b.pool.User(bob), out)
	b.isError(b.receive(b.pool.User(bob)), out, "forbidden", "auth", "edge."+ours)
	b.s.Apply(b.state)
	b.chat(p.User(alice), b.pool.User(bob), "hello again")
}

// TestPiggyback: a second domain proves itself on the stream of the first by a key, and
// each speaks for itself alone (XEP-0220 §2.6.1).
func TestPiggyback(t *testing.T) {
	const second = "other.example"
	b := newBed(t)
	b.partner(second, func(c *xmpppeer.Config) { c.Dialback, c.Secret = true, sharedSecret })
	user := b.pool.User(bob)
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	b.sendThree(s)
	for range 3 {
		b.receive(user)
	}
	id := s.Peer().ID
	if err := s.Dialback(b.ctx, second, ours, "a wrong key"); err == nil {
		t.Error("a wrong key is valid")
	}
	b.sendThree(s) // the first domain is not touched by that
	for range 3 {
		b.receive(user)
	}
	if err := s.Dialback(b.ctx, second, ours, xmpppeer.DialbackKey(sharedSecret, ours, second, id)); err != nil {
		t.Fatal(err)
	}
	_ = s.SendStanza(xmpppeer.Stanza{From: "eve@" + second, To: bob, Payload: xmpppeer.Body("me too")})
	if e := b.receive(user); e.Body() != "me too" {
		t.Errorf("got %s", e)
	}
	_ = s.SendStanza(xmpppeer.Stanza{From: "eve@sub." + second, To: bob})
	b.ended(s, "invalid-from")
}

// TestLimits: how many streams one partner has, and all of them together.
func TestLimits(t *testing.T) {
	for name, change := range map[string]func(*setup){
		"connection_limit": func(c *setup) { c.policy.XMPPPartners[0].ConnectionLimit = 2 },
		"limits.streams":   func(c *setup) { c.bounds.Streams = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, change)
			cert := b.cert(theirs)
			first := b.dial(theirs, cert, xmpppeer.Ready)
			b.dial(theirs, cert, xmpppeer.Ready)
			third := b.dial(theirs, cert, xmpppeer.Reoffered)
			_ = third.Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
			b.ended(third, "resource-constraint")
			_ = third.End()
			_ = first.End()
			_ = first.AwaitEnd(b.ctx)
			_ = first.Close()
			for len(b.s.Connections()) > 1 { // the edge notices in a moment
				if b.ctx.Err() != nil {
					t.Fatal("streams that have ended are still there")
				}
				runtime.Gosched()
			}
			b.dial(theirs, cert, xmpppeer.Ready)
		})
	}
}
