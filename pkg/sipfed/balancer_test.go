package sipfed

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// at is a connection that comes from an address.
type at struct {
	net.Conn
	from string
}

func (a at) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.from)) }

// TestProxyHeader: behind a balancer, connections count and are known by the address
// that its header announces; from elsewhere a header is nonsense.
func TestProxyHeader(t *testing.T) {
	const balancer, elsewhere = "10.0.0.1:4000", "192.0.2.9:4000"
	const two = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x02\x13\x8d\x13\xc5" // 192.0.2.7:5005
	tests := []struct {
		name, from, header string
		want               string // the peer's address; "" is closed
	}{
		{"version 1", balancer, "PROXY TCP4 192.0.2.7 10.0.0.2 5005 5061\r\n", "192.0.2.7:5005"},
		{"version 2", balancer, two, "192.0.2.7:5005"},
		{"IPv6", balancer, "PROXY TCP6 2001:db8::7 fd00::2 5005 5061\r\n", "[2001:db8::7]:5005"},
		{"LOCAL", balancer, "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", balancer},
		{"UNKNOWN", balancer, "PROXY UNKNOWN\r\n", balancer},
		{"none", balancer, "", ""},
		{"elsewhere none", elsewhere, "", elsewhere},
		{"elsewhere", elsewhere, two, ""},
	}
	world()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.ConnectionsPerAddress = 1 })
				pool := b.poolServer()
				balanced := newPipes()
				go func() { _ = b.s.Serve(External, balanced, netip.MustParsePrefix("10.0.0.0/8")) }()
				partner := b.through(balanced, at{from: tt.from}, tt.header)
				if tt.want == "" {
					if partner != nil {
						t.Fatal("was let in")
					}
					return
				}
				partner.send(request("MESSAGE", "1", ""))
				pool.send(pool.expect("MESSAGE").reply("200 OK"))
				partner.expect("SIP/2.0 200")
				if got := b.peers(); got != tt.want {
					t.Errorf("the edge sees %s, want %s", got, tt.want)
				}
				// Another one of that address is too many; of another one it is not.
				if b.through(balanced, at{from: tt.from}, tt.header) != nil {
					t.Error("two of one address")
				}
				if b.through(balanced, at{from: balancer}, "PROXY TCP4 192.0.2.8 10.0.0.2 5005 5061\r\n") == nil {
					t.Error("none of another address")
				}
			})
		})
	}
}

// through connects, begins with a header, and makes the handshake; nil if that fails.
func (b *bed) through(to *pipes, from at, header string) *peer {
	b.t.Helper()
	ours, theirs := net.Pipe()
	from.Conn = theirs
	to.conns <- from
	b.t.Cleanup(func() { _ = ours.Close() })
	if header != "" {
		if _, err := io.WriteString(ours, header); err != nil {
			return nil
		}
	}
	sock := tls.Client(ours, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &b.world.partner.TLS, nil
	}})
	if sock.HandshakeContext(b.t.Context()) != nil {
		return nil
	}
	return newPeer(b.t, ours, sock)
}

// peers are the addresses of the partners that are connected.
func (b *bed) peers() string {
	var all []string
	for _, c := range b.s.Connections() {
		if c.Side == External.String() {
			all = append(all, c.Peer)
		}
	}
	return strings.Join(all, " ")
}

// TestProxyHeadersAreWaitedFor, for a while and within limits.connections; those who
// need none are not held up.
func TestProxyHeadersAreWaitedFor(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.Connections, l.ConnectionsPerAddress = 3, 3 })
		balanced := newPipes()
		go func() { _ = b.s.Serve(External, balanced, netip.MustParsePrefix("10.0.0.0/8")) }()
		closed := make(chan time.Duration, 4)
		start := time.Now()
		for range 4 {
			ours, theirs := net.Pipe()
			balanced.conns <- at{theirs, "10.0.0.1:4000"}
			go func() {
				_, _ = io.Copy(io.Discard, ours)
				closed <- time.Since(start)
			}()
		}
		if took := <-closed; took != 0 {
			t.Errorf("the fourth was closed after %v", took)
		}
		for range 3 {
			if took := <-closed; took != limit.DefaultBounds().HandshakeTimeout {
				t.Errorf("closed after %v", took)
			}
		}
		if b.through(balanced, at{from: "192.0.2.1:1"}, "") == nil {
			t.Error("nobody is let in afterwards")
		}
	})
}
