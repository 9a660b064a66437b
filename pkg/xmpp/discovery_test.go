package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/discovery"

	"github.com/google/go-cmp/cmp"
)

// internet carries what the edge dials outside to where it really is, and remembers
// it. Nobody listens at an address that is not in it.
type internet struct {
	mu     sync.Mutex
	places map[netip.AddrPort]string
	dialed []string
}

func (n *internet) dial(ctx context.Context, side Side, addr netip.AddrPort) (net.Conn, error) {
	to := addr.String()
	if side == External {
		n.mu.Lock()
		n.dialed = append(n.dialed, to)
		real, ok := n.places[addr]
		n.mu.Unlock()
		if !ok {
			return nil, fmt.Errorf("%s: connection refused", addr)
		}
		to = real
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", to)
}

// listenAt starts a server for a domain at an address of the Internet.
func (n *internet) listenAt(b *bed, name, at string) *xmpppeer.Server {
	l := listen(b.t)
	n.mu.Lock()
	n.places[netip.MustParseAddrPort(at)] = l.Addr().String()
	n.mu.Unlock()
	roots := x509.NewCertPool()
	roots.AddCert(b.world.public.Cert().X509)
	p := xmpppeer.NewServer(xmpppeer.Config{
		Domains: []string{name}, Certificates: map[string]*tls.Certificate{"": b.cert(name)}, Roots: roots,
		Resolve: func(context.Context, string) (xmpppeer.Hop, error) { return xmpppeer.Hop{Addr: b.outside}, nil },
	})
	p.Serve(l)
	b.t.Cleanup(p.Close)
	return p
}

// srvCase is what a domain publishes, and where that leads.
type srvCase struct {
	xmpp, xmpps []zone.SRV
	dialed      []string
	condition   string // what the sender gets; "": it arrives where was dialled last
	kind        string
	direct      bool // and by direct TLS
}

// The hosts of the tests' Internet.
const (
	hostOne  = "198.51.44.1:5269"
	hostTwo  = "198.51.44.2:5270"
	hostSix  = "[2600:1f18::6]:5269"
	hostDead = "198.51.44.9:5269"
	hostOurs = "198.51.44.8:5269"
)

func srvCases() map[string]srvCase {
	at := func(priority uint16, host string, port uint16) zone.SRV {
		return zone.SRV{Priority: priority, Weight: 1, Port: port, Target: host + ".example.net"}
	}
	one, two := at(10, "one", 5269), at(20, "two", 5270)
	no := []zone.SRV{{Target: "."}}
	return map[string]srvCase{
		"lower priority first":    {xmpp: []zone.SRV{two, one}, dialed: []string{hostOne}},
		"dead first target":       {xmpp: []zone.SRV{at(5, "dead", 5269), one}, dialed: []string{hostDead, hostOne}},
		"first without address":   {xmpp: []zone.SRV{at(5, "nowhere", 5269), one}, dialed: []string{hostOne}},
		"AAAA only":               {xmpp: []zone.SRV{at(5, "six", 5269)}, dialed: []string{hostSix}},
		"merged, STARTTLS first":  {xmpp: []zone.SRV{one}, xmpps: []zone.SRV{two}, dialed: []string{hostOne}},
		"merged, direct first":    {xmpps: []zone.SRV{one}, xmpp: []zone.SRV{two}, dialed: []string{hostOne}, direct: true},
		"merged, first is dead":   {xmpps: []zone.SRV{at(1, "dead", 5269), two}, xmpp: []zone.SRV{at(2, "dead", 5269)}, dialed: []string{hostDead, hostDead, hostTwo}, direct: true},
		"direct TLS only":         {xmpps: []zone.SRV{one}, xmpp: no, dialed: []string{hostOne}, direct: true},
		"no direct TLS":           {xmpps: no, xmpp: []zone.SRV{one}, dialed: []string{hostOne}},
		"no record":               {dialed: []string{hostOne}},
		"all dead, no fallback":   {xmpp: []zone.SRV{at(1, "dead", 5269)}, dialed: []string{hostDead}, condition: "remote-server-timeout", kind: "wait"},
		"not offered":             {xmpp: no, condition: "remote-server-not-found", kind: "cancel"},
		"neither is offered":      {xmpp: no, xmpps: no, condition: "remote-server-not-found", kind: "cancel"},
		"this edge":               {xmpp: []zone.SRV{at(1, "ours", 5269)}, condition: "remote-server-timeout", kind: "cancel"},
		"this edge, then another": {xmpp: []zone.SRV{at(1, "ours", 5269), one}, dialed: []string{hostOne}},
		"loopback":                {xmpp: []zone.SRV{at(1, "loop", 5269)}, condition: "remote-server-timeout", kind: "cancel"},
		"private network":         {xmpp: []zone.SRV{at(1, "inside", 5269)}, condition: "remote-server-timeout", kind: "cancel"},
		"loopback, then another":  {xmpp: []zone.SRV{at(1, "loop", 5269), one}, dialed: []string{hostOne}},
	}
}

// TestSRVBehaviour: where a partner is, its SRV records say, and never that it is at
// home with us (RFC 6120 §3.2, XEP-0368 §3).
func TestSRVBehaviour(t *testing.T) {
	for name, tt := range srvCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			net := &internet{places: make(map[netip.AddrPort]string)}
			b := newBed(t, func(c *setup) { c.config.Dial = net.dial })
			b.goPublic()
			b.zone.Set(tt.publish)
			servers := map[string]*xmpppeer.Server{}
			for _, at := range []string{hostOne, hostTwo, hostSix} {
				servers[at] = net.listenAt(b, theirs, at)
			}
			user := b.pool.User(bob)
			for _, p := range servers { // there before the message comes
				p.User(alice)
			}
			if _, err := user.Message(b.ctx, alice, "hello"); err != nil {
				t.Fatal(err)
			}
			if tt.condition != "" {
				b.refusedWith(user, tt.condition, tt.kind)
			} else {
				p := servers[tt.dialed[len(tt.dialed)-1]]
				if e := b.receive(p.User(alice)); e.Body() != "hello" {
					t.Errorf("got %s", e)
				}
				secured := slices.ContainsFunc(p.Events(), func(e xmpppeer.Event) bool {
					return e.What == xmpppeer.EventSecure && (e.Text == alpn) == tt.direct
				})
				if !secured {
					t.Errorf("want direct TLS %v, got %v", tt.direct, p.Events())
				}
			}
			net.mu.Lock()
			defer net.mu.Unlock()
			if diff := cmp.Diff(tt.dialed, net.dialed); diff != "" {
				t.Errorf("dialled (-want +got):\n%s", diff)
			}
		})
	}
}

func (tt srvCase) publish(z *zone.Zone) {
	v4 := func(host, addr string) { z.A[host] = []netip.Addr{netip.MustParseAddr(addr)} }
	v4("one.example.net", "198.51.44.1")
	v4("two.example.net", "198.51.44.2")
	v4("dead.example.net", "198.51.44.9")
	v4("ours.example.net", "198.51.44.8")
	v4("loop.example.net", "127.0.0.1")
	v4("inside.example.net", "10.1.2.3")
	v4(theirs, "198.51.44.1") // where only who has no SRV record is looked for
	z.AAAA["six.example.net"] = []netip.Addr{netip.MustParseAddr("2600:1f18::6")}
	if tt.xmpp != nil {
		z.SRV[zone.XMPP(theirs)] = tt.xmpp
	}
	if tt.xmpps != nil {
		z.SRV[zone.XMPPS(theirs)] = tt.xmpps
	}
}

// goPublic makes loopback a place where no partner is, and the edge one of the hosts.
func (b *bed) goPublic() {
	b.t.Helper()
	b.reload(func(st *State) {
		st.Resolver = must(discovery.New(discovery.Config{Servers: []string{b.zone.Addr()}, Timeout: 600 * time.Millisecond}))
		b.t.Cleanup(st.Resolver.Close)
		st.Own = map[netip.AddrPort]bool{netip.MustParseAddrPort(hostOurs): true}
	})
}

// reload applies a State that differs from the bed's in what change does.
func (b *bed) reload(change func(*State)) {
	b.t.Helper()
	st := *b.state
	change(&st)
	b.s.Apply(&st)
}

// refusedWith waits for the error that a user gets instead of a delivery.
func (b *bed) refusedWith(u *xmpppeer.User, condition, kind string) {
	b.t.Helper()
	e := b.receive(u)
	inside := e.Child("error", xmpppeer.NSServer)
	if e.Attr("type") != "error" || e.Condition() != condition || inside == nil || inside.Attr("type") != kind {
		b.t.Errorf("got %s, want the error %s of type %s", e, condition, kind)
	}
}
