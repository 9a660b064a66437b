package discovery

import (
	"cmp"
	"slices"
	"time"

	"edged/pkg/domain"
)

// Target is one place where a service is offered (RFC 2782).
type Target struct {
	Host             domain.Name
	Port             uint16 // never 0
	Priority, Weight uint16
}

// Answer is what a domain publishes for a service. It is shared: its slices must
// not be changed.
type Answer struct {
	Targets   []Target  // by priority; at most 64
	Authentic bool      // a trusted resolver vouches for it by DNSSEC (AD bit), aliases included
	Expires   time.Time // when it must be asked for again

	names []domain.Name // of Targets, or nil if not yet collected
}

// newAnswer sorts the targets, so that a cut keeps the preferred ones and equal
// record sets give equal answers, and cuts them off at maxTargets.
func newAnswer(targets []Target) Answer {
	slices.SortFunc(targets, func(a, b Target) int {
		return cmp.Or(
			cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight),
			cmp.Compare(a.Host.String(), b.Host.String()), cmp.Compare(a.Port, b.Port))
	})
	targets = slices.Compact(targets)
	targets = slices.Clip(targets[:min(len(targets), maxTargets)])
	return Answer{Targets: targets, names: namesOf(targets)}
}

func namesOf(targets []Target) []domain.Name {
	names := make([]domain.Name, 0, len(targets))
	for _, t := range targets {
		if !slices.Contains(names, t.Host) {
			names = append(names, t.Host)
		}
	}
	return names
}

// Names returns the distinct target names, the preferred first. It allocates
// nothing for an Answer of a Resolver.
func (a Answer) Names() []domain.Name {
	if a.names == nil && len(a.Targets) > 0 {
		return namesOf(a.Targets)
	}
	return a.names
}

// DirectlyIn keeps the targets that are d itself or lie directly in it: others
// may not stand for d.
func (a Answer) DirectlyIn(d domain.Name) Answer {
	return a.keep(func(host domain.Name) bool { return host == d || host.DirectlyUnder(d) })
}

// Only keeps the targets with exactly that name, such as a provider's.
func (a Answer) Only(host domain.Name) Answer {
	return a.keep(func(h domain.Name) bool { return h == host })
}

// keep allocates only if something is dropped, which is not the usual case.
func (a Answer) keep(wanted func(domain.Name) bool) Answer {
	if !slices.ContainsFunc(a.Targets, func(t Target) bool { return !wanted(t.Host) }) {
		return a
	}
	kept := make([]Target, 0, len(a.Targets))
	for _, t := range a.Targets {
		if wanted(t.Host) {
			kept = append(kept, t)
		}
	}
	a.Targets, a.names = kept, namesOf(kept)
	return a
}

// Ordered returns the targets in the order in which to try them (RFC 2782): by
// priority, and among equals a weighted random order. rnd returns a number in
// [0, n); nil stands for math/rand/v2.
func (a Answer) Ordered(rnd func(n int) int) []Target {
	return ordered(a.Targets, rnd)
}
