package relay

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"sync"

	"edged/bench/wire"
)

// idleRead is the buffer of a connection that waits for bytes.
const idleRead = 4 << 10

// Bytes copies TLS to TLS, both ways, with a connection out for each one in.
type Bytes struct {
	In  *tls.Config
	Out wire.Dialer
	To  string // host:port of the next hop
	Log *slog.Logger
}

// Serve relays the connections of the listener until it is closed.
func (r Bytes) Serve(ctx context.Context, l net.Listener) error {
	return Serve(l, r.Log, func(c net.Conn) error {
		out, err := r.Out.TLS(ctx, r.To)
		if err != nil {
			return err
		}
		defer out.Close()
		in := tls.Server(c, r.In)
		go func() { // ends with either connection
			defer in.Close()
			_, _ = io.Copy(in, out)
		}()
		_, err = io.Copy(out, in)
		return ended(err)
	})
}

// Drop reads whatever comes and forgets it, after TLS if config is not nil. After so
// many bytes it hangs up; 0 is no bound.
func Drop(l net.Listener, config *tls.Config, most int) error {
	return Serve(l, slog.New(slog.DiscardHandler), func(c net.Conn) error {
		if config != nil {
			c = tls.Server(c, config)
		}
		b := make([]byte, idleRead)
		for read := 0; most == 0 || read < most; {
			n, err := c.Read(b)
			if err != nil {
				return ended(err)
			}
			read += n
		}
		return nil
	})
}

// Serve gives each connection of the listener a goroutine.
func Serve(l net.Listener, log *slog.Logger, one func(net.Conn) error) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return ended(err)
		}
		running.Go(func() {
			defer c.Close()
			if err := one(c); err != nil {
				log.Warn("connection lost", slog.Any("error", err))
			}
		})
	}
}
