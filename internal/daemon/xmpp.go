package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"edged/internal/config"
	"edged/pkg/consent"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/posh"
	"edged/pkg/xmpp"
)

// xmppPart is the XMPP half of a daemon, empty if the configuration has none.
type xmppPart struct {
	external, direct, internal []net.Listener

	server  *xmpp.Server
	consent *consent.Book
	posh    *posh.Client
}

// listenXMPP opens the sockets of XMPP.
func (d *Daemon) listenXMPP(ctx context.Context, s *sockets, c *config.Config) (err error) {
	x := &d.xmpp
	for _, l := range []struct {
		field, name string
		list        []config.Listen
		into        *[]net.Listener
	}{
		{"xmpp.external.listen", "xmpp.external", c.XMPP.External.Listen, &x.external},
		{"xmpp.external.direct_tls", "xmpp.direct_tls", c.XMPP.External.DirectTLS, &x.direct},
		{"xmpp.internal.listen", "xmpp.internal", c.XMPP.Internal.Listen, &x.internal},
	} {
		if *l.into, err = s.openAll(ctx, l.field, l.list); err != nil {
			return err
		}
		if len(*l.into) > 0 {
			d.addrs[l.name] = (*l.into)[0].Addr()
		}
	}
	return nil
}

// startXMPP makes the protocol server.
func (d *Daemon) startXMPP(b *build) (err error) {
	x := &d.xmpp
	if x.consent, err = d.openConsent(b); err != nil {
		return err
	}
	d.metrics.watchConsent(x.consent)
	x.posh = posh.New(posh.Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dialWeb(ctx, d.current.Load().resolver, network, addr)
	}})
	d.watchStrangers(b, policy.XMPP)
	x.server = xmpp.New(xmpp.Config{
		Log: d.log, Metrics: xmpp.NewMetrics(d.metrics.registry), Tap: &d.tap, Dial: d.dialXMPP, Consent: x.consent, POSH: x.posh,
	}, d.xmppState(b))
	d.metrics.watchQueues("xmpp", func() float64 { return x.server.QueueFill(xmpp.External) }, func() float64 { return x.server.QueueFill(xmpp.Internal) })
	return nil
}

// openConsent brings back who wrote to whom. If that cannot be read it is learnt again
// from what users send: until then contacts are refused who may write, and none let in
// who may not.
func (d *Daemon) openConsent(b *build) (*consent.Book, error) {
	c := consent.Config{Max: b.loaded.Config.Limits.ConsentPairs, Log: d.log, Now: time.Now}
	book, err := consent.Open(d.store, c)
	if err == nil {
		return book, nil
	}
	d.forgets.Store(true)
	d.log.Error("consent of an earlier run cannot be read, and is not kept", slog.Any("err", err))
	return consent.Open(nil, c)
}

// applyXMPP puts a build in force.
func (d *Daemon) applyXMPP(b *build) {
	x := &d.xmpp
	if x.server == nil {
		return
	}
	x.consent.SetMax(b.loaded.Config.Limits.ConsentPairs)
	x.server.Apply(d.xmppState(b))
}

// stop ends the server and closes what it used.
func (x *xmppPart) stop(ctx context.Context) {
	if x.server != nil {
		x.server.Shutdown(ctx)
	}
}

// release closes what is left when nothing uses it any more.
func (x *xmppPart) release() error {
	closeAll(x.external)
	closeAll(x.direct)
	closeAll(x.internal)
	if x.posh != nil {
		x.posh.Close()
	}
	return x.consent.Close()
}

// serveXMPP accepts streams.
func (d *Daemon) serveXMPP() {
	x := &d.xmpp
	for _, l := range x.external {
		d.work.Go(func() { d.acceptXMPP(xmpp.External, xmpp.StartTLS, l) })
	}
	for _, l := range x.direct {
		d.work.Go(func() { d.acceptXMPP(xmpp.External, xmpp.DirectTLS, l) })
	}
	for _, l := range x.internal {
		d.work.Go(func() { d.acceptXMPP(xmpp.Internal, xmpp.Either, l) })
	}
}

func (d *Daemon) acceptXMPP(side xmpp.Side, kind xmpp.Listener, l net.Listener) {
	if err := d.xmpp.server.Serve(side, kind, l, balancersOf(l)...); err != nil && !d.stopping.Load() {
		d.log.Error("listener failed", slog.String("side", side.String()), slog.Any("err", err))
	}
}

// xmppState is the protocol server's view of a build.
func (d *Daemon) xmppState(b *build) *xmpp.State {
	c := &b.loaded.Config
	st := &xmpp.State{
		Policy: b.loaded.Policy, Resolver: b.resolver, Bounds: b.bounds,
		Secret: xmpp.Secret{Current: b.material.secret.Current, Previous: b.material.secret.Previous},
		Host:   c.FQDN, Outside: b.material.external, Inside: b.material.pools, Authority: b.material.authority,
		Pools: b.xmppPools, Own: d.ownPlaces(c), Discovered: d.watch[policy.XMPP.String()],
	}
	for _, n := range c.XMPP.Internal.Authority.Sources {
		st.Sources = append(st.Sources, n.Prefix)
	}
	return st
}

// ownPlaces are where this edge listens outside, under its own addresses and those
// that our DNS publishes.
func (d *Daemon) ownPlaces(c *config.Config) map[netip.AddrPort]bool {
	own := make(map[netip.AddrPort]bool)
	for _, l := range append(append([]net.Listener(nil), d.xmpp.external...), d.xmpp.direct...) {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			continue
		}
		at := a.AddrPort()
		own[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())] = true
		for _, public := range c.PublicAddresses {
			own[netip.AddrPortFrom(public, at.Port())] = true
		}
	}
	return own
}

// dialXMPP opens a connection to a next hop, from the configured source address of
// its family, if there is one.
func (d *Daemon) dialXMPP(ctx context.Context, side xmpp.Side, to netip.AddrPort) (net.Conn, error) {
	var from []netip.Addr
	if side == xmpp.External {
		from = d.current.Load().loaded.Config.XMPP.External.DialFrom
	}
	return dialFrom(ctx, from, to)
}

// dialWeb reaches the web server of a domain whose POSH document is wanted: never at
// a private address.
func dialWeb(ctx context.Context, r *discovery.Resolver, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, ip)
	} else {
		name, err := domain.ParseWire(host)
		if err != nil {
			return nil, err
		}
		if addrs, err = r.Addresses(ctx, name); err != nil {
			return nil, err
		}
	}
	last := fmt.Errorf("%s has no address", host)
	for _, ip := range addrs {
		if last = r.CheckAddr(ip); last != nil {
			continue
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}
