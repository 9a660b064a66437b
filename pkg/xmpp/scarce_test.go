package xmpp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// TestVerificationsForListedPartners: strangers whose servers say nothing cannot have
// all of limits.verifications.
func TestVerificationsForListedPartners(t *testing.T) {
	b := newBed(t, entry(byEither()), open, func(c *setup) {
		c.policy.XMPPDefault = byEither()
		c.policy.XMPPDefault.Type, c.policy.XMPPDefault.ConnectionLimit = policy.Federated, 1000
		c.bounds.Verifications, c.bounds.VerificationsPerAddress, c.bounds.StrangerLookups = 4, 4, 100
	})
	b.partner(theirs, func(c *xmpppeer.Config) { c.Dialback, c.Secret = true, sharedSecret })
	for i := range 4 {
		from := fmt.Sprintf("p%d.example", i)
		b.byHand(from)
		s := b.dial(from, nil, xmpppeer.Reoffered)
		if err := s.SendResult(from, ours, "key"); err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			b.eventually("it is verified", func() bool {
				b.s.verifying.mu.Lock()
				defer b.s.verifying.mu.Unlock()
				return b.s.verifying.all == i+1
			})
			continue
		}
		if e, err := s.Await(b.ctx, "result", xmpppeer.NSDialback); err != nil || e.Condition() != "resource-constraint" {
			t.Errorf("one too many: %v, %v", e, err)
		}
	}
	s := b.dial(theirs, nil, xmpppeer.Reoffered)
	if err := s.SendResult(theirs, ours, key(s)); err != nil {
		t.Fatal(err)
	}
	b.judged(s, "valid", "")
}

// TestVerificationEndsWithItsStream: nobody is dialled for somebody who has left.
func TestVerificationEndsWithItsStream(t *testing.T) {
	b := newBed(t, entry(byEither()))
	b.byHand(theirs) // who takes the connection and says nothing
	under := func() int {
		b.s.verifying.mu.Lock()
		defer b.s.verifying.mu.Unlock()
		return b.s.verifying.all
	}
	s := b.dial(theirs, nil, xmpppeer.Reoffered)
	if err := s.SendResult(theirs, ours, key(s)); err != nil {
		t.Fatal(err)
	}
	b.eventually("the key is verified", func() bool { return under() == 1 })
	begun := time.Now()
	_ = s.Drop()
	b.eventually("it is not any more", func() bool { return under() == 0 })
	if took := time.Since(begun); took > b.state.Bounds.HandshakeTimeout/2 {
		t.Errorf("after %v", took)
	}
}

// TestVerificationsInside: a pool is one address, and has as many verifications as it
// needs; and who answers for it has to prove that it is the pool.
func TestVerificationsInside(t *testing.T) {
	another := world().private.Issue(ca.Leaf{DNS: []string{"printer.corp.contoso.com"}})
	for name, tt := range map[string]struct {
		certs           map[string]*tls.Certificate
		kind, condition string
	}{
		"the pool":        {nil, "valid", ""},
		"another machine": {map[string]*tls.Certificate{"": &another.TLS}, "error", "remote-connection-failed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(c *setup) {
				c.dialback, c.bounds.VerificationsPerAddress = true, 1
				c.pool.Secret, c.pool.Certificates = sharedSecret, tt.certs
			})
			busy := verification{from: netip.MustParseAddr("127.0.0.1")}
			if !b.s.verifying.enter(busy, &b.state.Bounds) || b.s.verifying.enter(busy, &b.state.Bounds) {
				t.Fatal("limits.verifications_per_address is not 1")
			}
			s := b.fromInside(xmpppeer.DialOptions{From: ours, To: theirs, Until: xmpppeer.Reoffered})
			_ = s.SendResult(ours, theirs, xmpppeer.DialbackKey(sharedSecret, theirs, ours, s.Peer().ID))
			answer, err := s.Await(b.ctx, "result", xmpppeer.NSDialback)
			if err != nil || answer.Attr("type") != tt.kind || answer.Condition() != tt.condition {
				t.Errorf("got %v, %v", answer, err)
			}
		})
	}
}

// TestNoDescriptors: what this process lacks is said so, is no fault of the next hop,
// and is over a moment after there are some again, however long it was.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	var scarce atomic.Bool
	b := newBed(t, func(c *setup) {
		c.config.Dial = func(ctx context.Context, _ Side, addr netip.AddrPort) (net.Conn, error) {
			if scarce.Load() {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr.String())
		}
	})
	p := b.partner(theirs)
	friend, user := p.User(alice), b.pool.User(bob)
	b.chat(friend, user, "before")
	other := b.dial("other.example", b.cert("other.example"), xmpppeer.Ready)
	scarce.Store(true)
	_ = other.Send(numbered("dave@other.example", bob, 1, 1)) // the pool has to be dialled for it
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 8 {
		<-tick.C
		sent := xmpppeer.Stanza{From: bob, To: alice, ID: "1", Payload: xmpppeer.Body("?")}
		b.send(user, sent)
		b.isError(b.receive(user), sent, "resource-constraint", "wait", "edge."+ours)
	}
	for _, m := range b.state.Pools[0].Members.Status() {
		if !m.Up {
			t.Error("the member is to blame")
		}
	}
	scarce.Store(false)
	<-time.After(downAtFirst + 100*time.Millisecond)
	b.chat(user, friend, "after")
	_ = other.Send(numbered("dave@other.example", bob, 2, 1))
	if e := b.receive(user); e.Attr("id") != "2" {
		t.Errorf("got %s", e)
	}
}

// TestAdoptedLate: a stream does not carry what is for a pair that a reload took from it
// while it was being believed.
func TestAdoptedLate(t *testing.T) {
	b := newBed(t, entry(policy.XMPPSettings{TLS: policy.Required, SASL: policy.Required, Dialback: policy.Off, Bidi: policy.On}))
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Reoffered)
	if err := s.Send("<bidi xmlns='" + nsBidi + "'/>"); err != nil {
		t.Fatal(err)
	}
	b.finish(s)
	c := b.s.group.All()[0]
	p := pair{domain.MustParse(ours), domain.MustParse(theirs)}
	c.disown(p)
	b.s.adopt(c, p, b.state.terms(External, p, false))
	partner := b.partner(theirs)
	b.chat(b.pool.User(bob), partner.User(alice), "on a stream of its own")
}

// TestPlaces: what a server says about another one is a host and a port, or nothing.
func TestPlaces(t *testing.T) {
	for text, want := range map[string]string{
		"xmpp.example":        "xmpp.example:5269",
		"xmpp.example:5299":   "xmpp.example:5299",
		"192.0.2.1":           "192.0.2.1:5269",
		"[2001:db8::1]:5299":  "[2001:db8::1]:5299",
		"xmpp.example:5299 x": "",
		"xmpp.example:0":      "",
		"xmpp.example:65536":  "",
		"[::1%eth0]:5269":     "",
		"a b":                 "",
		"":                    "",
	} {
		r := refuse(0, "")
		r.cause = elsewhere{text}
		at, ok := seeOther(r)
		if ok != (want != "") || ok && at.name != want {
			t.Errorf("%q: %q, %v", text, at.name, ok)
		}
	}
	if at, err := placeAt("::ffff:192.0.2.1", "5269"); err != nil || at.addr != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("%v, %v", at.addr, err)
	}
}
