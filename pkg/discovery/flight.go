package discovery

import (
	"context"
	"errors"
	"net"
	"sync"
)

// flight is a look-up under way. Many may wait for one; none of them owns it, so
// that one who gives up does not end it for the others.
type flight struct {
	done   chan struct{}      // closed when entry is there
	entry  *entry             // fixed once done is closed
	cancel context.CancelFunc // ends the look-up early
}

// flights holds at most maxFlights flights, one for each question.
type flights struct {
	running sync.WaitGroup

	mu     sync.Mutex
	under  map[key]*flight // guarded by mu
	closed bool            // guarded by mu
}

// close ends all flights and lets none start any more.
func (f *flights) close() {
	f.mu.Lock()
	f.closed = true
	for _, flight := range f.under {
		flight.cancel()
	}
	f.mu.Unlock()
	f.running.Wait()
}

func (f *flights) remove(k key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.under, k)
}

// find returns the remembered entry, or waits for the flight that fetches it, which
// it starts if may allows. The error is about the waiting only.
func (r *Resolver) find(ctx context.Context, k key, may func() bool) (*entry, error) {
	begin := r.config.Now()
	if e := r.cache.get(k, begin); e != nil {
		r.config.Observe(k.kind(), "cached", 0)
		return e, nil
	}
	f, err := r.join(ctx, k, may)
	if err != nil {
		r.config.Observe(k.kind(), kindOf(err), 0)
		return nil, err
	}
	select {
	case <-f.done:
		return f.entry, nil
	case <-ctx.Done():
		return nil, &Error{Kind: Timeout, Name: k.question(), Err: ctx.Err()}
	}
}

// join returns the flight for k and starts it if there is none. Of ctx the flight
// takes the values, not the end.
func (r *Resolver) join(ctx context.Context, k key, may func() bool) (*flight, error) {
	r.flights.mu.Lock()
	defer r.flights.mu.Unlock()
	if f, ok := r.flights.under[k]; ok {
		return f, nil
	}
	// A flight may have landed since the caller looked into the cache.
	if e := r.cache.get(k, r.config.Now()); e != nil {
		f := &flight{done: make(chan struct{}), entry: e}
		close(f.done)
		return f, nil
	}
	if r.flights.closed {
		return nil, &Error{Kind: ServerFailure, Name: k.question(), Err: net.ErrClosed}
	}
	if len(r.flights.under) >= maxFlights || !may() {
		return nil, &Error{Kind: Busy, Name: k.question()}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeouts*r.config.Timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	r.flights.under[k] = f
	r.flights.running.Go(func() { r.fly(ctx, k, f) })
	return f, nil
}

// fly does the look-up. The cache has the entry before the flight is gone, so that
// nobody in between asks again.
func (r *Resolver) fly(ctx context.Context, k key, f *flight) {
	defer f.cancel()
	begin := r.config.Now()
	f.entry = r.lookup(ctx, k)
	end := r.config.Now()
	r.cache.put(f.entry, end)
	r.flights.remove(k)
	close(f.done)
	r.config.Observe(k.kind(), kindOf(f.entry.err), end.Sub(begin))
}

// kindOf is the outcome for Config.Observe.
func kindOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind.String()
	}
	return "answered"
}
