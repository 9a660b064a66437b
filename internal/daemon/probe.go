package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"edged/internal/config"
	"edged/internal/probe"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/posh"
)

// Prober makes a probe.Prober of a configuration, which is built as Start would build it:
// nothing is listened on, and no running gateway is needed. End it with Close.
func Prober(path string) (*probe.Prober, error) {
	l, m, err := load(path)
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		log: slog.New(slog.DiscardHandler), members: make(map[string]*nexthop.Pool), watch: make(map[string]*limit.Discovered), metrics: newMetrics(""),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	b, err := d.assemble(l, m)
	if err != nil {
		d.cancel()
		return nil, err
	}
	c := probe.Config{Policy: l.Policy, Source: l.Source, Local: l.Config.Local(), File: l.Config.Policy}
	if l.Config.SIP.Serves() {
		c.SIP = d.state(b)
	}
	if l.Config.XMPP.Serves() {
		c.XMPP = d.xmppState(b)
		c.POSH = posh.New(posh.Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialWeb(ctx, b.resolver, network, addr)
		}})
	}
	c.Dial = func(ctx context.Context, protocol policy.Protocol, inside bool, to netip.AddrPort) (net.Conn, error) {
		return dialFrom(ctx, sources(&l.Config, protocol, inside), to)
	}
	c.End = func() {
		d.cancel()
		if c.POSH != nil {
			c.POSH.Close()
		}
		b.resolver.Close()
	}
	return probe.New(c), nil
}

// sources are the addresses that we dial from.
func sources(c *config.Config, protocol policy.Protocol, inside bool) []netip.Addr {
	switch {
	case inside:
		return nil
	case protocol == policy.XMPP:
		return c.XMPP.External.DialFrom
	}
	return c.SIP.External.DialFrom
}
