package limit

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"edged/pkg/proxyproto"
)

// Error says which bound was reached.
type Error struct {
	Bound string // its name in the `limits:` section, such as "connections_per_address"
	Limit int    // its value at that moment
	Err   error  // why waiting for a place ended; nil where nothing waits
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("limit %s of %d reached", e.Bound, e.Limit)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what ended the wait.
func (e *Error) Unwrap() error { return e.Err }

// AcceptConfig are the bounds of an Accept. A bound below 1 admits nobody.
type AcceptConfig struct {
	Connections int // connections in all
	PerAddress  int // connections from one address; an IPv6 address stands for its /64
	Handshakes  int // TLS handshakes that compute; more of them wait
}

// Accept counts the connections of one side. All methods may be used by many
// goroutines at once; only handshakes wait.
type Accept struct {
	mu         sync.Mutex
	limits     AcceptConfig
	total      int
	addresses  map[netip.Addr]int // never holds a zero count, so total bounds it
	handshakes gate
}

// NewAccept returns an Accept without connections.
func NewAccept(c AcceptConfig) *Accept {
	a := &Accept{addresses: make(map[netip.Addr]int)}
	a.SetLimits(c)
	return a
}

// SetLimits replaces the bounds. Connections above a lowered bound stay until
// their owner closes them: ask Excess.
func (a *Accept) SetLimits(c AcceptConfig) {
	a.mu.Lock()
	a.limits = c
	a.mu.Unlock()
	a.handshakes.resize(c.Handshakes)
}

// Admit counts one more connection from the address, or fails with an *Error
// that names the bound. The owner calls release once the connection is closed;
// calling it again does nothing.
func (a *Accept) Admit(addr netip.Addr) (release func(), err error) {
	addr = counted(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= a.limits.Connections {
		return nil, &Error{Bound: "connections", Limit: a.limits.Connections}
	}
	if a.addresses[addr] >= a.limits.PerAddress {
		return nil, &Error{Bound: "connections_per_address", Limit: a.limits.PerAddress}
	}
	a.total++
	a.addresses[addr]++
	return a.once(func() { a.forget(addr) }), nil
}

// once returns what calls f with mu held, the first time.
func (a *Accept) once(f func()) func() {
	called := false
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !called {
			called = true
			f()
		}
	}
}

// Peer returns who is at the other end of a new connection, for Admit: where it comes
// from one of the balancers, whom its PROXY header announces within that time. While
// it waits for that the connection counts, in all only. The error is an *Error, or
// says what is wrong with the header; the address is the balancer's then.
func (a *Accept) Peer(ctx context.Context, conn net.Conn, balancers []netip.Prefix, within time.Duration) (netip.AddrPort, error) {
	peer := AddrPort(conn.RemoteAddr())
	if !proxyproto.Balanced(peer.Addr(), balancers) {
		return peer, nil
	}
	release, err := a.wait()
	if err != nil {
		return peer, err
	}
	defer release()
	return proxyproto.Announced(ctx, conn, peer, within)
}

// wait counts a connection whose address is not known yet.
func (a *Accept) wait() (release func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= a.limits.Connections {
		return nil, &Error{Bound: "connections", Limit: a.limits.Connections}
	}
	a.total++
	return a.once(func() { a.total-- }), nil
}

// forget takes back what Admit counted. The caller holds mu.
func (a *Accept) forget(addr netip.Addr) {
	a.total--
	if a.addresses[addr]--; a.addresses[addr] == 0 {
		delete(a.addresses, addr)
	}
}

// Excess returns how many connections of this address must be closed for both
// bounds to hold again: 0 unless SetLimits lowered one. Where the bound in all is
// exceeded, every address is told the whole excess, as far as it goes, and the
// answer shrinks with each release: ask again between one close and the next.
func (a *Accept) Excess(addr netip.Addr) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.addresses[counted(addr)]
	return max(0, n-a.limits.PerAddress, min(n, a.total-a.limits.Connections))
}

// tooManyHandshakes is the error of a wait for a place that ended.
func (a *Accept) tooManyHandshakes(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &Error{Bound: "handshakes", Limit: a.limits.Handshakes, Err: err}
}

// counted returns what an address is counted as: IPv6 by its /64, since one
// subscriber commonly holds that many, and a v4-mapped address as the IPv4
// address it is.
func counted(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil { // cannot be: 64 bits fit every IPv6 address
		return addr
	}
	return prefix.Addr()
}

// AddrPort reads a net.Addr in the form that Admit counts by; the zero value for what
// is no IP address, such as an in-memory pipe.
func AddrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
