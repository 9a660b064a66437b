package xmpp

import (
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/policy"
)

// managed opens a stream with acknowledgements on.
func (b *bed) managed() *xmpppeer.Stream {
	b.t.Helper()
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	if answer, err := s.EnableManagement(b.ctx); err != nil || answer.Name != "enabled" {
		b.t.Fatalf("got %v, %v; want enabled", answer, err)
	}
	return s
}

// sendThree sends three messages to bob, by hand.
func (b *bed) sendThree(s *xmpppeer.Stream) {
	b.t.Helper()
	for i := range 3 {
		err := s.SendStanza(xmpppeer.Stanza{From: alice, To: bob, ID: strconv.Itoa(i), Payload: xmpppeer.Body(strconv.Itoa(i))})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// acknowledged asks until as many stanzas are acknowledged as should be.
func (b *bed) acknowledged(s *xmpppeer.Stream, want uint32) {
	b.t.Helper()
	for {
		h, err := s.RequestAck(b.ctx)
		switch {
		case err != nil:
			b.t.Fatalf("no acknowledgement of %d stanzas: %v", want, err)
		case h == want:
			return
		case h > want:
			b.t.Fatalf("%d stanzas are acknowledged, want %d", h, want)
		}
	}
}

// TestAcknowledgements: the edge says that it has handled a stanza when somebody else
// is responsible for it, and not before (XEP-0198 §4).
func TestAcknowledgements(t *testing.T) {
	t.Run("the pool acknowledges", func(t *testing.T) {
		b := newBed(t, func(c *setup) { c.pool.Management = true })
		b.pool.User(bob)
		s := b.managed()
		b.sendThree(s)
		b.acknowledged(s, 3)
	})
	t.Run("the pool knows no acknowledgements", func(t *testing.T) {
		b := newBed(t)
		b.pool.User(bob)
		s := b.managed()
		b.sendThree(s)
		b.acknowledged(s, 3)
	})
	t.Run("the pool withholds them", func(t *testing.T) {
		b := newBed(t, func(c *setup) { c.pool.Management, c.pool.WithholdAcks = true, true })
		user := b.pool.User(bob)
		s := b.managed()
		b.sendThree(s)
		for range 3 {
			b.receive(user)
		}
		if h, err := s.RequestAck(b.ctx); err != nil || h != 0 {
			t.Errorf("%d stanzas are acknowledged, %v; the pool has acknowledged none", h, err)
		}
	})
	t.Run("bounced and hidden", func(t *testing.T) {
		b := newBed(t, func(c *setup) { c.noPool = true })
		s := b.managed()
		b.sendThree(s)
		_ = s.SendStanza(xmpppeer.Stanza{From: alice, To: "mallory@contoso.com", ID: "m"})
		_ = s.SendStanza(xmpppeer.Stanza{Kind: "iq", From: alice, To: bob})
		b.acknowledged(s, 5)
	})
	t.Run("enabled twice", func(t *testing.T) {
		b := newBed(t)
		s := b.managed()
		_ = s.Send("<enable xmlns='urn:xmpp:sm:3'/>")
		b.ended(s, "undefined-condition")
	})
	t.Run("before authentication", func(t *testing.T) {
		b := newBed(t)
		s := b.dial(theirs, b.cert(theirs), xmpppeer.Reoffered)
		if answer, err := s.EnableManagement(b.ctx); err != nil || answer.Name != "failed" {
			t.Errorf("got %v, %v; want failed", answer, err)
		}
	})
	t.Run("of more than was sent", testTooManyAcks)
}

// testTooManyAcks is a partner that cannot count.
func testTooManyAcks(t *testing.T) {
	b := newBed(t)
	l := b.byHand(theirs)
	b.sendFromBob()
	s := b.accept(l, xmpppeer.AcceptOptions{Domain: theirs, Certificate: b.cert(theirs), Final: []string{xmpppeer.OfferManagement}})
	if _, err := s.Expect(b.ctx, "enable", xmpppeer.NSManagement); err != nil {
		t.Fatal(err)
	}
	_ = s.Send("<enabled xmlns='urn:xmpp:sm:3'/>")
	if _, err := s.Await(b.ctx, "r", xmpppeer.NSManagement); err != nil {
		t.Fatal(err)
	}
	_ = s.SendAck(2)
	err := b.streamError(s)
	if more := err.Element.Child("handled-count-too-high", xmpppeer.NSManagement); err.Condition != "undefined-condition" ||
		more == nil || more.Attr("h") != "2" || more.Attr("send-count") != "1" {
		t.Errorf("got %s, want handled-count-too-high (XEP-0198 §4)", err.Element)
	}
}

// streamError waits for one.
func (b *bed) streamError(s *xmpppeer.Stream) *xmpppeer.StreamError {
	b.t.Helper()
	e, err := s.AwaitError(b.ctx)
	if err != nil {
		b.t.Fatalf("no stream error: %v", err)
	}
	return e
}

// TestPatience: a stream has limits.stream_timeout to authenticate, and none after it.
func TestPatience(t *testing.T) {
	t.Parallel()
	b := newBed(t, entry(byEither()), func(c *setup) { c.bounds.StreamTimeout = 2 * time.Second })
	b.partner(theirs, func(c *xmpppeer.Config) { c.Dialback, c.Secret = true, sharedSecret })
	proven := b.dial(theirs, nil, xmpppeer.Reoffered)
	if err := proven.Dialback(b.ctx, theirs, ours, key(proven)); err != nil {
		t.Fatal(err)
	}
	steps := []xmpppeer.Step{xmpppeer.Connected, xmpppeer.Offered, xmpppeer.Reoffered}
	silent := make([]*xmpppeer.Stream, len(steps))
	for i, until := range steps {
		silent[i] = b.dial(theirs, b.cert(theirs), until)
	}
	for i, s := range silent {
		if steps[i] == xmpppeer.Connected {
			if _, err := s.ReadHeader(b.ctx); err != nil {
				t.Errorf("nothing said: %v, want an error in a stream", err)
				continue
			}
		}
		b.ended(s, "connection-timeout")
	}
	b.sendThree(proven)
	b.receive(b.pool.User(bob))
}

// TestOneWay: without bidi nothing that comes on a stream of ours is relayed.
func TestOneWay(t *testing.T) {
	b := newBed(t, entry(policy.XMPPSettings{TLS: policy.Required, SASL: policy.Required, Dialback: policy.Off, Bidi: policy.Off}))
	l := b.byHand(theirs)
	b.sendFromBob()
	s := b.accept(l, xmpppeer.AcceptOptions{Domain: theirs, Certificate: b.cert(theirs)})
	_ = s.Send("<message from='alice@jabber.example' to='bob@contoso.com'><body>wrong way</body></message>")
	if err := s.AwaitEnd(b.ctx); !errors.Is(err, xmpppeer.ErrEnd) && !errors.Is(err, io.EOF) {
		t.Errorf("a stanza on a stream of ours: %v, want its end", err)
	}
	other := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	user := b.pool.User(bob)
	b.sendThree(other)
	if e := b.receive(user); e.Body() != "0" {
		t.Errorf("relayed: %s", e)
	}
}

// TestIntake: in whatever order stanzas are taken over, the number to acknowledge is
// that of those in a row, and what comes behind one that waits takes no memory.
func TestIntake(t *testing.T) {
	for range 200 {
		in, order, taken := &intake{}, rand.Perm(60), map[uint64]bool{}
		for _, n := range order {
			seq := uint64(n) + 1
			in.done(seq)
			taken[seq] = true
			row := uint64(0)
			for taken[row+1] {
				row++
			}
			if in.handled != row {
				t.Fatalf("%v: %d, want %d", order, in.handled, row)
			}
		}
		if len(in.later) != 0 {
			t.Fatalf("%v left", in.later)
		}
	}
	in := &intake{}
	for seq := uint64(2); seq < 100_000; seq++ {
		in.done(seq)
	}
	if in.handled != 0 || len(in.later) != 1 {
		t.Errorf("%d handled, %d runs", in.handled, len(in.later))
	}
	if in.done(1); in.handled != 99_999 {
		t.Errorf("%d handled", in.handled)
	}
}
