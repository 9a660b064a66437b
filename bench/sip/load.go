package sip

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edged/bench/load"
)

const (
	// patience bounds the wait for the last answers of a phase.
	patience = 10 * time.Second
	// lingering is how long answers that nobody waits for are waited for.
	lingering = 50 * time.Millisecond
)

// Load is a partner and its connections to a proxy.
type Load struct {
	ledger *Ledger
	lanes  []*lane
	each   int       // how many requests are under way on each connection at full speed
	begin  time.Time // of its clock

	under     atomic.Int64 // requests without their final answer
	tolerant  atomic.Bool
	refused   atomic.Uint32 // what it counts then
	surplus   atomic.Uint32
	flat      atomic.Bool   // an answer is followed by the next request
	keeping   atomic.Bool   // latencies are being kept
	done      chan struct{} // nothing is under way any more
	failed    chan struct{} // closed with the first error
	closing   atomic.Bool
	failure   sync.Once
	err       error
	receivers sync.WaitGroup
}

// Messages is a Load of MESSAGEs, with each of them under way on every connection
// at full speed. The parties of connection i are those of number i modulo their
// number.
func Messages(l *Ledger, conns []net.Conn, each int, parties ...Parties) *Load {
	return newLoad(l, conns, each, false, parties)
}

// Calls is a Load of calls.
func Calls(l *Ledger, conns []net.Conn, each int, parties ...Parties) *Load {
	return newLoad(l, conns, each, true, parties)
}

func newLoad(l *Ledger, conns []net.Conn, each int, calls bool, parties []Parties) *Load {
	all := &Load{ledger: l, each: each, begin: time.Now(), done: make(chan struct{}, 1), failed: make(chan struct{})}
	for i, c := range conns {
		all.lanes = append(all.lanes, newLane(all, c, parties[i%len(parties)], calls))
	}
	for _, one := range all.lanes {
		all.receivers.Go(one.receive)
	}
	return all
}

// Close closes the connections and waits for their readers.
func (l *Load) Close() {
	l.closing.Store(true)
	for _, one := range l.lanes {
		one.conn.Close()
	}
	l.receivers.Wait()
}

// Received is how many requests, or whole calls, have had their final answer.
func (l *Load) Received() uint32 {
	var all uint32
	for _, one := range l.lanes {
		all += one.got.Load()
	}
	return all
}

// Tolerate counts refusals, and answers that are too many, instead of failing. It
// is for MESSAGEs.
func (l *Load) Tolerate() { l.tolerant.Store(true) }

// Served is how many requests were answered with 200.
func (l *Load) Served() uint32 { return l.Received() - l.refused.Load() }

// Surplus is how many final answers were too many.
func (l *Load) Surplus() uint32 { return l.surplus.Load() }

// Flat sends as fast as answers come, until the context ends.
func (l *Load) Flat(ctx context.Context) error {
	l.flat.Store(true)
	defer l.flat.Store(false)
	for _, one := range l.lanes {
		for range l.each {
			if err := one.open(); err != nil {
				return err
			}
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case <-l.failed:
		return l.err
	}
}

// Paced sends requests one by one at a fixed rate, on one connection after the
// other.
func (l *Load) Paced(ctx context.Context, perSecond, count int) error {
	return load.Pace(ctx, perSecond, count, func(i int) error {
		select {
		case <-l.failed:
			return l.err
		default:
			return l.lanes[i%len(l.lanes)].open()
		}
	})
}

// Burst sends count requests at once, and does not wait for answers in between.
func (l *Load) Burst(count int) error {
	for i := range count {
		if err := l.lanes[i%len(l.lanes)].open(); err != nil {
			return err
		}
	}
	return nil
}

// Drain waits until everything has had its final answer, and a moment longer for
// those that are too many.
func (l *Load) Drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for l.under.Load() > 0 {
		select {
		case <-l.done:
		case <-l.failed:
			return l.err
		case <-ctx.Done():
			return fmt.Errorf("%d requests have no final answer: %w", l.under.Load(), ctx.Err())
		}
	}
	select {
	case <-time.After(lingering):
		return nil
	case <-l.failed:
		return l.err
	}
}

// Keep begins a new collection of latencies.
func (l *Load) Keep(uint32) {
	for _, one := range l.lanes {
		one.latencies = one.latencies[:0]
	}
	l.keeping.Store(true)
}

// Latencies ends the collection and returns it sorted. It comes after Drain.
func (l *Load) Latencies() []time.Duration {
	l.keeping.Store(false)
	var all []time.Duration
	for _, one := range l.lanes {
		all = append(all, one.latencies...)
	}
	slices.Sort(all)
	return all
}

func (l *Load) fail(err error) {
	l.failure.Do(func() {
		l.err = err
		close(l.failed)
	})
}

// finished notes a final answer.
func (l *Load) finished() {
	if l.under.Add(-1) == 0 {
		select {
		case l.done <- struct{}{}:
		default:
		}
	}
}
