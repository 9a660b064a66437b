package limit

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// Acceptor is what AcceptAll asks its caller. All functions must be set.
type Acceptor struct {
	// Serve takes a connection over. It must not wait for it.
	Serve func(net.Conn)
	// Failed is told of each failure to accept a connection.
	Failed func(error)
	// Stopping reports whether a failure is the end, and no failure.
	Stopping func() bool
	// Wait waits for so long, or reports false if there is no time left.
	Wait func(time.Duration) bool
}

// AcceptAll hands out the connections of a listener until the listener is closed, or
// its owner is stopping. A failure is most likely a lack of descriptors: it waits for
// some to come back, 5 ms at first and up to a second.
func AcceptAll(l net.Listener, a Acceptor) {
	pause := time.Duration(0)
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			a.Serve(raw)
		case errors.Is(err, net.ErrClosed) || a.Stopping():
			return
		default:
			a.Failed(err)
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if !a.Wait(pause) {
				return
			}
		}
	}
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
