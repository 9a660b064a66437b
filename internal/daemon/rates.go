package daemon

import (
	"context"
	"sync"
	"time"

	"edged/pkg/policy"
)

const (
	// sampleEvery and samples are the minute over which rates are taken.
	sampleEvery = 10 * time.Second
	samples     = 7
)

// counted is what has crossed with one partner since the start, flow what crosses a
// minute.
type (
	counted struct{ in, out uint64 }
	flow    struct{ in, out float64 }
)

// rates remembers what had crossed in the last minute.
type rates struct {
	mu  sync.Mutex
	old []sample // the oldest first, at most samples
}

type sample struct {
	at     time.Time
	counts map[partnerKey]counted
}

// add takes a sample.
func (r *rates) add(counts map[partnerKey]counted, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.old = append(r.old, sample{now, counts})
	r.old = r.old[max(0, len(r.old)-samples):]
}

// now compares counts with those of a minute ago, or of as long ago as is known.
func (r *rates) now(counts map[partnerKey]counted, now time.Time) (map[partnerKey]flow, map[partnerKey]counted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := make(map[partnerKey]flow, len(counts))
	if len(r.old) == 0 {
		return flows, counts
	}
	before := r.old[0]
	minutes := max(now.Sub(before.at).Minutes(), 1) // in the first minute: so far
	for key, n := range counts {
		was := before.counts[key]
		flows[key] = flow{float64(n.in-min(n.in, was.in)) / minutes, float64(n.out-min(n.out, was.out)) / minutes}
	}
	return flows, counts
}

// counts is what has crossed by now.
func (d *Daemon) counts() map[partnerKey]counted {
	all := make(map[partnerKey]counted)
	if d.server != nil {
		for name, n := range d.server.Traffic() {
			all[partnerKey{policy.SIP.String(), name.String()}] = counted{n.In, n.Out}
		}
	}
	if d.xmpp.server != nil {
		for name, n := range d.xmpp.server.Traffic() {
			all[partnerKey{policy.XMPP.String(), name.String()}] = counted{n.In, n.Out}
		}
	}
	return all
}

// sampleLoop takes samples for the status page.
func (d *Daemon) sampleLoop(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		d.rates.add(d.counts(), time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
