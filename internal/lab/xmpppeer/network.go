package xmpppeer

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Network is a TCP network in memory, for tests that run under testing/synctest. Its
// connections are those of Pipe. The zero value is an empty one.
type Network struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*listener
	dialled   uint16 // ports given to those who dial
}

// firstPort is below the ports of those who dial.
const firstPort = 32768

// Listen listens on an IP address and port, e.g. "192.0.2.1:5269".
func (n *Network) Listen(addr string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("xmpppeer: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[at] != nil {
		return nil, fmt.Errorf("xmpppeer: listen %s: %w", addr, syscall.EADDRINUSE)
	}
	if n.listeners == nil {
		n.listeners = map[netip.AddrPort]*listener{}
	}
	ln := &listener{net: n, at: at, conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[at] = ln
	return ln, nil
}

// DialContext connects to a listener, from 127.0.0.1 and a port of its own. Where
// nobody listens it is refused at once.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("xmpppeer: %w", err)
	}
	n.mu.Lock()
	ln := n.listeners[at]
	n.dialled++
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), firstPort+n.dialled%firstPort)
	n.mu.Unlock()
	refused := fmt.Errorf("xmpppeer: dial %s: %w", addr, syscall.ECONNREFUSED)
	if ln == nil {
		return nil, refused
	}
	ours, theirs := pipeBetween(from, at)
	select {
	case ln.conns <- theirs:
		return ours, nil
	case <-ln.done:
		return nil, refused
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// listener is one address of a Network.
type listener struct {
	net   *Network
	at    netip.AddrPort
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, l.at)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }
