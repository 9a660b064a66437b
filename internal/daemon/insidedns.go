package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"

	"edged/internal/config"
	"edged/internal/insidedns"
	"edged/pkg/domain"
)

// startInsideDNS serves the answerer that steers pools to the edge, if it is wanted.
func (d *Daemon) startInsideDNS(ctx context.Context, s *sockets, b *build) error {
	c := &b.loaded.Config.XMPP.Internal.DNS
	if c.Listen.IsZero() {
		return nil
	}
	if c.Listen.FD != "" {
		return errors.New("xmpp.internal.dns.listen: fd: passes stream sockets only; write address:port, and let the unit have CAP_NET_BIND_SERVICE for port 53")
	}
	config := d.insideDNSConfig(b)
	var err error
	if config.TCP, err = s.open(ctx, "xmpp.internal.dns.listen", c.Listen); err != nil {
		return err
	}
	if config.UDP, err = openPackets(ctx, config.TCP[0].Addr()); err != nil {
		closeAll(config.TCP)
		return err
	}
	d.addrs["xmpp.internal.dns"] = config.TCP[0].Addr()
	d.insideDNS, err = insidedns.Start(ctx, config)
	return err
}

// openPackets opens the datagram sockets beside the stream ones, at the same port.
func openPackets(ctx context.Context, beside net.Addr) ([]net.PacketConn, error) {
	var lc net.ListenConfig
	p, err := lc.ListenPacket(ctx, "udp", beside.String())
	if err != nil {
		return nil, fmt.Errorf("xmpp.internal.dns.listen: %w", err)
	}
	return []net.PacketConn{p}, nil
}

func (d *Daemon) insideDNSConfig(b *build) insidedns.Config {
	c := &b.loaded.Config
	out := insidedns.Config{
		Forward: c.XMPP.Internal.DNS.Forward, CatchAll: c.XMPP.Internal.DNS.CatchAll, Log: d.log, Observe: d.metrics.answered,
	}
	for _, l := range d.xmpp.internal {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			out.Target, out.Port = append(out.Target, a.AddrPort().Addr().Unmap()), a.AddrPort().Port()
		}
	}
	for _, own := range c.Domains {
		out.Ours = append(out.Ours, own.Name)
	}
	out.Ours = append(out.Ours, hostsOf(c)...)
	for _, n := range c.XMPP.Internal.DNS.Clients {
		out.Clients = append(out.Clients, n.Prefix)
	}
	return out
}

// hostsOf are the hosts of our own pools: their names are never steered.
func hostsOf(c *config.Config) []domain.Name {
	var names []domain.Name
	for _, p := range c.XMPP.Pools {
		for _, m := range p.Members {
			host, _, _ := net.SplitHostPort(m)
			if n, err := domain.ParseWire(host); err == nil {
				names = append(names, n)
			}
		}
	}
	return names
}
