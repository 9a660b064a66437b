package serve

import (
	"context"
	"net"
	"sync"
	"time"
)

// Group is the goroutines, listeners and connections of one server. C stands for a
// connection. All methods may be used by many goroutines at once.
type Group[C comparable] struct {
	ctx    context.Context //nolint:containedctx // the life of the group's goroutines
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu        sync.Mutex
	conns     map[C]struct{}
	listeners map[net.Listener]struct{}
	accepting int                   // how many Accept run
	fresh     map[net.Conn]struct{} // what they have handed out and nobody has greeted
	closing   bool                  // no listener is entered any more
	ended     bool                  // nor anything else
}

// New returns an empty Group.
func New[C comparable]() *Group[C] {
	g := &Group[C]{conns: make(map[C]struct{}), listeners: make(map[net.Listener]struct{}), fresh: make(map[net.Conn]struct{})}
	g.ctx, g.cancel = context.WithCancel(context.Background()) //nolint:gosec // Cancel calls it
	return g
}

// Context ends with Cancel.
func (g *Group[C]) Context() context.Context { return g.ctx }

// Go runs a goroutine that Wait waits for. It reports false, and runs nothing, once
// the group has ended.
func (g *Group[C]) Go(run func(context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	g.work.Go(func() { run(g.ctx) })
	return true
}

// Sleep waits, or reports false as soon as the group is cancelled.
func (g *Group[C]) Sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-g.ctx.Done():
		return false
	}
}

// Add enters an open connection; it reports false once the group has ended.
func (g *Group[C]) Add(c C) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.conns[c] = struct{}{}
	}
	return !g.ended
}

// Remove takes a connection out.
func (g *Group[C]) Remove(c C) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// Has reports whether a connection was entered and not taken out.
func (g *Group[C]) Has(c C) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.conns[c]
	return ok
}

// All returns the connections that are open now.
func (g *Group[C]) All() []C {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]C, 0, len(g.conns))
	for c := range g.conns {
		all = append(all, c)
	}
	return all
}

// CloseListeners ends every Accept, and those to come.
func (g *Group[C]) CloseListeners() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing = true
	for l := range g.listeners {
		_ = l.Close()
	}
	clear(g.listeners)
}

// End lets nothing be entered or begun any more. What runs goes on.
func (g *Group[C]) End() {
	g.CloseListeners()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}

// Cancel ends the context of all that runs.
func (g *Group[C]) Cancel() { g.cancel() }

// Wait returns when the last goroutine has ended. Call End first.
func (g *Group[C]) Wait() { g.work.Wait() }

// enter notes a listener; false once listeners are closed.
func (g *Group[C]) enter(l net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closing {
		g.listeners[l] = struct{}{}
		g.accepting++
	}
	return !g.closing
}

// leave is the end of an Accept.
func (g *Group[C]) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accepting--
}

func (g *Group[C]) isClosing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closing
}
