package insidedns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// packetGate passes on the datagrams of clients.
type packetGate struct {
	net.PacketConn

	server *Server
}

// ReadFrom refuses what no client has sent without looking into it.
func (g packetGate) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := g.PacketConn.ReadFrom(b)
		if err != nil || g.server.state.Load().admits(addr) {
			return n, addr, err
		}
		g.server.stranger(addr)
		if answer, ok := refusal(b[:n]); ok {
			_, _ = g.WriteTo(answer[:], addr)
		}
	}
}

// refusal is the header of an answer without anything else: id, opcode and the
// wish for recursion as in the question, REFUSED (RFC 1035 §4.1.1).
func refusal(question []byte) (answer [12]byte, ok bool) {
	const response, kept, refused = 0x80, 0x79, 5
	if len(question) < len(answer) || question[2]&response != 0 {
		return answer, false // never an answer to an answer
	}
	copy(answer[:2], question)
	answer[2] = response | question[2]&kept
	answer[3] = refused
	return answer, true
}

// stranger counts somebody who is no client, and logs him now and then.
func (s *Server) stranger(addr net.Addr) {
	s.observe("stranger", "refused")
	if s.strange.Allow() {
		s.log.Warn("the inside DNS was asked from outside of its clients' networks", slog.String("peer_addr", addr.String()))
	}
}

// gate passes on the connections of clients, maxConns at one time.
type gate struct {
	net.Listener

	server *Server
	places chan struct{}
	// tie closes a connection when the Server ends; what it returns unties it.
	tie func(net.Conn) func() bool
	// pause waits a moment; it is false when the Server has ended.
	pause func() bool
}

// errPause is the time until Accept is tried again after an error such as too
// many open files.
const errPause = 100 * time.Millisecond

func newGate(ctx context.Context, l net.Listener, s *Server) *gate {
	return &gate{
		Listener: l, server: s, places: make(chan struct{}, maxConns),
		tie: func(c net.Conn) func() bool { return context.AfterFunc(ctx, func() { _ = c.Close() }) },
		pause: func() bool {
			select {
			case <-time.After(errPause):
			case <-ctx.Done():
			}
			return ctx.Err() == nil
		},
	}
}

// Accept closes what no client has opened, and what is too many.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		switch {
		case err == nil:
			if served := g.admit(c); served != nil {
				return served, nil
			}
		case errors.Is(err, net.ErrClosed) || !g.pause():
			return nil, err
		}
	}
}

func (g *gate) admit(c net.Conn) net.Conn {
	if !g.server.state.Load().admits(c.RemoteAddr()) {
		g.server.stranger(c.RemoteAddr())
		_ = c.Close()
		return nil
	}
	select {
	case g.places <- struct{}{}:
	default:
		_ = c.Close()
		return nil
	}
	untie := g.tie(c)
	return &conn{Conn: c, leave: sync.OnceFunc(func() { untie(); <-g.places })}
}

// conn gives its place back when it closes, and waits for no slow reader.
type conn struct {
	net.Conn

	leave func()
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}
