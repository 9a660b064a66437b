package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"

	"edged/bench/wire"
	"edged/pkg/xmpp/xmlstream"
)

// Cut is the floor of an XMPP relay: it authenticates both sides as edged does,
// cuts the stream into elements, asks nobody, and sends each as it came. One
// goroutine reads, cuts and writes; what one read brought goes out in one write.
type Cut struct {
	In  wire.Acceptor
	Out wire.Dialer
	To  string // host:port of the next hop
	Log *slog.Logger
}

// Serve relays the streams of the listener until it is closed.
func (r Cut) Serve(ctx context.Context, l net.Listener) error {
	return Serve(l, r.Log, func(c net.Conn) error {
		in, err := r.In.Stream(c)
		if err != nil {
			return err
		}
		defer in.Conn.Close()
		out, err := r.Out.Stream(ctx, r.To)
		if err != nil {
			return err
		}
		defer out.Conn.Close()
		go func() { // nothing comes back on a stream between servers but its end
			defer in.Conn.Close()
			_, _ = io.Copy(io.Discard, out.Conn)
		}()
		return cut(in, out.Conn)
	})
}

func cut(in *wire.Stream, out io.Writer) error {
	var waiting []byte
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		_, err := out.Write(waiting)
		waiting = waiting[:0]
		return err
	}
	elements := in.Elements(flush)
	for {
		e, err := elements.Next()
		if err != nil || e.Kind != xmlstream.Stanza {
			return ended(errors.Join(err, flush()))
		}
		waiting = append(waiting, e.Raw...)
	}
}

// ended leaves out that a peer has gone.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
