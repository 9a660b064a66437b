package serve

import (
	"context"
	"errors"
	"net"
	"time"
)

// Accept hands out the connections of a listener, each to a goroutine of its own,
// until the listener is closed, by its owner or by CloseListeners. serve owns its
// connection. A failure to accept is most likely a lack of descriptors: failed is told
// of it, and after a while some will have come back, 5 ms at first and up to a second.
func (g *Group[C]) Accept(l net.Listener, serve func(context.Context, net.Conn), failed func(error)) error {
	if !g.enter(l) {
		return l.Close()
	}
	pause := time.Duration(0)
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
			failed(err)
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if !g.Sleep(pause) {
				return nil
			}
		}
	}
}
