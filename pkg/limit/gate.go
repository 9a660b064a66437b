package limit

import (
	"context"
	"slices"
	"sync"
)

// gate lets a bounded number through at a time, in order of arrival. Its bound
// can change while others wait, which is what a channel or x/sync/semaphore
// cannot do. The zero gate lets nobody through.
type gate struct {
	mu      sync.Mutex
	limit   int
	inside  int
	waiting []chan struct{} // closed when its place is given; oldest first
}

// enter waits for a place until ctx ends, and then returns the context's error.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if len(g.waiting) == 0 && g.inside < g.limit {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		g.abandon(turn)
		return ctx.Err()
	}
}

// abandon takes a waiter out, or gives its place on if it came just now.
func (g *gate) abandon(turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, turn); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		return
	}
	g.inside--
	g.admit()
}

// leave gives a place back.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.admit()
}

// resize changes the bound. Those inside stay, however many.
func (g *gate) resize(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	g.admit()
}

// admit hands free places to those who wait longest. The caller holds mu.
func (g *gate) admit() {
	for len(g.waiting) > 0 && g.inside < g.limit {
		g.inside++
		close(g.waiting[0])
		g.waiting = slices.Delete(g.waiting, 0, 1)
	}
}
