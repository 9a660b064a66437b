package daemon

import (
	"time"

	"edged/internal/admin"
	"edged/pkg/policy"
)

// The bounds of the status page.
const (
	shownRefusals = 20
	shownPartners = 200
	shownWatched  = 50
	keptReloads   = 20
)

// status serves the status page.
func (d *Daemon) status() admin.Status {
	s := admin.Status{Running: d.running(), Started: d.started, Now: time.Now()}
	b := d.current.Load()
	if err := d.ready(); err != nil {
		s.Waiting = err.Error()
	}
	if b == nil {
		return s
	}
	s.Host, s.Enabled = b.loaded.Config.FQDN.String(), b.loaded.Source.Federation.Enabled
	s.Pools, s.Reloads, s.Certs, s.Unwritten = d.pools(), d.history.list(), certificates(b), d.unwritten()
	s.Checks, s.Checked = d.checks.get()
	for i, e := range d.tap.Refusals() {
		if i == shownRefusals {
			break
		}
		s.Refusals = append(s.Refusals, traceLine(&e))
	}
	watched := d.listWatched()
	s.Watched, s.MoreWatched = watched[:min(len(watched), shownWatched)], max(0, len(watched)-shownWatched)
	o := d.overview(b, s.Now, watched)
	s.Partners, s.More, s.Traffic = o.sorted(), max(0, len(o.rows)-shownPartners), o.traffic
	s.Partners = s.Partners[:min(len(s.Partners), shownPartners)]
	return s
}

// unwritten says what does not reach the disk.
func (d *Daemon) unwritten() []string {
	var all []string
	if !d.stateUsable() {
		all = append(all, "state_dir cannot be written: consent and the watch list would not outlast a restart")
	}
	if d.own != nil && d.own.audit.failing() {
		all = append(all, "log.audit cannot be written: its lines are lost")
	}
	return all
}

func (d *Daemon) running() admin.Running {
	b := d.current.Load()
	if b == nil {
		return admin.Running{Version: d.options.Version}
	}
	return admin.Running{Version: d.options.Version, Config: b.loaded.Hash, Policy: b.loaded.PolicyHash, LoadedAt: b.loadedAt}
}

// certificates lists ours, those that expire first before the others.
func certificates(b *build) []admin.Certificate {
	var all []admin.Certificate
	for side, files := range b.material.expiry(&b.loaded.Config) {
		for file, at := range files {
			all = append(all, admin.Certificate{Side: side, File: file, NotAfter: at})
		}
	}
	sortBy(all, func(x, y *admin.Certificate) int { return x.NotAfter.Compare(y.NotAfter) })
	return all
}

// serves lists the protocols that are spoken.
func (d *Daemon) serves() []policy.Protocol {
	var all []policy.Protocol
	if d.server != nil {
		all = append(all, policy.SIP)
	}
	if d.xmpp.server != nil {
		all = append(all, policy.XMPP)
	}
	return all
}
