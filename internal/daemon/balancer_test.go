package daemon_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// balancer passes connections on, each begun with a header, and returns where.
func (b *bed) balancer(to, header string) string {
	b.Helper()
	l := listenTCP(b.T)
	var work sync.WaitGroup
	b.Cleanup(work.Wait)
	b.Cleanup(func() { _ = l.Close() })
	work.Go(func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", to)
			if err != nil {
				_ = front.Close()
				continue
			}
			b.Cleanup(func() { _, _ = front.Close(), back.Close() })
			_, _ = io.WriteString(back, header)
			work.Go(func() { _, _ = io.Copy(back, front); _ = back.Close() })
			work.Go(func() { _, _ = io.Copy(front, back); _ = front.Close() })
		}
	})
	return l.Addr().String()
}

const (
	announced   = "PROXY TCP4 192.0.2.7 10.0.0.2 5005 5061\r\n"
	fromInside  = "PROXY TCP4 127.0.0.77 10.0.0.2 5005 5061\r\n"
	fromNowhere = "PROXY TCP4 10.9.9.9 10.0.0.2 5005 5061\r\n"
)

// TestBalancers: of both sides of both protocols, from whom a header is required.
func TestBalancers(t *testing.T) {
	x := startXMPP(t, func(s *setup) { s.Balancers, s.XMPP.Balancers = "[127.0.0.0/8]", "[127.0.0.0/8]" })
	sip := x.dialAt(fabrikam, x.balancer(x.edge.Addr("sip.external").String(), announced), outside)
	if got := x.say(sip, fabrikam, "bob@"+fabrikam, alice); got != 200 {
		t.Errorf("a partner's message: %d", got)
	}
	member := x.dialAt("fe1", x.balancer(x.edge.Addr("sip.internal").String(), fromInside), inside)
	x.wantOpen("fe1", member, inside)
	if conn, err := x.peers[fabrikam].Dial(x.Soon(), x.edge.Addr("sip.external").String(), outside); err == nil {
		x.wantClosed(conn)
	}
	x.logged(`msg="connection refused" proto=sip side=external peer_addr=127.0.0.1:\d+ reason=malformed err="from balancer 127.0.0.1:\d+: no PROXY header"`)
	x.metrics(`edged_sip_handshakes_total{opened="accepted",result="refused-header",side="external"} 1`)

	x.outside.Store(x.balancer(x.edge.Addr("xmpp.external").String(), announced))
	x.inside.Store(x.balancer(x.edge.Addr("xmpp.internal").String(), fromInside))
	p := x.partner(jabber, nil).User("carol@" + jabber)
	x.arrives(p, x.chat.User(alice))
	x.arrives(x.chat.User(alice), p)
	for _, side := range []string{"external", "internal"} {
		for _, proto := range []string{"sip", "xmpp"} {
			if at := x.announcedTo(proto, side); !strings.HasPrefix(at, map[string]string{"external": "192.0.2.7:", "internal": "127.0.0.77:"}[side]) {
				t.Errorf("%s, %s: the edge sees %q", proto, side, at)
			}
		}
	}
	// A pool is where its announced address is, not where its balancer is.
	x.inside.Store(x.balancer(x.edge.Addr("xmpp.internal").String(), fromNowhere))
	if _, err := x.chat.User("dave@"+ours).Message(x.Soon(), "eve@"+public, "hello"); err == nil {
		t.Error("a pool at another address was let in")
	}
	x.logged(`msg="connection refused" proto=xmpp side=internal peer_addr=10.9.9.9:5005 reason=not-ours`)
}

// announcedTo is the peer of an accepted connection as the log has it.
func (x *xmppBed) announcedTo(proto, side string) string {
	x.Helper()
	for line := range strings.Lines(x.log.text()) {
		opened := map[string]string{"sip": `msg="connection opened"`, "xmpp": `msg="stream authenticated"`}[proto]
		if strings.Contains(line, opened) && strings.Contains(line, "side="+side) && strings.Contains(line, "dialled=false") {
			_, rest, _ := strings.Cut(line, "peer_addr=")
			at, _, _ := strings.Cut(rest, " ")
			return at
		}
	}
	return ""
}
