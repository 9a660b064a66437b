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
// connection. A failure to accept is most likely a lack of descriptors: after a while
// some will have come back, 5 ms at first and up to a second. failed is told of each;
// worth a line in the log is one in a while.
func (g *Group[C]) Accept(l net.Listener, serve func(context.Context, net.Conn), failed func(err error, tell bool)) error {
	if !g.enter(l) {
		return l.Close()
	}
	pause, tell := time.Duration(0), time.Time{}
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			if !g.Go(func(ctx context.Context) { serve(ctx, raw) }) {
				_ = raw.Close()
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
