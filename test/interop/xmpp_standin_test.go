package interop

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"edged/internal/insidedns"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// TestXMPPPoolsWithoutEdge configures each server by its page, and has a
// scripted peer and the inside name server stand where edged would be. It proves
// the page: when it fails, no other failure of a pool here says anything about
// edged.
func TestXMPPPoolsWithoutEdge(t *testing.T) {
	for _, kind := range []string{"prosody", "ejabberd"} {
		for _, mode := range []string{"mint", "dialback"} {
			t.Run(kind+" by "+mode, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				o := w.standIn(t, mode)
				pool := w.startXMPP(t, w.xmppMember(t, kind, xmppFirst, mode))
				carol := w.newUser(t, "carol", pool)
				if _, err := o.bob.Message(soon(t), carol.jid, "in"); err != nil {
					t.Fatal(err)
				}
				carol.hear(t, o.bob.Address, "in")
				carol.say(t, o.bob.Address, "out")
				if got, err := o.bob.Receive(soon(t)); err != nil || got.Body() != "out" || got.Attr("from") != carol.full {
					t.Errorf("outside arrived %v, %v", got, err)
				}
				by := xmppWay{external: mode == "mint"}.method()
				pool.wantProven(t, "jabber.example", by, by)
			})
		}
	}
}

// standIn plays jabber.example at edged's inside.
func (w *world) standIn(t *testing.T, mode string) *outsider {
	t.Helper()
	w.answerInside(t)
	if mode == "dialback" {
		nobody := w.newAuthority(t, "nobody-trusts-edged").Issue(leaf("edged.test")).TLS
		return w.playJabber(t, xmppInside, xmppFirst, xmpppeer.Config{
			Certificates: map[string]*tls.Certificate{"": &nobody}, Dialback: true, AvoidExternal: true, External: xmpppeer.ExternalNever,
		})
	}
	minted := w.mint(t, "jabber.example")
	if namesXMPPAddr(minted) {
		t.Fatal("a minted certificate has an XmppAddr, over which ejabberd 23.01 fails")
	}
	return w.playJabber(t, xmppInside, xmppFirst, xmpppeer.Config{
		Certificates: map[string]*tls.Certificate{"": minted}, Roots: w.inside.pool,
	})
}

// mint is a certificate for the domain by the page's authority.
func (w *world) mint(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	certFile, keyFile := w.mintAuthority(t)
	contoso, err := domain.Parse("contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	partner, err := domain.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	a, err := tlsid.LoadAuthority(tlsid.AuthorityConfig{Cert: certFile, Key: keyFile, Ours: []domain.Name{contoso}, CacheSize: 1, Rate: 1})
	if err != nil {
		t.Fatalf("the authority of docs/pools.md: %v", err)
	}
	cert, err := a.For(partner)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// namesXMPPAddr finds id-on-xmppAddr (RFC 6120 §13.7.1.4), 1.3.6.1.5.5.7.8.5, in a
// certificate. Erlang's xmpp 1.6.1 makes a list of its names and fails over that one,
// which ends the stream without a word.
func namesXMPPAddr(c *tls.Certificate) bool {
	return bytes.Contains(c.Certificate[0], []byte{0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x05})
}

// answerInside runs edged's answerer for the pool, which sends it to edged's inside.
func (w *world) answerInside(t *testing.T) {
	t.Helper()
	at, edge := w.place("dns."+xmppInside), w.place(xmppInside)
	udp, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := insidedns.Start(t.Context(), insidedns.Config{
		UDP: []net.PacketConn{udp}, Target: []netip.Addr{edge.Addr()}, Port: edge.Port(),
		Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
}
