package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"

	"edged/internal/config"
)

// sockets opens listeners, and hands out those that systemd passed to us
// (sd_listen_fds(3)), by their FileDescriptorName and port.
type sockets struct{ left []handed }

// handed is a socket of systemd's: a stream one that listens, or a datagram one.
type handed struct {
	name   string
	stream net.Listener
	packet net.PacketConn
}

// handedOver collects what systemd passed, once: the environment is cleared.
func handedOver() *sockets {
	s := &sockets{}
	for _, f := range activation.Files(true) {
		h := handed{name: f.Name()}
		var err error
		if h.stream, err = net.FileListener(f); err != nil {
			h.stream = nil
			h.packet, _ = net.FilePacketConn(f)
		}
		_ = f.Close() // what was made of it has a copy
		s.left = append(s.left, h)
	}
	return s
}

// is tells whether the configuration means this socket by a.
func (h *handed) is(a config.Address) bool {
	return h.name == a.FD && (a.FDPort == 0 || a.FDPort == h.port())
}

// port returns where the socket listens; 0 if it has no port.
func (h *handed) port() uint16 {
	var at net.Addr
	switch {
	case h.stream != nil:
		at = h.stream.Addr()
	case h.packet != nil:
		at = h.packet.LocalAddr()
	}
	switch at := at.(type) {
	case *net.TCPAddr:
		return at.AddrPort().Port()
	case *net.UDPAddr:
		return at.AddrPort().Port()
	}
	return 0
}

// streams takes the listeners that the configuration means by a.
func (s *sockets) streams(field string, a config.Address) (all []net.Listener, err error) {
	s.left = slices.DeleteFunc(s.left, func(h handed) bool {
		taken := h.stream != nil && h.is(a)
		if taken {
			all = append(all, h.stream)
		}
		return taken
	})
	if len(all) == 0 {
		return nil, notPassed(field, a, "stream", "ListenStream")
	}
	return all, nil
}

// packets takes the datagram sockets that the configuration means by a.
func (s *sockets) packets(field string, a config.Address) (all []net.PacketConn, err error) {
	s.left = slices.DeleteFunc(s.left, func(h handed) bool {
		taken := h.packet != nil && h.is(a)
		if taken {
			all = append(all, h.packet)
		}
		return taken
	})
	if len(all) == 0 {
		return nil, notPassed(field, a, "datagram", "ListenDatagram")
	}
	return all, nil
}

// notPassed says what the socket unit lacks.
func notPassed(field string, a config.Address, kind, setting string) error {
	text := fmt.Sprintf("%s: systemd passed no %s socket named %s", field, kind, a.FD)
	if a.FDPort == 0 {
		return fmt.Errorf("%s; set FileDescriptorName=%s in the socket unit", text, a.FD)
	}
	return fmt.Errorf("%s at port %d; add %s=ADDRESS:%d to the socket unit with FileDescriptorName=%s", text, a.FDPort, setting, a.FDPort, a.FD)
}

// open listens on an address, or takes the sockets of that name.
func (s *sockets) open(ctx context.Context, field string, a config.Address) ([]net.Listener, error) {
	if a.FD != "" {
		return s.streams(field, a)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return []net.Listener{l}, nil
}

// listener is a place where peers connect, some of them by way of load balancers in
// these networks.
type listener struct {
	net.Listener
	balancers []netip.Prefix
}

// balancersOf are those of a listener that openAll has opened.
func balancersOf(l net.Listener) []netip.Prefix {
	if l, ok := l.(*listener); ok {
		return l.balancers
	}
	return nil
}

// openAll opens a list of listeners, all or none.
func (s *sockets) openAll(ctx context.Context, field string, list []config.Listen) ([]net.Listener, error) {
	var all []net.Listener
	var errs []error
	for i := range list {
		opened, err := s.open(ctx, item(field, i), list[i].Address)
		for _, l := range opened {
			all = append(all, &listener{l, config.Prefixes(list[i].ProxyProtocol)})
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		closeAll(all)
		return nil, err
	}
	return all, nil
}

// openPackets opens the datagram sockets that go with the stream ones: those of the
// same name, or one at the same address and port.
func (s *sockets) openPackets(ctx context.Context, field string, a config.Address, beside net.Addr) ([]net.PacketConn, error) {
	if a.FD != "" {
		return s.packets(field, a)
	}
	var lc net.ListenConfig
	p, err := lc.ListenPacket(ctx, "udp", beside.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return []net.PacketConn{p}, nil
}

// unused closes the sockets that no field of the configuration names.
func (s *sockets) unused() []string {
	var names []string
	for _, h := range s.left {
		name := h.name
		if port := h.port(); port != 0 {
			name = fmt.Sprintf("%s:%d", name, port)
		}
		names = append(names, name)
		if h.stream != nil {
			_ = h.stream.Close()
		}
		if h.packet != nil {
			_ = h.packet.Close()
		}
	}
	s.left = nil
	return names
}

func closeAll(all []net.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}

// portOf returns the port of the first listener: the one that Via and
// Record-Route name.
func portOf(all []net.Listener) uint16 {
	for _, l := range all {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a.AddrPort().Port()
		}
	}
	return 5061
}
