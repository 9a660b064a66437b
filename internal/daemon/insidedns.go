package daemon

import (
	"context"
	"net"

	"edged/internal/config"
	"edged/internal/insidedns"
	"edged/pkg/domain"
)

// insideDNSPart is the answerer that steers pools to the edge, empty if it is not
// wanted.
type insideDNSPart struct {
	streams []net.Listener // both are the server's once it has started
	packets []net.PacketConn
	server  *insidedns.Server
}

// listenInsideDNS opens its sockets: stream and datagram ones at the same place.
func (d *Daemon) listenInsideDNS(ctx context.Context, s *sockets, c *config.Config) (err error) {
	const field = "xmpp.internal.dns.listen"
	a := c.XMPP.Internal.DNS.Listen
	if a.IsZero() || !c.XMPP.Serves() {
		return nil
	}
	i := &d.insideDNS
	if i.streams, err = s.open(ctx, field, a); err != nil {
		return err
	}
	i.packets, err = s.openPackets(ctx, field, a, i.streams[0].Addr())
	d.addrs["xmpp.internal.dns"] = i.streams[0].Addr()
	return err
}

func (d *Daemon) startInsideDNS(ctx context.Context, b *build) (err error) {
	i := &d.insideDNS
	if len(i.streams) == 0 {
		return nil
	}
	c := d.insideDNSConfig(b)
	c.TCP, c.UDP = i.streams, i.packets
	i.server, err = insidedns.Start(ctx, c)
	return err
}

// apply puts a build in force.
func (i *insideDNSPart) apply(c insidedns.Config) error {
	if i.server == nil {
		return nil
	}
	return i.server.SetConfig(c)
}

// release closes what there is.
func (i *insideDNSPart) release() {
	if i.server != nil {
		i.server.Close()
		return
	}
	closeAll(i.streams)
	for _, p := range i.packets {
		_ = p.Close()
	}
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
