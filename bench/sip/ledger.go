package sip

import (
	"fmt"
	"sync/atomic"
)

// Numbers is how many requests one Ledger can number.
const Numbers = 1 << 26

// Ledger numbers requests and notes which have arrived at a Sink.
type Ledger struct {
	next    atomic.Uint32
	arrived [3]numbers // by step
	counted atomic.Uint32
}

// A step is one request of a call. A MESSAGE has the first only.
type step uint8

const (
	opens step = iota // MESSAGE, INVITE
	acknowledges
	ends // BYE
)

// numbers is a set. Its memory is touched, and so taken, as the numbers grow.
type numbers struct{ bits [Numbers / 32]atomic.Uint32 }

// add reports whether n is new.
func (s *numbers) add(n uint32) bool {
	bit := uint32(1) << (n % 32)
	return s.bits[n/32].Or(bit)&bit == 0
}

func (s *numbers) has(n uint32) bool { return s.bits[n/32].Load()&(1<<(n%32)) != 0 }

// NewLedger returns a Ledger for one run.
func NewLedger() *Ledger { return &Ledger{} }

// take gives a number that nobody had.
func (l *Ledger) take() (uint32, error) {
	n := l.next.Add(1) - 1
	if n >= Numbers {
		return 0, fmt.Errorf("more than %d requests in one run", Numbers)
	}
	return n, nil
}

// arrive notes a request: once, after those of the same call that come before it.
func (l *Ledger) arrive(n uint32, s step) error {
	switch {
	case n >= l.next.Load():
		return fmt.Errorf("request %d was never sent", n)
	case s > opens && !l.arrived[s-1].has(n):
		return fmt.Errorf("request %d of call %d arrived, and the one before it did not", s+1, n)
	case !l.arrived[s].add(n):
		return fmt.Errorf("request %d of call %d arrived twice", s+1, n)
	}
	l.counted.Add(1)
	return nil
}

// Arrived is how many requests have arrived since the beginning.
func (l *Ledger) Arrived() uint32 { return l.counted.Load() }
