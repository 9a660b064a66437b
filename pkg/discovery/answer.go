package discovery

import (
	"cmp"
	"math/rand/v2"
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
	if rnd == nil {
		rnd = rand.IntN
	}
	targets := slices.Clone(a.Targets)
	slices.SortStableFunc(targets, func(a, b Target) int { return cmp.Compare(a.Priority, b.Priority) })
	for rest := targets; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(t Target) bool { return t.Priority != rest[0].Priority })
		if n < 0 {
			n = len(rest)
		}
		orderByWeight(rest[:n], rnd)
		rest = rest[n:]
	}
	return targets
}

// orderByWeight draws one target after the other, each with a chance that is its
// share of the weight still in the draw.
func orderByWeight(group []Target, rnd func(int) int) {
	zeroWeightsFirst(group, rnd)
	for ; len(group) > 1; group = group[1:] {
		drawn := draw(group, rnd)
		t := group[drawn]
		copy(group[1:drawn+1], group[:drawn])
		group[0] = t
	}
}

// draw: "choose a uniform random number between 0 and the sum computed
// (inclusive), and select the RR whose running sum value is the first in the
// selected order which is greater than or equal to the random number" (RFC 2782).
func draw(group []Target, rnd func(int) int) int {
	sum := 0
	for _, t := range group {
		sum += int(t.Weight)
	}
	n := rnd(sum + 1)
	for i, t := range group {
		if n -= int(t.Weight); n <= 0 {
			return i
		}
	}
	return len(group) - 1
}

// zeroWeightsFirst puts the targets of weight 0 at the beginning, as RFC 2782
// wants, so that they are drawn only by the number 0. Their own order is free
// there; a random one spreads the load among targets that all have weight 0.
func zeroWeightsFirst(group []Target, rnd func(int) int) {
	slices.SortStableFunc(group, func(a, b Target) int {
		return cmp.Compare(min(a.Weight, 1), min(b.Weight, 1))
	})
	zeros := slices.IndexFunc(group, func(t Target) bool { return t.Weight > 0 })
	if zeros < 0 {
		zeros = len(group)
	}
	for i := zeros - 1; i > 0; i-- {
		j := rnd(i + 1)
		group[i], group[j] = group[j], group[i]
	}
}
