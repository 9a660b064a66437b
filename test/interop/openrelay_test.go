package interop

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"edged/internal/lab/sippeer"
)

// tripwire is a place that nothing may ever connect to.
type tripwire struct {
	at      netip.AddrPort
	touched atomic.Int32
}

// tripwire listens where the zone says that the host is.
func (w *world) tripwire(t *testing.T, host string) *tripwire {
	t.Helper()
	wire := &tripwire{at: w.place(host)}
	l, err := net.Listen("tcp", wire.at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wire.touched.Add(1)
			c.Close()
		}
	}()
	return wire
}

func (tw *tripwire) wantUntouched(t testing.TB) {
	t.Helper()
	if n := tw.touched.Swap(0); n > 0 {
		t.Errorf("%d connections reached the third party", n)
	}
}

// TestOpenRelay tries to send through edged to third parties, one of them a
// partner that our own users may write to.
func TestOpenRelay(t *testing.T) {
	s := newStand(t)
	partner, stranger := s.tripwire(t, "edge.litware.net"), s.tripwire(t, "sip.unlisted.example")
	third := stranger.at.String()
	own := s.place("sip.contoso.com").String()
	tests := map[string]struct {
		uri    string
		routes []string
	}{
		"Request-URI, a partner":        {uri: "sip:dan@litware.com"},
		"Request-URI, a stranger":       {uri: "sip:dan@unlisted.example"},
		"Request-URI, an address":       {uri: "sip:dan@" + third + ";transport=tls"},
		"Request-URI, our name, a port": {uri: "sip:dan@contoso.com@" + third},
		"Request-URI, the sender's":     {uri: "sip:dan@fabrikam.com"},
		"Route, a partner":              {"sip:carol@contoso.com", []string{"<sip:edge.litware.net;transport=tls;lr>"}},
		"Route, an address":             {"sip:carol@contoso.com", []string{"<sip:" + third + ";transport=tls;lr>"}},
		"Route, ours then theirs": {"sip:carol@contoso.com", []string{
			"<sip:sip.contoso.com;transport=tls;lr>", "<sip:" + third + ";transport=tls;lr>",
		}},
		"Route, our address then theirs": {"sip:carol@contoso.com", []string{
			"<sip:" + own + ";transport=tls;lr>", "<sip:" + third + ";transport=tls;lr>",
		}},
		"Route, strict":             {"sip:sip.contoso.com", []string{"<sip:dan@" + third + ";transport=tls>"}},
		"Route, ours with maddr":    {"sip:carol@contoso.com", []string{"<sip:sip.contoso.com;maddr=" + stranger.at.Addr().String() + ";lr>"}},
		"maddr":                     {uri: "sip:carol@contoso.com;maddr=" + stranger.at.Addr().String()},
		"maddr and port":            {uri: "sip:carol@contoso.com:" + third[strings.LastIndex(third, ":")+1:] + ";maddr=" + stranger.at.Addr().String()},
		"our inside name":           {uri: "sip:carol@fe1.corp.contoso.com"},
		"below our domain":          {uri: "sip:carol@corp.contoso.com"},
		"headers in the URI":        {uri: "sip:carol@contoso.com?Route=%3Csip:" + third + "%3Blr%3E"},
		"tel":                       {uri: "tel:+15550100"},
		"From and To of others too": {uri: "sip:dan@litware.com", routes: []string{"<sip:" + own + ";lr>"}},
	}
	c := s.dialEdge(t, s.fabrikam)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := s.fabrikam.Compose(sippeer.Request{
				Method: "MESSAGE", URI: tt.uri, From: "<sip:bob@fabrikam.com>", To: "<sip:carol@contoso.com>",
				CallID: sippeer.NewCallID("interop.test"), Routes: tt.routes, Body: "relay me",
			})
			s.wantRefused(t, c, m, 400, 403, 404, 416, 481)
			s.wantWorking(t, c)
			partner.wantUntouched(t)
			stranger.wantUntouched(t)
		})
	}
}

// TestOpenRelayByContact gives the pool a Contact at a third party. What the
// pool sends to it in the dialog may go to whom the dialog is with, and to
// nobody else: the third party proves its own name, and gets no SIP.
func TestOpenRelayByContact(t *testing.T) {
	s := newStand(t)
	cert := s.issue(t, s.roots, "sip.unlisted.example", "unlisted.example")
	stranger := s.peer(t, "sip.unlisted.example", &cert.TLS, s.roots)
	c := s.dialEdge(t, s.fabrikam)
	invite := invitation(s.fabrikam)
	invite.Set("Contact", "<sip:dan@"+stranger.Addr()+";transport=tls>")
	s.establish(t, c, invite)

	received := s.front.Desk.Arrived(invite.Get("Call-ID"))[0]
	dialog := s.front.Desk.DialogOfCallee(received)
	inside := s.dialInside(t)
	if got := status(t, inside, s.front.Compose(dialog.Next("BYE"))); got != 504 {
		t.Errorf("BYE answered with %d, want 504", got)
	}
	if arrived := stranger.Desk.Arrived(invite.Get("Call-ID")); len(arrived) > 0 {
		t.Errorf("the third party received:\n%s", arrived[0])
	}
}

// invitation is an INVITE from fabrikam to one of our users.
func invitation(p *sippeer.Peer) *sippeer.Message {
	return p.Compose(sippeer.Request{
		Method: "INVITE", URI: "sip:carol@contoso.com", From: "<sip:bob@fabrikam.com>", To: "<sip:carol@contoso.com>",
		CallID: sippeer.NewCallID("interop.test"),
	})
}

// establish sends an INVITE, acknowledges it and returns the caller's dialog.
func (s stand) establish(t *testing.T, c *sippeer.Conn, invite *sippeer.Message) sippeer.Dialog {
	t.Helper()
	final := c.Do(soon(t), invite).Final()
	if final == nil || final.Status() != 200 {
		t.Fatalf("INVITE answered with %v, want 200", final)
	}
	dialog := sippeer.DialogOfCaller(invite, final)
	if err := c.Write(s.fabrikam.Compose(dialog.Next("ACK")).String()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.front.Desk.Await(soon(t), invite.Get("Call-ID"), "ACK"); err != nil {
		t.Fatalf("the pool has not received the ACK: %v", err)
	}
	return dialog
}
