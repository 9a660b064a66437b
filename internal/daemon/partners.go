package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/trace"
	"edged/pkg/verdict"
)

// overview is how every partner does at one moment: those that the policy lists, those
// with whom something is open, and those that were heard of lately.
type overview struct {
	now     time.Time
	rows    map[partnerKey]*admin.Partner
	traffic []admin.Traffic
}

// unlisted is the kind of a partner that no entry names.
const unlisted = "not listed"

// partnerKey is a domain, or a provider's name, of a protocol.
type partnerKey struct{ proto, name string }

func (d *Daemon) overview(b *build, now time.Time, watched []admin.Watched) *overview {
	o := &overview{now: now, rows: make(map[partnerKey]*admin.Partner)}
	for _, p := range b.loaded.Policy.Partners() {
		o.list(p)
	}
	for _, p := range b.loaded.Source.Providers {
		if !p.Enabled {
			o.row(policy.SIP.String(), p.Name).State = admin.Off
		}
	}
	open := make(map[string]int)
	for _, c := range d.connections() {
		open[c.Proto]++
		if c.Side == "external" {
			o.connected(&c)
		}
	}
	rates, counts := d.rates.now(d.counts(), now)
	o.count(rates, counts)
	for _, p := range d.serves() {
		t := admin.Traffic{Proto: p.String(), Connections: open[p.String()]}
		for key, r := range rates {
			if key.proto == t.Proto {
				t.In, t.Out = t.In+r.in, t.Out+r.out
			}
		}
		o.traffic = append(o.traffic, t)
	}
	o.refused(d.tap.Refusals())
	o.name(b.loaded)
	for _, w := range watched {
		o.row(w.Proto, w.Partner).State = admin.Held
	}
	return o
}

// row is that of a partner, a new one if need be.
func (o *overview) row(proto, name string) *admin.Partner {
	key := partnerKey{proto, name}
	if o.rows[key] == nil {
		o.rows[key] = &admin.Partner{Proto: proto, Name: name, Kind: unlisted, State: admin.Idle}
	}
	return o.rows[key]
}

// list enters what the policy lists.
func (o *overview) list(p *policy.Partner) {
	proto := policy.SIP
	if p.Kind == policy.XMPPListed {
		proto = policy.XMPP
	}
	r := o.row(proto.String(), p.Name)
	r.Kind = strings.TrimPrefix(p.Kind.String(), "xmpp-")
}

// name says what those are whom the policy does not list as partners.
func (o *overview) name(l *config.Loaded) {
	for key, r := range o.rows {
		protocol := policy.SIP
		if key.proto == policy.XMPP.String() {
			protocol = policy.XMPP
		}
		d, err := domain.Parse(key.name)
		switch {
		case r.Kind != unlisted || err != nil:
		case l.Policy.IsLocal(d, protocol):
			r.Kind = "ours, at a provider"
		case l.Policy.Lists(d, protocol): // by a wildcard, or as blocked
			r.Kind = "listed"
			if v := l.Policy.DecideDomain(policy.Question{Protocol: protocol, Direction: policy.Outward, Remote: d}); v.Reason == verdict.DomainBlocked {
				r.Kind = "blocked"
			}
		}
	}
}

// connected enters what an open connection says of those who speak on it.
func (o *overview) connected(c *admin.Connection) {
	for _, t := range c.Talks {
		r := o.row(c.Proto, t.Theirs)
		r.Open++
		if r.State == admin.Idle {
			r.State = admin.Connected
		}
		if how := provenBy(c, t); !slices.Contains(r.Proven, how) {
			r.Proven = append(r.Proven, how)
		}
		if !c.NotAfter.IsZero() && (r.NotAfter.IsZero() || c.NotAfter.Before(r.NotAfter)) {
			r.NotAfter = c.NotAfter
		}
	}
}

// provenBy says how the other end of a connection is known.
func provenBy(c *admin.Connection, t admin.Talk) string {
	if t.Proof == policy.ByCertificate.String() && len(c.Roots) > 0 {
		return t.Proof + " under " + strings.Join(c.Roots, ", ")
	}
	return t.Proof
}

// count enters what has crossed.
func (o *overview) count(rates map[partnerKey]flow, counts map[partnerKey]counted) {
	for key, n := range counts {
		name := key
		if name.name == "" {
			name.name = "all others"
		}
		r := o.row(name.proto, name.name)
		r.In, r.Out, r.Total = rates[key].in, rates[key].out, n.in+n.out
	}
}

// lately is for how long a failure makes a partner one that fails.
const lately = 10 * time.Minute

// refused enters the last refusal of each partner. Who could not be reached lately, and
// has nothing open, fails.
func (o *overview) refused(all []trace.Event) {
	for i := range all { // the newest first
		remote := all[i].Remote()
		r := o.rows[partnerKey{all[i].Proto, remote}]
		if r == nil && remote != "" && !all[i].Inward {
			r = o.row(all[i].Proto, remote) // whom we want to reach; strangers who come fill no page
		}
		if r == nil || r.Refused != nil {
			continue
		}
		line := traceLine(&all[i])
		r.Refused = &line
		if r.State == admin.Idle && unreached(all[i].Reason) && o.now.Sub(all[i].Time) < lately {
			r.State = admin.Failing
		}
	}
}

// unreached lists the reasons that speak of a partner's servers.
func unreached(reason verdict.Reason) bool {
	return reason >= verdict.DNSNoRecord && reason <= verdict.NoAnswer || reason == verdict.NegotiationFailed ||
		reason == verdict.DialbackInvalid || reason == verdict.TargetOutsideDomain
}

// sorted lists the rows, those first that an operator should look at.
func (o *overview) sorted() []admin.Partner {
	all := make([]admin.Partner, 0, len(o.rows))
	for _, r := range o.rows {
		all = append(all, *r)
	}
	order := []admin.PartnerState{admin.Failing, admin.Held, admin.Connected, admin.Idle, admin.Off}
	sortBy(all, func(x, y *admin.Partner) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, x.State), slices.Index(order, y.State)),
			-cmp.Compare(x.In+x.Out, y.In+y.Out), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Proto, y.Proto))
	})
	return all
}

// sortBy sorts rows without copying them around for each comparison.
func sortBy[T any](all []T, compare func(x, y *T) int) {
	slices.SortFunc(all, func(x, y T) int { return compare(&x, &y) })
}

// String is for tests and logs.
func (k partnerKey) String() string { return fmt.Sprintf("%s %s", k.proto, k.name) }
