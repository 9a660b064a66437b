package serve

import (
	"context"
	"errors"
	"net"
	"time"
)

// tellEvery is how often a listener that fails is worth a line in the log: with each
// descriptor that comes back and goes it fails anew.
const tellEvery = time.Minute

// Accept hands out the connections of a listener, each to a goroutine of its own,
// until the listener is closed, by its owner or by CloseListeners. serve owns its
// connection, and calls Greeted when whoever connected has been answered. A failure to accept is most likely a lack of descriptors: after a while
// some will have come back, 5 ms at first and up to a second. failed is told of each;
// worth a line in the log is one in a while.
func (g *Group[C]) Accept(l net.Listener, serve func(context.Context, net.Conn), failed func(err error, tell bool)) error {
	if !g.enter(l) {
		return l.Close()
	}
	defer g.leave()
	pause, tell := time.Duration(0), time.Time{}
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			g.welcome(raw, serve)
		case errors.Is(err, net.ErrClosed) || g.isClosing():
			return nil
		default:
			now := time.Now()
			due := !now.Before(tell)
			if due {
				tell = now.Add(tellEvery)
			}
			failed(err, due)
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if !g.Sleep(pause) {
				return nil
			}
		}
	}
}

// welcome hands one connection out.
func (g *Group[C]) welcome(raw net.Conn, serve func(context.Context, net.Conn)) {
	g.mu.Lock()
	g.fresh[raw] = struct{}{}
	g.mu.Unlock()
	if !g.Go(func(ctx context.Context) {
		defer g.Greeted(raw)
		serve(ctx, raw)
	}) {
		g.Greeted(raw)
		_ = raw.Close()
	}
}

// Greeted says that whoever made this connection has been answered: it does not look
// as if nobody were here. The end of serve says so too.
func (g *Group[C]) Greeted(raw net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.fresh, raw)
}

// AwaitGreeted waits until everybody who was accepted has been greeted, or ctx ends.
// Nobody comes any more once the listeners are closed.
func (g *Group[C]) AwaitGreeted(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !g.allGreeted() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *Group[C]) allGreeted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accepting == 0 && len(g.fresh) == 0
}
