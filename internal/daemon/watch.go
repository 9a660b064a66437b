package daemon

import (
	"log/slog"
	"strings"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/store"
)

// openStore opens the file of what has to survive a restart. Without it the edge
// serves all the same: consent and the watch list are in memory only then.
func (d *Daemon) openStore(c *config.Config) {
	var err error
	if d.store, err = store.Open(c.StateDir); err != nil {
		d.store = nil
		d.forgets.Store(true)
		d.log.Error("state_dir cannot be used: consent and the watch list do not outlast a restart", slog.Any("err", err))
	}
}

// stateUsable tells whether what has to outlast a restart is in the state file, or
// soon will be.
func (d *Daemon) stateUsable() bool {
	if d.current.Load() == nil || d.forgets.Load() { // the lists are set before current
		return false
	}
	for _, list := range d.watch {
		if list.Stats().Failing {
			return false
		}
	}
	return !d.xmpp.consent.Stats().Failing
}

// closeStore writes what is left to be written, and closes the file. It comes when
// nothing uses it any more.
func (d *Daemon) closeStore() error {
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, list := range d.watch {
		keep(list.Close())
	}
	if d.store != nil {
		keep(d.store.Close())
		d.store = nil
	}
	return first
}

// watchStrangers makes the budgets of a protocol's partners that nothing lists, and
// brings back the watch list of an earlier life.
func (d *Daemon) watchStrangers(b *build, p policy.Protocol) {
	list := limit.NewDiscovered(discoveredConfig(b), time.Now)
	list.OnWatch = func(w limit.Watch, c limit.Change) { d.watched(p.String(), w, c) }
	if d.store != nil {
		err := list.Keep(limit.KeepConfig{Store: d.store, Bucket: "watch:" + p.String(), Log: d.log})
		if err != nil {
			d.forgets.Store(true)
			d.log.Error("the watch list of an earlier run cannot be read, and is not kept", slog.String("proto", p.String()), slog.Any("err", err))
		}
	}
	d.watch[p.String()] = list
	d.metrics.watchList(p.String(), list.Stats)
	d.lift(b, p)
}

// setStrangers puts the budgets of a build in force.
func (d *Daemon) setStrangers(b *build) {
	for _, p := range []policy.Protocol{policy.SIP, policy.XMPP} {
		if list := d.watch[p.String()]; list != nil {
			list.SetConfig(discoveredConfig(b))
			d.lift(b, p)
		}
	}
}

// lift takes those off the watch list that are no strangers any more.
func (d *Daemon) lift(b *build, p policy.Protocol) {
	d.watch[p.String()].Lift(func(n domain.Name) bool { return b.loaded.Policy.Lists(n, p) })
}

func discoveredConfig(b *build) limit.DiscoveredConfig {
	f := &b.loaded.Source.Federation.Discovered
	return limit.DiscoveredConfig{
		Rate: f.Rate, SuspiciousRate: f.SuspiciousRate, Contacts: f.Contacts, ReportPeriod: f.ReportPeriod,
		Total: f.Total, Partners: b.loaded.Config.Limits.DiscoveredPartners,
	}
}

// watched tells who entered the watch list of a protocol, and who left it.
func (d *Daemon) watched(proto string, w limit.Watch, c limit.Change) {
	d.metrics.watchMoves.WithLabelValues(proto, c.String()).Inc()
	log := d.log.With(slog.String("proto", proto), slog.String("partner", w.Partner), slog.String("change", c.String()))
	if c != limit.Entered {
		log.Info("partner is not watched any more")
		return
	}
	log.Warn("partner is watched", slog.String("why", w.Why.String()), slog.String("domains", strings.Join(w.Domains, " ")), slog.String("cert_issuer", w.Issuer),
		slog.String("cert_serial", w.Serial), slog.Int("requests", w.Requests), slog.Int("failed", w.Failed), slog.Int("contacts", w.Contacts))
}

// listWatched and releaseWatched serve the admin socket.
func (d *Daemon) listWatched() []admin.Watched {
	all := []admin.Watched{}
	if d.current.Load() == nil { // the lists are set before current
		return all
	}
	for _, p := range []policy.Protocol{policy.SIP, policy.XMPP} {
		list := d.watch[p.String()]
		if list == nil {
			continue
		}
		for _, w := range list.Watched() {
			all = append(all, admin.Watched{
				Proto: p.String(), Partner: w.Partner, Why: w.Why.String(), Since: w.Since, Throttled: w.Suspicious,
				NoNewUsers: w.Why&limit.ManyContacts != 0, Domains: w.Domains, MoreDomains: w.More,
				Issuer: w.Issuer, Serial: w.Serial, Requests: w.Requests, Failed: w.Failed, Contacts: w.Contacts, Refused: w.Refused,
			})
		}
	}
	return all
}

func (d *Daemon) releaseWatched(proto, partner string) (released bool) {
	if d.current.Load() == nil {
		return false
	}
	for name, list := range d.watch {
		if proto == "" || proto == name {
			released = list.Release(partner) || released
		}
	}
	return released
}
