package serve

import (
	"context"
	"errors"
	"net"
	"runtime"
	"time"
)

// tellEvery is how often a listener that fails is worth a line in the log: with each
// descriptor that comes back and goes it fails anew.
const tellEvery = time.Minute

// Accept hands out the connections of a listener, each to a goroutine of its own,
// until the listener is closed, by its owner or by CloseListeners. serve owns its
// connection, and calls Greeted when whoever connected has been answered. A crowd that
// comes at once is let in a few at a time. A failure to accept is most likely a lack of
// descriptors: after a while some will have come back, 5 ms at first and up to a second.
// failed is told of each; worth a line in the log is one in a while.
func (g *Group[C]) Accept(l net.Listener, serve func(context.Context, net.Conn), failed func(err error, tell bool)) error {
	if !g.enter(l) {
		return l.Close()
	}
	defer g.leave()
	pause, tell, door := time.Duration(0), time.Time{}, newDoor()
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			g.welcome(raw, serve)
			if wait := door.passed(time.Now()); wait > 0 && !g.Sleep(wait) {
				return nil
			}
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

// A processor lets in so many connections in so long: about three times as many as it
// can shake hands with. Whoever is here already is served in between; a thousand who come
// at once would all stand before them.
const (
	fewAtATime = 8
	inSoLong   = time.Millisecond
)

// door counts who has come in.
type door struct {
	few, count int
	since      time.Time
}

func newDoor() door { return door{few: fewAtATime * runtime.GOMAXPROCS(0)} }

// passed notes one who has come in, and returns how long the next has to wait.
func (d *door) passed(now time.Time) time.Duration {
	if d.count++; d.count < d.few {
		return 0
	}
	wait := max(inSoLong-now.Sub(d.since), 0)
	d.count, d.since = 0, now.Add(wait)
	return wait
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
