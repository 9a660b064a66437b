package discovery

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// ranked is what RFC 2782 orders.
type ranked interface {
	Target | XMPPTarget
	rank() (priority, weight uint16)
}

func (t Target) rank() (priority, weight uint16) { return t.Priority, t.Weight }

func (t XMPPTarget) rank() (priority, weight uint16) { return t.Priority, t.Weight }

func priorityOf[T ranked](t T) uint16 {
	priority, _ := t.rank()
	return priority
}

func weightOf[T ranked](t T) int {
	_, weight := t.rank()
	return int(weight)
}

// ordered returns a copy of the targets in the order of RFC 2782. rnd returns a
// number in [0, n); nil stands for math/rand/v2.
func ordered[T ranked](targets []T, rnd func(n int) int) []T {
	if rnd == nil {
		rnd = rand.IntN
	}
	targets = slices.Clone(targets)
	slices.SortStableFunc(targets, func(a, b T) int { return cmp.Compare(priorityOf(a), priorityOf(b)) })
	for rest := targets; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(t T) bool { return priorityOf(t) != priorityOf(rest[0]) })
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
func orderByWeight[T ranked](group []T, rnd func(int) int) {
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
func draw[T ranked](group []T, rnd func(int) int) int {
	sum := 0
	for _, t := range group {
		sum += weightOf(t)
	}
	n := rnd(sum + 1)
	for i, t := range group {
		if n -= weightOf(t); n <= 0 {
			return i
		}
	}
	return len(group) - 1
}

// zeroWeightsFirst puts the targets of weight 0 at the beginning, as RFC 2782
// wants, so that they are drawn only by the number 0. Their own order is free
// there; a random one spreads the load among targets that all have weight 0.
func zeroWeightsFirst[T ranked](group []T, rnd func(int) int) {
	slices.SortStableFunc(group, func(a, b T) int {
		return cmp.Compare(min(weightOf(a), 1), min(weightOf(b), 1))
	})
	zeros := slices.IndexFunc(group, func(t T) bool { return weightOf(t) > 0 })
	if zeros < 0 {
		zeros = len(group)
	}
	for i := zeros - 1; i > 0; i-- {
		j := rnd(i + 1)
		group[i], group[j] = group[j], group[i]
	}
}
