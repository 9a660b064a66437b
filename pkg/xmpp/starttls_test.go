package xmpp

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
)

const askForTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

// TestStartTLSInjection: nothing that came in the clear is taken as if it had come
// encrypted, and nobody on the way can keep a stream in the clear (RFC 6120 §5.4.3.3,
// RFC 7590 §3.1).
func TestStartTLSInjection(t *testing.T) {
	t.Run("behind starttls", testBehindStartTLS)
	t.Run("behind proceed", func(t *testing.T) {
		testProceed(t, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>")
	})
	t.Run("plaintext after proceed", func(t *testing.T) {
		testProceed(t, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<?xml version='1.0'?><stream:stream>")
	})
	t.Run("no TLS after all", func(t *testing.T) {
		testProceed(t, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
	})
	t.Run("stripped", testStripped)
	t.Run("not offered", testClearRefused)
	t.Run("asked for twice", testTwice)
}

// testBehindStartTLS injects on the way to the edge.
func testBehindStartTLS(t *testing.T) {
	b := newBed(t)
	for _, injected := range []string{
		"<message from='alice@jabber.example' to='bob@contoso.com'/>", "<a", " ", "<?xml version='1.0'?><stream:stream to='contoso.com'>",
	} {
		s := b.dial(theirs, nil, xmpppeer.Offered)
		if err := s.Send(askForTLS, injected); err != nil {
			t.Fatal(err)
		}
		if e, err := s.Next(b.ctx); err == nil || errors.Is(err, b.ctx.Err()) {
			t.Errorf("behind %q comes %v, %v; want the end of the connection", injected, e, err)
		}
	}
}

// testProceed is a server that answers the request for TLS oddly: the message comes
// back, and nothing has been said in the clear.
func testProceed(t *testing.T, answer string, more ...string) {
	t.Helper()
	b := newBed(t)
	l := b.byHand(theirs)
	sent := b.sendFromBob()
	s := b.accept(l, xmpppeer.AcceptOptions{Domain: theirs, Until: xmpppeer.Offered})
	if _, err := s.Expect(b.ctx, "starttls", xmpppeer.NSTLS); err != nil {
		t.Fatal(err)
	}
	_ = s.Send(answer)
	for _, text := range more {
		_ = s.Send(text)
	}
	b.isError(b.receive(b.pool.User(bob)), sent, "remote-server-timeout", "wait", "edge."+ours)
}

// sendFromBob sends a message to the partner.
func (b *bed) sendFromBob() xmpppeer.Stanza {
	b.t.Helper()
	sent := xmpppeer.Stanza{From: bob + "/phone", To: alice + "/home", ID: "m1", Type: "chat", Payload: xmpppeer.Body("hello")}
	b.send(b.pool.User(bob), sent)
	return sent
}

// testStripped takes STARTTLS out of the features: the edge asks for it all the same.
func testStripped(t *testing.T) {
	b := newBed(t)
	l := b.byHand(theirs)
	b.sendFromBob()
	s := b.accept(l, xmpppeer.AcceptOptions{Domain: theirs, Clear: []string{xmpppeer.OfferErrors}, Until: xmpppeer.Offered})
	if _, err := s.Expect(b.ctx, "starttls", xmpppeer.NSTLS); err != nil {
		t.Errorf("without the feature: %v", err)
	}
}

// testClearRefused: where TLS is required it is all that is offered, and nothing else
// is served.
func testClearRefused(t *testing.T) {
	b := newBed(t)
	s := b.dial(theirs, nil, xmpppeer.Offered)
	f := s.LastFeatures()
	if len(f.Children) != 1 || f.Child("starttls", xmpppeer.NSTLS).Child("required", xmpppeer.NSTLS) == nil {
		t.Errorf("offered in the clear: %s, want starttls alone", f)
	}
	err := s.External(b.ctx, theirs)
	if refused, ok := errors.AsType[*xmpppeer.SASLError](err); !ok || refused.Condition != "encryption-required" {
		t.Errorf("EXTERNAL in the clear: %v, want encryption-required", err)
	}
	_ = s.Send("<message from='alice@jabber.example' to='bob@contoso.com'/>")
	b.ended(s, "not-authorized")
}

// testTwice asks for TLS inside of TLS.
func testTwice(t *testing.T) {
	b := newBed(t)
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Reoffered)
	_ = s.Send(askForTLS)
	if _, err := s.Expect(b.ctx, "failure", xmpppeer.NSTLS); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(b.ctx); !errors.Is(err, xmpppeer.ErrEnd) {
		t.Errorf("after the failure: %v, want the end (RFC 6120 §5.4.2.2)", err)
	}
}

// TestWrongProtocol: TLS that is not, and HTTP, end at once.
func TestWrongProtocol(t *testing.T) {
	b := newBed(t)
	for _, text := range []string{"\x16\x03\x01\x00\x05hello", "GET / HTTP/1.1\r\n\r\n"} {
		raw := b.connect()
		t.Cleanup(func() { _ = raw.Close() })
		_, _ = io.WriteString(raw, text)
		_ = raw.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, err := io.ReadAll(raw)
		if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
			t.Errorf("%q leaves the connection open", text)
		}
		if strings.Contains(string(got), "<stream:features") {
			t.Errorf("%q is answered with features", text)
		}
	}
}
