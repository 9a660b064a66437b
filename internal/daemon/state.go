package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"time"

	"edged/internal/config"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/sipfed"
	"edged/pkg/xmpp"
)

// build is one complete configuration, ready to be put in force.
type build struct {
	loaded    *config.Loaded
	material  *material
	resolver  *discovery.Resolver
	fresh     bool           // the resolver was made for this build
	pools     []*sipfed.Pool // in the order of sip.pools
	xmppPools []*xmpp.Pool   // in the order of xmpp.pools
	kept      places         // those of both that were there before
	bounds    limit.Bounds
	warnings  []string
	audit     *auditSink // nil if there is none
	loadedAt  time.Time
}

// drop gives up what was opened for a build that does not come in force.
func (b *build) drop() {
	if b.fresh {
		b.resolver.Close()
	}
	if b.audit != nil {
		b.audit.close()
	}
}

// assemble turns a loaded configuration into a build. It reuses the resolver of
// the running one, with its cache, where the DNS settings are the same.
func (d *Daemon) assemble(l *config.Loaded, m *material) (*build, error) {
	b := &build{loaded: l, material: m, loadedAt: time.Now(), warnings: m.warnings}
	var few string
	if b.bounds, few = bounds(&l.Config, mayOpen()); few != "" {
		b.warnings = append(b.warnings, few)
	}
	if err := d.openAudit(b); err != nil {
		return nil, fmt.Errorf("%s: %w", l.File, err)
	}
	old := d.current.Load()
	if old != nil && old.loaded == l { // a refresh
		b.loadedAt = old.loadedAt
	}
	if old != nil && sameDNS(old.loaded, l) {
		b.resolver = old.resolver
	} else {
		r, err := discovery.New(resolverConfig(&l.Config, d.metrics.lookup))
		if err != nil {
			b.drop()
			return nil, fmt.Errorf("%s: dns: %w", l.File, err)
		}
		b.resolver, b.fresh = r, true
	}
	d.assemblePools(b)
	return b, nil
}

// assemblePools makes the pools of a build. What is known about the health of their
// members is kept over reloads. The members of a pool that was there before change when
// the build is put in force; others get theirs now, since the first request may come as
// soon as it is.
func (d *Daemon) assemblePools(b *build) {
	var fresh places
	c := &b.loaded.Config
	for i := range c.SIP.Pools {
		p := &c.SIP.Pools[i]
		members, known := d.membersOf(p.Name)
		b.pools = append(b.pools, &sipfed.Pool{Name: p.Name, Domains: p.Domains, Anchor: poolAnchor(p.Name), Names: p.Names, Ping: p.Ping, Members: members})
		if known {
			b.kept.sip = append(b.kept.sip, i)
		} else {
			fresh.sip = append(fresh.sip, i)
		}
	}
	for i := range c.XMPP.Pools {
		p := &c.XMPP.Pools[i]
		members, known := d.membersOf("xmpp:" + p.Name)
		b.xmppPools = append(b.xmppPools, &xmpp.Pool{Name: p.Name, Domains: p.Domains, Anchor: poolAnchor(p.Name), Names: p.Names, Members: members})
		if known {
			b.kept.xmpp = append(b.kept.xmpp, i)
		} else {
			fresh.xmpp = append(fresh.xmpp, i)
		}
	}
	d.setMembers(b, fresh)
}

// places are pools by their places in sip.pools and xmpp.pools.
type places struct{ sip, xmpp []int }

func sameDNS(a, b *config.Loaded) bool {
	return reflect.DeepEqual(a.Config.DNS, b.Config.DNS) && a.Config.Limits.DNSCache == b.Config.Limits.DNSCache
}

func resolverConfig(c *config.Config, observe func(kind, outcome string, took time.Duration)) discovery.Config {
	private := make([]netip.Prefix, len(c.DNS.AllowPrivate))
	for i, n := range c.DNS.AllowPrivate {
		private[i] = n.Prefix
	}
	return discovery.Config{
		Servers: c.DNS.Servers, Timeout: c.DNS.Timeout, AllowPrivate: private,
		TrustAD: c.DNS.TrustAD, CacheSize: c.Limits.DNSCache, Observe: observe,
	}
}

// membersOf returns the members known by a name, or none yet.
func (d *Daemon) membersOf(name string) (members *nexthop.Pool, known bool) {
	if members, known = d.members[name]; known {
		return members, true
	}
	return nexthop.New(nil, nexthop.Config{DownFor: time.Second, MaxDown: 30 * time.Second, Now: time.Now}), false
}

// state is the protocol server's view of a build.
func (d *Daemon) state(b *build) *sipfed.State {
	c := &b.loaded.Config
	outside := sipfed.Face{TLS: b.material.external, Host: c.FQDN, Port: portOf(d.external), Names: outsideNames(c)}
	inside := sipfed.Face{TLS: b.material.internal, Host: c.SIP.Internal.FQDN, Port: portOf(d.internal), Names: insideNames(c, d.internal)}
	return &sipfed.State{
		Policy:   b.loaded.Policy,
		Resolver: b.resolver,
		Faces:    [2]sipfed.Face{sipfed.External: outside, sipfed.Internal: inside},
		Pools:    b.pools,
		Bounds:   b.bounds,
		Secret:   b.material.secret,
		Realms:   c.SIP.Internal.Realms,
		Hygiene:  c.SIP.External.Hygiene,
		Dialled:  dialled(c, mayOpen()),

		Discovered: d.watch[policy.SIP.String()],
	}
}

// outsideNames are the hosts by which partners may mean this edge.
func outsideNames(c *config.Config) map[string]bool {
	names := map[string]bool{c.FQDN.String(): true}
	for _, own := range c.Domains {
		if own.Speaks(config.SIPProtocol) {
			names[own.SIP.String()] = true
		}
	}
	for _, a := range c.PublicAddresses {
		names[a.String()] = true
	}
	return names
}

// insideNames are the hosts by which pools may mean this edge.
func insideNames(c *config.Config, listening []net.Listener) map[string]bool {
	names := map[string]bool{c.SIP.Internal.FQDN.String(): true}
	for _, l := range listening {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsUnspecified() {
			names[a.AddrPort().Addr().Unmap().String()] = true
		}
	}
	return names
}

// setMembers puts the member lists of some pools of a build in force. It looks up all at
// the same time: a name server that does not answer costs limits.connect_total once.
func (d *Daemon) setMembers(b *build, of places) {
	var all sync.WaitGroup
	for _, i := range of.sip {
		all.Go(func() { d.fill(b, &b.loaded.Config.SIP.Pools[i], b.pools[i].Members) })
	}
	for _, i := range of.xmpp {
		all.Go(func() { d.fill(b, &b.loaded.Config.XMPP.Pools[i], b.xmppPools[i].Members) })
	}
	all.Wait()
}

// fill gives a pool the members that the configuration or the DNS names.
func (d *Daemon) fill(b *build, from *config.Pool, members *nexthop.Pool) {
	if from.SRV == "" {
		members.SetMembers(from.Members)
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, b.loaded.Config.Limits.ConnectTotal)
	defer cancel()
	if err := membersBySRV(ctx, b.resolver, from.SRV, members); err != nil {
		d.log.Warn("pool members not found", slog.String("pool", from.Name), slog.Any("err", err))
	}
}

// membersBySRV sets a pool's members to the targets of a service. What was known
// stays when the DNS does not answer.
func membersBySRV(ctx context.Context, r *discovery.Resolver, service string, to *nexthop.Pool) error {
	labels := strings.SplitN(service, ".", 3)
	if len(labels) < 3 {
		return fmt.Errorf("%q is no service name", service)
	}
	name, err := domain.Parse(labels[2])
	if err != nil {
		return err
	}
	answer, err := r.SRV(ctx, labels[0]+"."+labels[1], name)
	if err != nil {
		return err
	}
	members := make([]string, len(answer.Targets))
	for i, t := range answer.Targets {
		members[i] = fmt.Sprintf("%s:%d", t.Host, t.Port)
	}
	to.SetMembers(members)
	return nil
}

// ResolverConfig is how a configuration looks partners up, for commands that
// ask the DNS on their own.
func ResolverConfig(c *config.Config) discovery.Config { return resolverConfig(c, nil) }
