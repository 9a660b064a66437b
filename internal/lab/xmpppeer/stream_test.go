package xmpppeer_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/internal/lab/xmpppeer"

	"github.com/google/go-cmp/cmp"
)

// meet runs Dial and Accept against each other, over TCP.
func meet(t *testing.T, d xmpppeer.DialOptions, a xmpppeer.AcceptOptions) (left, right *xmpppeer.Stream) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			right, err = xmpppeer.Accept(t.Context(), conn, a)
		}
		done <- err
	}()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	left, err = xmpppeer.Dial(t.Context(), conn, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { left.Close() })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { right.Close() })
	return left, right
}

func TestDialAndAccept(t *testing.T) {
	w := newWorld(t)
	all := []xmpppeer.Step{
		xmpppeer.Connected, xmpppeer.Offered, xmpppeer.Secured, xmpppeer.Reoffered, xmpppeer.Authenticated, xmpppeer.Ready,
	}
	modes := map[xmpppeer.Mode][]xmpppeer.Step{
		xmpppeer.StartTLS:  all,
		xmpppeer.DirectTLS: append(all[:1:1], all[2:]...),
		xmpppeer.NoTLS:     {xmpppeer.Connected, xmpppeer.Offered, xmpppeer.Ready},
	}
	for mode, steps := range modes {
		for _, step := range steps {
			t.Run(string(mode)+" "+string(step), func(t *testing.T) {
				left, right := meet(t,
					xmpppeer.DialOptions{
						From: "fabrikam.com", To: "contoso.com", Mode: mode, Until: step,
						Certificate: w.cert("fabrikam.com"), Roots: w.roots,
					},
					xmpppeer.AcceptOptions{Certificate: w.cert("contoso.com"), Mode: mode, Until: step})
				secured := mode != xmpppeer.NoTLS && step != xmpppeer.Connected && step != xmpppeer.Offered
				if (left.TLS() != nil) != secured {
					t.Errorf("TLS: %v", left.TLS())
				}
				if secured && step != xmpppeer.Secured && right.Peer().From != "fabrikam.com" {
					t.Errorf("header: %+v", right.Peer())
				}
			})
		}
	}
	_, err := xmpppeer.Dial(t.Context(), closed(), xmpppeer.DialOptions{Mode: xmpppeer.NoTLS, Until: xmpppeer.Secured})
	if err == nil {
		t.Error("a step that the mode does not have was reached")
	}
}

// closed returns a connection that nobody is at the other end of.
func closed() net.Conn {
	a, b := xmpppeer.Pipe()
	b.Close()
	return a
}

func TestDialChecksTheCertificate(t *testing.T) {
	w := newWorld(t)
	a, b := xmpppeer.Pipe()
	go func() {
		_, _ = xmpppeer.Accept(t.Context(), b, xmpppeer.AcceptOptions{Certificate: w.cert("litware.com")})
	}()
	_, err := xmpppeer.Dial(t.Context(), a, xmpppeer.DialOptions{From: "fabrikam.com", To: "contoso.com", Roots: w.roots})
	if err == nil || !strings.Contains(err.Error(), "litware.com") {
		t.Errorf("a certificate for litware.com passed for contoso.com: %v", err)
	}
}

// plain returns two ends that have exchanged headers and features without TLS, over
// the least of connections: net.Pipe.
func plain(t *testing.T) (left, right *xmpppeer.Stream) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		var err error
		right, err = xmpppeer.Accept(t.Context(), b, xmpppeer.AcceptOptions{Mode: xmpppeer.NoTLS, ID: "id1"})
		done <- err
	}()
	left, err := xmpppeer.Dial(t.Context(), a, xmpppeer.DialOptions{From: "fabrikam.com", To: "contoso.com", Mode: xmpppeer.NoTLS})
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { left.Close(); right.Close() })
	return left, right
}

func TestReading(t *testing.T) {
	left, right := plain(t)
	go func() {
		_ = left.Send(" \n", "<message>", "<body>a</body></message>", " ")
		_ = left.Send("<x:skipped xmlns:x='urn:x'/>", "<r xmlns='urn:xmpp:sm:3'/>", "<presence/>")
		_ = left.SendError("conflict", "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>two</text>")
	}()
	e, err := right.Expect(t.Context(), "message", xmpppeer.NSServer)
	if err != nil || e.Raw != "<message><body>a</body></message>" || e.Body() != "a" || right.Spaces() != 2 {
		t.Errorf("%v, %v, %d spaces", e, err, right.Spaces())
	}
	if err := right.ExpectSpace(t.Context()); err != nil || right.Spaces() != 3 {
		t.Errorf("%v, %d spaces", err, right.Spaces())
	}
	if e, err := right.Await(t.Context(), "r", xmpppeer.NSManagement); err != nil {
		t.Errorf("%v, %v", e, err)
	}
	if _, err = right.Expect(t.Context(), "iq", xmpppeer.NSServer); !asType[*xmpppeer.UnexpectedError](err) {
		t.Errorf("presence for iq: %v", err)
	}
	if se, err := right.AwaitError(t.Context()); err != nil || se.Condition != "conflict" || se.Text != "two" {
		t.Errorf("%+v, %v", se, err)
	}
	if err := right.AwaitEnd(t.Context()); !errors.Is(err, xmpppeer.ErrEnd) {
		t.Errorf("end tag: %v", err)
	}
	must(t, left.Drop())
	if _, err := right.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("end of the connection: %v", err)
	}
}

func asType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestReadingStopsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := plain(t)
		sent := make(chan error)
		go func() { sent <- left.Send("<message><bo") }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if e, err := right.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("half an element: %v, %v", e, err)
		}
		must(t, <-sent)
		go func() { sent <- left.Send("dy/></message>") }()
		if e, err := right.Next(t.Context()); err != nil || e.Raw != "<message><body/></message>" {
			t.Errorf("%v, %v", e, err)
		}
		must(t, <-sent)
	})
}

func TestReadingIsBounded(t *testing.T) {
	left, right := plain(t)
	right.SetLimit(100)
	go func() { _ = left.Send("<message>", strings.Repeat("x", 200)) }()
	if _, err := right.Next(t.Context()); !errors.Is(err, xmpppeer.ErrTooBig) {
		t.Errorf("got %v", err)
	}
}

func TestReadingRefusesNonsense(t *testing.T) {
	for _, text := range []string{"x<a/>", "<a></b>", "<x:a/>", "<a b='1' b='2'/>", "<!-- -->"} {
		left, right := plain(t)
		go func() { _ = left.Send(text) }()
		if e, err := right.Next(t.Context()); !asType[*xmpppeer.SyntaxError](err) {
			t.Errorf("%s: %v, %v", text, e, err)
		}
	}
}

// Each side of a step can be played alone; this is every one of them once.
func TestStepsByHand(t *testing.T) {
	left, right := plain(t)
	go func() {
		_, _ = right.Await(t.Context(), "bidi", xmpppeer.NSBidi)
		id, _ := right.ExpectAuth(t.Context())
		_ = right.Fail("not-authorized", "not you, "+id)
		e, _ := right.Expect(t.Context(), "result", xmpppeer.NSDialback)
		_ = right.SendVerdict(e, "valid", "")
		e, _ = right.Expect(t.Context(), "verify", xmpppeer.NSDialback)
		_ = right.SendVerdict(e, "error", "item-not-found")
		_, _ = right.Expect(t.Context(), "enable", xmpppeer.NSManagement)
		_ = right.Send("<enabled xmlns='urn:xmpp:sm:3'/>")
		_, _ = right.Expect(t.Context(), "message", xmpppeer.NSServer)
		_, _ = right.Expect(t.Context(), "r", xmpppeer.NSManagement)
		_ = right.SendAck(1)
		_ = right.End()
	}()
	must(t, left.SendBidi())
	err := left.External(t.Context(), "fabrikam.com")
	if diff := cmp.Diff(&xmpppeer.SASLError{Condition: "not-authorized", Text: "not you, fabrikam.com"}, err); diff != "" {
		t.Errorf("EXTERNAL (-want +got):\n%s", diff)
	}
	must(t, left.Dialback(t.Context(), "fabrikam.com", "contoso.com", "key"))
	err = left.Verify(t.Context(), "fabrikam.com", "contoso.com", left.Peer().ID, "key")
	if diff := cmp.Diff(&xmpppeer.DialbackError{Type: "error", Condition: "item-not-found"}, err); diff != "" {
		t.Errorf("verify (-want +got):\n%s", diff)
	}
	if e, err := left.EnableManagement(t.Context()); err != nil || e.Name != "enabled" {
		t.Errorf("%v, %v", e, err)
	}
	must(t, left.SendStanza(xmpppeer.Stanza{To: "bob@contoso.com"}))
	if h, err := left.RequestAck(t.Context()); err != nil || h != 1 {
		t.Errorf("h=%d, %v", h, err)
	}
	if err := left.AwaitEnd(t.Context()); !errors.Is(err, xmpppeer.ErrEnd) {
		t.Errorf("end: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What comes before the handshake in one piece with <proceed/> must not be read as XML.
func TestBytesBeforeTheHandshakeBelongToIt(t *testing.T) {
	w := newWorld(t)
	left, right := plain(t)
	go func() {
		_, _ = right.Expect(t.Context(), "starttls", xmpppeer.NSTLS)
		_ = right.Send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>")
		_ = right.AwaitEnd(t.Context()) // takes what the handshake begins with
	}()
	if err := left.StartTLS(t.Context(), xmpppeer.ClientTLS(w.cert("fabrikam.com"), "")); err == nil {
		t.Error("the handshake succeeded")
	}
}

func TestHeaderAsGiven(t *testing.T) {
	a, b := xmpppeer.Pipe()
	raw := "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' to='x'>"
	right := xmpppeer.NewStream(b)
	defer right.Close()
	go func() { _, _ = xmpppeer.Dial(t.Context(), a, xmpppeer.DialOptions{Header: raw}) }()
	if h, err := right.ReadHeader(t.Context()); err != nil || h.Raw != raw || h.Spaces[""] != "jabber:client" {
		t.Errorf("%+v, %v", h, err)
	}
}
