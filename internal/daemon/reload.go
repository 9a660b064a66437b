package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"edged/internal/config"
	"edged/pkg/discovery"
)

// reloadRequest asks the reload goroutine for a reload.
type reloadRequest struct {
	answer chan error
}

const (
	// refreshEvery is how often certificates, roots and revocation lists are read
	// again although nobody asked.
	refreshEvery = time.Hour
	// membersEvery is how often pools that are found by SRV are looked up.
	membersEvery = 30 * time.Second
	// resolverRest is how long a replaced resolver may finish what it began.
	resolverRest = 30 * time.Second
)

// Reload reads the configuration again and puts it in force, or changes nothing
// and says everything that is wrong with it.
func (d *Daemon) Reload(ctx context.Context) error {
	r := reloadRequest{answer: make(chan error, 1)}
	select {
	case d.reloads <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ctx.Done():
		return errors.New("edged is stopping")
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reloadLoop is the one goroutine that changes what is in force.
func (d *Daemon) reloadLoop() {
	refresh := time.NewTicker(refreshEvery)
	defer refresh.Stop()
	members := time.NewTicker(membersEvery)
	defer members.Stop()
	for {
		select {
		case r := <-d.reloads:
			r.answer <- d.reload()
		case <-refresh.C:
			d.refresh()
		case <-members.C:
			b := d.current.Load()
			d.setMembers(b, bySRV(&b.loaded.Config))
		case <-d.ctx.Done():
			return
		}
	}
}

// reload builds everything anew beside what runs, and swaps.
func (d *Daemon) reload() error {
	l, m, err := load(d.options.ConfigPath)
	if err == nil {
		if names := config.RestartNeeded(&d.current.Load().loaded.Config, &l.Config); len(names) > 0 {
			err = fmt.Errorf("%s: a reload cannot change %s; put it back, or restart edged", d.options.ConfigPath, strings.Join(names, ", "))
		}
	}
	if err == nil {
		err = d.replace(l, m)
	}
	d.failures.reload = err
	if err == nil {
		d.failures.refresh = nil
	}
	d.attempted("reload", l, err)
	if err != nil {
		d.log.Error("reload refused, the old configuration stays in force", slog.Any("err", err))
		return err
	}
	d.checkSoon()
	d.log.Info("reloaded", slog.String("config_hash", l.Hash), slog.String("policy_hash", l.PolicyHash))
	return nil
}

// refresh reads the files that the running configuration names.
func (d *Daemon) refresh() {
	l := d.current.Load().loaded
	m := &material{}
	var errs []error
	for _, p := range m.read(l) {
		errs = append(errs, errors.New(p.Text))
	}
	err := errors.Join(errs...)
	if err == nil {
		err = d.replace(l, m)
	}
	before := d.failures.refresh
	d.failures.refresh = err
	if err != nil || before != nil { // nobody has asked: only what changes is told
		d.attempted("refresh", l, err)
	}
	if err != nil {
		d.log.Error("certificates not refreshed, the old ones stay in use", slog.Any("err", err))
	}
}

// failures is how the last reload and the last refresh have ended. What the files on
// disk hold is good only if both did well: that certificates could be read does not make
// up for a reload that was refused. The reload goroutine owns it.
type failures struct{ reload, refresh error }

func (f *failures) none() bool { return f.reload == nil && f.refresh == nil }

// attempted shows how a reload or a refresh has ended.
func (d *Daemon) attempted(what string, l *config.Loaded, err error) {
	d.metrics.reloaded(err, d.failures.none())
	d.history.add(what, l, err)
	d.notify(d.failures.status())
}

// replace puts a configuration in force; nothing has changed if it fails.
func (d *Daemon) replace(l *config.Loaded, m *material) error {
	b, err := d.assemble(l, m)
	if err != nil {
		return err
	}
	if d.server != nil {
		if err := d.server.Apply(d.state(b)); err != nil {
			b.drop()
			return err
		}
	}
	d.setMembers(b, b.kept)
	d.applyXMPP(b)
	d.setStrangers(b)
	if err := d.insideDNS.apply(d.insideDNSConfig(b)); err != nil {
		d.log.Error("inside DNS keeps its old configuration", slog.Any("err", err))
	}
	old := d.current.Load()
	d.inForce(b)
	if b.fresh {
		d.retire(old.resolver)
	}
	return nil
}

// inForce notes what runs now.
func (d *Daemon) inForce(b *build) {
	d.current.Store(b)
	clear(d.members)
	for _, p := range b.pools {
		d.members[p.Name] = p.Members
	}
	for _, p := range b.xmppPools {
		d.members["xmpp:"+p.Name] = p.Members
	}
	if d.own != nil {
		d.own.follow(b.loaded.Config.Log, b.audit)
	}
	d.metrics.inForce(b)
	for _, w := range b.loaded.Warnings {
		d.log.Warn("configuration", slog.String("warning", w.String()))
	}
	for _, w := range b.warnings {
		d.log.Warn("configuration", slog.String("warning", w))
	}
	for _, file := range b.material.external.Trust.StaleCRLs(time.Now()) {
		d.log.Warn("revocation list is stale or missing", slog.String("file", file))
	}
}

// staleCRLs is how many revocation lists are missing or out of date now. They do not
// count, unless tls.crl is required.
func (d *Daemon) staleCRLs() int {
	b := d.current.Load()
	if b == nil {
		return 0
	}
	return len(b.material.external.Trust.StaleCRLs(time.Now()))
}

// retire closes a replaced resolver once its look-ups are surely over.
func (d *Daemon) retire(r *discovery.Resolver) {
	d.work.Go(func() {
		t := time.NewTimer(resolverRest)
		defer t.Stop()
		select {
		case <-t.C:
		case <-d.ctx.Done():
		}
		r.Close()
	})
}

// bySRV lists the pools whose members the DNS names.
func bySRV(c *config.Config) places {
	of := func(pools []config.Pool) (found []int) {
		for i := range pools {
			if pools[i].SRV != "" {
				found = append(found, i)
			}
		}
		return found
	}
	return places{of(c.SIP.Pools), of(c.XMPP.Pools)}
}
