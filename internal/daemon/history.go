package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/discovery"
)

// history is what was put in force lately, and what was not.
type history struct {
	mu  sync.Mutex
	all []admin.Reload // the oldest first, at most keptReloads
}

// add notes an attempt; l is nil, or err is.
func (h *history) add(what string, l *config.Loaded, err error) {
	r := admin.Reload{Time: time.Now(), What: what}
	if err != nil {
		r.Err = err.Error()
	} else {
		r.Config, r.Policy = l.Hash, l.PolicyHash
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, r)
	h.all = h.all[max(0, len(h.all)-keptReloads):]
}

func (h *history) list() []admin.Reload {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Clone(h.all)
	slices.Reverse(all)
	return all
}

// SelfCheck looks at what the world sees of us: what we publish, and our certificates.
type SelfCheck func(ctx context.Context, c *config.Config, r *discovery.Resolver) []admin.Check

// checks is what the last SelfCheck has found.
type checks struct {
	mu  sync.Mutex
	all []admin.Check
	at  time.Time
}

func (c *checks) get() ([]admin.Check, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all, c.at
}

func (c *checks) set(all []admin.Check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all, c.at = all, time.Now()
}

const (
	// checkEvery is how often we look at ourselves, beside after each reload.
	checkEvery = 15 * time.Minute
	// checkTimeout bounds one look.
	checkTimeout = time.Minute
)

// checkLoop looks at ourselves now and then.
func (d *Daemon) checkLoop(ctx context.Context, check SelfCheck) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		b := d.current.Load()
		bounded, cancel := context.WithTimeout(ctx, checkTimeout)
		found := check(bounded, &b.loaded.Config, b.resolver)
		cancel()
		if ctx.Err() != nil {
			return
		}
		d.checks.set(found)
		select {
		case <-tick.C:
		case <-d.recheck:
		case <-ctx.Done():
			return
		}
	}
}

// checkSoon lets checkLoop look again.
func (d *Daemon) checkSoon() {
	select {
	case d.recheck <- struct{}{}:
	default: // it will
	}
}
