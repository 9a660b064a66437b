package xmpp

import (
	"crypto/tls"
	"strings"
	"testing"

	"edged/internal/lab/xmpppeer"
)

// TestRestartHygiene: each restart begins a stream of its own, which knows nothing of
// what was said in the clear (RFC 6120 §4.3.3, §5.4.3.3, §6.4.6).
func TestRestartHygiene(t *testing.T) {
	t.Run("ids, features, declarations", testRestarts)
	t.Run("another from over TLS", testAnotherFrom)
	t.Run("another from after SASL", func(t *testing.T) {
		testAfterSASL(t, xmpppeer.Header{From: "other.example", To: ours}, "invalid-from")
	})
	t.Run("another to after SASL", func(t *testing.T) {
		testAfterSASL(t, xmpppeer.Header{From: theirs, To: "other.example"}, "invalid-from")
	})
	t.Run("as the initiating entity", testOwnHeaders)
}

func testRestarts(t *testing.T) {
	b := newBed(t, entry(byEither()))
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Offered)
	seen := map[string]bool{}
	check := func(has, hasNot string) {
		t.Helper()
		h := s.Peer()
		if len(h.ID) < 20 || seen[h.ID] {
			t.Errorf("the stream id %q was used before, or may be guessed", h.ID)
		}
		seen[h.ID] = true
		if h.From != ours || h.To != theirs || h.Version != "1.0" || h.Lang == "" || !strings.HasPrefix(h.Raw, "<?xml version='1.0'?>") {
			t.Errorf("the header is %s", h.Raw)
		}
		if f := s.LastFeatures().Raw; !strings.Contains(f, has) || strings.Contains(f, hasNot) {
			t.Errorf("offered is %s; want %s, and not %s", f, has, hasNot)
		}
	}
	reopen := func() {
		t.Helper()
		_, err := s.Open(b.ctx, xmpppeer.Header{From: theirs, To: ours})
		if err == nil {
			_, err = s.Features(b.ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check("<starttls", "<mechanisms")
	if err := s.StartTLS(b.ctx, xmpppeer.ClientTLS(b.cert(theirs), ours)); err != nil {
		t.Fatal(err)
	}
	reopen()
	check("<mechanisms", "<starttls")
	if err := s.External(b.ctx, ""); err != nil {
		t.Fatal(err)
	}
	reopen()
	check("urn:xmpp:sm:3", "<mechanisms")
	if f := s.LastFeatures(); f.Child("starttls", xmpppeer.NSTLS) != nil {
		t.Errorf("STARTTLS is offered after SASL: %s", f)
	}
}

// testAnotherFrom: who somebody was in the clear does not matter.
func testAnotherFrom(t *testing.T) {
	b := newBed(t)
	s := b.dial("other.example", nil, xmpppeer.Offered)
	if err := s.StartTLS(b.ctx, xmpppeer.ClientTLS(b.cert(theirs), ours)); err != nil {
		t.Fatal(err)
	}
	if h, err := s.Open(b.ctx, xmpppeer.Header{From: theirs, To: ours}); err != nil || h.To != theirs {
		t.Fatalf("the header is for %s, %v; want %s", h.To, err, theirs)
	}
	if f, err := s.Features(b.ctx); err != nil || !xmpppeer.OffersExternal(f) {
		t.Fatalf("offered: %v, %v", f, err)
	}
	if err := s.External(b.ctx, "other.example"); err == nil {
		t.Error("EXTERNAL as whom the first header named succeeds")
	}
	if err := s.External(b.ctx, theirs); err != nil {
		t.Error(err)
	}
}

func testAfterSASL(t *testing.T, h xmpppeer.Header, condition string) {
	t.Helper()
	b := newBed(t)
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Authenticated)
	if _, err := s.Open(b.ctx, h); err != nil {
		t.Fatal(err)
	}
	b.ended(s, condition)
}

// testOwnHeaders: the edge says anew who it is, and believes what the server says last.
func testOwnHeaders(t *testing.T) {
	b := newBed(t)
	l := b.byHand(theirs)
	b.sendFromBob()
	o := xmpppeer.AcceptOptions{Domain: theirs, Certificate: b.cert(theirs), Until: xmpppeer.Offered, Clear: []string{
		xmpppeer.RequireTLS, xmpppeer.OfferExternal, "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>",
	}}
	s := b.accept(l, o)
	header := func() {
		t.Helper()
		if h := s.Peer(); h.From != ours || h.To != theirs || h.ID != "" || !h.SpeaksDialback() {
			t.Errorf("the header is %s", h.Raw)
		}
	}
	header()
	if _, err := s.Expect(b.ctx, "starttls", xmpppeer.NSTLS); err != nil {
		t.Fatal(err)
	}
	if err := s.Proceed(b.ctx, xmpppeer.ServerTLS(func(string) *tls.Certificate { return o.Certificate })); err != nil {
		t.Fatal(err)
	}
	b.greet(s, xmpppeer.OfferExternal)
	header()
	if id, err := s.ExpectAuth(b.ctx); err != nil || id != ours {
		t.Fatalf("authenticates as %q, %v", id, err)
	}
	if err := s.Succeed(); err != nil {
		t.Fatal(err)
	}
	b.greet(s, "")
	header()
	if e, err := s.Expect(b.ctx, "message", xmpppeer.NSServer); err != nil || e.Body() != "hello" {
		t.Errorf("got %v, %v", e, err)
	}
}

// greet answers a header by hand.
func (b *bed) greet(s *xmpppeer.Stream, features string) {
	b.t.Helper()
	if _, err := s.Answer(b.ctx, xmpppeer.Header{ID: "again"}); err != nil {
		b.t.Fatal(err)
	}
	if err := s.SendFeatures(features); err != nil {
		b.t.Fatal(err)
	}
}
