package insidedns_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"

	"edged/internal/insidedns"
	"edged/internal/lab/zone"
	"edged/pkg/domain"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = insidedns.TargetName + "."

// bed is a Server on loopback and what it observed.
type bed struct {
	*insidedns.Server

	udp, tcp string

	mu   sync.Mutex
	seen map[string]int
}

func (b *bed) count(kind, outcome string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[kind+" "+outcome]
}

// config steers what is not ours to two addresses; loopback may ask.
func config(forward ...string) insidedns.Config {
	return insidedns.Config{
		Ours:    []domain.Name{domain.MustParse("ours.example"), domain.MustParse("xn--bcher-kva.example")},
		Target:  []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		Port:    5270,
		Forward: forward,
		Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Log:     slog.New(slog.DiscardHandler),
	}
}

func start(t *testing.T, c insidedns.Config) *bed {
	t.Helper()
	u, l := sockets(t)
	b := &bed{udp: u.LocalAddr().String(), tcp: l.Addr().String(), seen: map[string]int{}}
	c.UDP, c.TCP = []net.PacketConn{u}, []net.Listener{l}
	c.Observe = func(kind, outcome string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seen[kind+" "+outcome]++
	}
	var err error
	if b.Server, err = insidedns.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func sockets(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var lc net.ListenConfig
	u, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return u, l
}

// ask puts a question over UDP and returns the answer.
func (b *bed) ask(t *testing.T, qname string, qtype uint16) *dns.Msg {
	t.Helper()
	return b.send(t, "udp", new(dns.Msg).SetQuestion(qname, qtype))
}

func (b *bed) send(t *testing.T, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	addr := b.udp
	if network == "tcp" {
		addr = b.tcp
	}
	got, _, err := (&dns.Client{Net: network}).ExchangeContext(t.Context(), m, addr)
	if err != nil {
		t.Fatalf("%s: %v", m.Question[0].Name, err)
	}
	return got
}

func forwarder(t *testing.T, z zone.Zone) *zone.Server {
	t.Helper()
	s, err := zone.Serve(z)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// stub is a forwarder that does as it is told: it is given each question, its own
// socket and the address of the one who asks.
func stub(t *testing.T, play func(q *dns.Msg, c net.PacketConn, asker net.Addr)) string {
	t.Helper()
	c, l := sockets(t)
	_ = l.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			n, asker, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if err := q.Unpack(b[:n]); err != nil {
				t.Errorf("the forwarder got no question: %v", err)
				continue
			}
			play(q, c, asker)
		}
	})
	t.Cleanup(func() { _ = c.Close(); wg.Wait() })
	return c.LocalAddr().String()
}

// tell sends m; the one who asked may be gone.
func tell(t *testing.T, c net.PacketConn, to net.Addr, m *dns.Msg) {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = c.WriteTo(b, to)
}

func record(t *testing.T, s string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// written is the records as text.
func written(list []dns.RR) []string {
	var s []string
	for _, rr := range list {
		if rr.Header().Rrtype != dns.TypeOPT {
			s = append(s, rr.String())
		}
	}
	return s
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(context.Background(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
