package sipfed

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// TestDisorder: partners and pools that do everything at the wrong moment, reloads
// between it. Nobody gets what is another domain's, or what has been recycled (0xdd
// stands there then), and in the end nothing is left or counted.
func TestDisorder(t *testing.T) {
	world()
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	synctest.Test(t, func(t *testing.T) {
		b := disorderly(t, net.Pipe, rounds)
		<-time.After(time.Minute)
		b.nothingLeft()
	})
}

// TestDisorderOverTCP is the same where the system takes what nobody reads yet, though
// not much of it, and readers write for others.
func TestDisorderOverTCP(t *testing.T) {
	b := disorderly(t, func() (net.Conn, net.Conn) {
		near, far := tcpPair()
		for _, c := range []net.Conn{near, far} {
			_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
		return near, far
	}, 3)
	for by := time.Now().Add(time.Minute); len(b.s.table.all())+b.clients() > 0 && time.Now().Before(by); {
		<-time.After(100 * time.Millisecond)
		b.s.forgetAccepted(time.Now())
	}
	b.nothingLeft()
}

// disorderly is a bed after disorder.
func disorderly(t *testing.T, pipe func() (net.Conn, net.Conn), rounds int) *bed {
	t.Helper()
	b := newBedOver(t, pipe, direct, func(_ *policy.Source, l *limit.Bounds) {
		l.InviteTargetTimeout, l.ConnectTotal, l.IdleTimeout = 50*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
		l.TransactionTimeout, l.InviteTimeout, l.AcceptedInvites = 400*time.Millisecond, 600*time.Millisecond, 50
	})
	b.state.Pools[0].Members.SetMembers([]string{"10.0.0.1:5061", "10.0.0.2:5061"})
	d := &disorder{bed: b, over: make(chan struct{})}
	for addr, dialled := range b.members {
		go d.serve(addr, dialled)
	}
	var senders sync.WaitGroup
	for i := range 3 {
		senders.Go(func() { d.send(b.outside, b.world.partner, "fabrikam.com", "alice@contoso.com", "") })
		senders.Go(func() {
			d.send(b.outside, b.world.other, "adatum.com", []string{"alice", "mallory"}[i%2]+"@contoso.com", "")
		})
		senders.Go(func() {
			d.send(b.inside, b.world.member, "contoso.com", "bob@fabrikam.com", []string{partnerAddr, secondAddr}[i%2])
		})
	}
	for range rounds {
		<-time.After(100 * time.Millisecond)
		b.apply(b.state.Pools)
	}
	close(d.over)
	senders.Wait()
	return b
}

func (b *bed) nothingLeft() {
	b.t.Helper()
	if n, servers, clients := b.s.table.size.Load(), len(b.s.table.all()), b.clients(); n != 0 || servers+clients != 0 {
		b.t.Errorf("%d transactions under way, %d server and %d client transactions", n, servers, clients)
	}
	if n := b.s.held.Bytes(); n != 0 {
		b.t.Errorf("%d bytes are held", n)
	}
	for _, c := range b.s.group.All() {
		if c.pending.Load() != 0 || c.toWrite() != 0 {
			b.t.Errorf("connection %d: %d pending, %d bytes to write", c.id, c.pending.Load(), c.toWrite())
		}
	}
	for _, l := range b.s.links.all() {
		if n := l.toDial(l.hop.key.side); n != 0 {
			b.t.Errorf("%d wait for a connection to %s", n, l.hop.key.hop)
		}
	}
}

// disorder is what both sides of a bed do.
type disorder struct {
	*bed
	over chan struct{}
}

func (d *disorder) ended() bool {
	select {
	case <-d.over:
		return true
	default:
		return false
	}
}

// serve takes what the edge dials at an address.
func (d *disorder) serve(addr string, dialled chan net.Conn) {
	for {
		select {
		case raw := <-dialled:
			certs := []ca.Cert{d.world.member}
			if addr == partnerAddr || addr == secondAddr {
				certs = []ca.Cert{d.world.partner, d.world.many}
			}
			go d.answer(raw, certs[rand.N(len(certs))])
		case <-d.t.Context().Done():
			return
		}
	}
}

// answer answers whatever comes on a connection, mostly.
func (d *disorder) answer(raw net.Conn, cert ca.Cert) {
	sock := tls.Server(raw, &tls.Config{
		Certificates: []tls.Certificate{cert.TLS}, ClientAuth: tls.RequestClientCert, MaxVersion: tls.VersionTLS12 + rand.N[uint16](2),
	})
	defer raw.Close()
	if sock.HandshakeContext(d.t.Context()) != nil || rand.N(20) == 0 {
		return
	}
	p := &unruly{peer: peer{t: d.t, raw: raw, sock: sock}}
	p.each(func(m msg) {
		if strings.HasPrefix(m.first, "SIP/2.0") || strings.HasPrefix(m.first, "ACK") {
			return
		}
		go func() {
			<-time.After(rand.N(60 * time.Millisecond))
			p.respond(m)
		}()
	})
}

func (p *unruly) respond(m msg) {
	says := func(status string) { p.put(wire(m.reply(status, "X-Of: "+m.one("X-Of")))) }
	what := rand.N(12)
	if strings.HasPrefix(m.first, "CANCEL") {
		what = 12
	}
	switch what {
	case 0:
	case 1:
		says("503 Service Unavailable")
	case 2:
		says("404 Not Found")
	case 3:
		says("180 Ringing")
		<-time.After(rand.N(300 * time.Millisecond))
		says("486 Busy Here")
		says("200 OK")
	case 4:
		says("180 Ringing")
		<-time.After(rand.N(700 * time.Millisecond))
		says("200 OK")
		says("200 OK")
	case 5:
		says("180 Ringing")
	case 6:
		if rand.N(8) == 0 {
			_ = p.raw.Close()
		}
	default:
		says("200 OK")
	}
}

// send connects and sends, over and over.
func (d *disorder) send(to *pipes, cert ca.Cert, domain, target, route string) {
	for !d.ended() {
		p := &unruly{}
		ours, theirs := d.pipe()
		to.conns <- addressed{theirs, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(partnerAddr + ":40000"))}
		sock := tls.Client(ours, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert.TLS}})
		p.peer = peer{t: d.t, raw: ours, sock: sock}
		if sock.HandshakeContext(d.t.Context()) != nil {
			continue
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			p.each(func(m msg) { p.check(m, domain) })
		}()
		for n := rand.N(200); n > 0 && !d.ended(); n-- {
			p.request(domain, target, route)
			<-time.After(max(rand.N(8*time.Millisecond)-5*time.Millisecond, 0))
		}
		<-time.After(max(rand.N(400*time.Millisecond)-200*time.Millisecond, 0))
		_ = ours.Close()
		<-read
	}
}

// check answers a request, and looks whose a response is.
func (p *unruly) check(m msg, domain string) {
	if !strings.HasPrefix(m.first, "SIP/2.0") {
		p.put(wire(m.reply("200 OK", "X-Of: "+m.one("X-Of"))))
		return
	}
	of := m.one("X-Of")
	id, whose, _ := strings.Cut(m.one("Call-ID"), "@")
	if of != "" && of != domain || !strings.Contains(m.one("From"), domain) || whose != domain || strings.ContainsRune(m.raw, 0xdd) ||
		!strings.Contains(m.one("Via"), "branch=z9hG4bK"+id) {
		p.t.Errorf("%s got\n%s", domain, m)
	}
}

// request sends one request, or an INVITE and what comes after it, too early or not.
func (p *unruly) request(domain, target, route string) {
	id := fmt.Sprint(rand.Uint64())
	if route != "" {
		route = "Route: <sip:" + route + ":5061;lr>\n"
	}
	port, body := 5000+rand.N(100), strings.Repeat("z", rand.N(3000))
	text := func(method string) string {
		return wire(fmt.Sprintf("%s sip:%s SIP/2.0\nVia: SIP/2.0/TLS sip.%s:%d;branch=z9hG4bK%s\nMax-Forwards: 70\n%s", method, target, domain, port, id, route) +
			fmt.Sprintf("From: <sip:user@%s>;tag=here\nTo: <sip:%s>\nCall-ID: %s@%s\nCSeq: 1 %s\nX-Of: %s\n\n%s", domain, target, id, domain, method, domain, body))
	}
	switch rand.N(10) {
	case 0:
		p.put(strings.Replace(text("MESSAGE"), "CSeq: 1", "CSeq: x", 1))
	case 1, 2, 3:
		p.put(text("MESSAGE"))
	case 4:
		p.put(text("BENOTIFY"))
	case 5:
		p.put(text("INVITE") + text("CANCEL") + text("ACK"))
	default:
		p.put(text("INVITE"))
		go func() {
			<-time.After(rand.N(100 * time.Millisecond))
			if rand.N(2) == 0 {
				p.put(text("CANCEL"))
			}
			<-time.After(rand.N(100 * time.Millisecond))
			p.put(text("ACK"))
		}()
	}
}

// unruly is a peer on which several write.
type unruly struct {
	peer
	writing sync.Mutex
}

func (p *unruly) put(text string) {
	p.writing.Lock()
	defer p.writing.Unlock()
	_ = p.sock.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(p.sock, text)
}

// each reads until the connection ends.
func (p *unruly) each(do func(msg)) {
	p.r = bufio.NewReader(p.sock)
	for {
		m, err := p.read(time.Minute)
		if err != nil {
			return
		}
		if rand.N(100) == 0 {
			<-time.After(rand.N(100 * time.Millisecond)) // and takes nothing
		}
		do(m)
	}
}
