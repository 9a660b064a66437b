package limit

import (
	"context"
	"errors"
	"net"
)

// Handshake is an admitted connection during its TLS handshake. It holds one of the
// places of limits.handshakes while the handshake computes, and gives it back while
// it waits for the peer: so the places bound the processors' share, and a peer that
// says nothing holds none.
//
// It belongs to the goroutine that makes the handshake, until Done; from then on it
// is the connection itself.
type Handshake struct {
	net.Conn
	accept *Accept
	ctx    context.Context //nolint:containedctx // that of the handshake, until Done
	held   bool
	read   int // bytes
	full   error
}

// Handshake begins one. Waiting for a place ends with ctx, which the handshake must
// run under too.
func (a *Accept) Handshake(ctx context.Context, conn net.Conn) *Handshake {
	return &Handshake{Conn: conn, accept: a, ctx: ctx}
}

// Read waits for the peer without a place, and then for a place.
func (h *Handshake) Read(b []byte) (int, error) {
	if h.accept == nil {
		return h.Conn.Read(b)
	}
	h.leave()
	n, err := h.Conn.Read(b)
	if h.read += n; err == nil && h.read > maxHandshake {
		err = errLong
	}
	if err == nil {
		err = h.enter()
	}
	return n, err
}

// maxHandshake is how many bytes a peer may send before its handshake is done: hello and
// certificates take a quarter of that at most, and crypto/tls keeps them until they are
// complete.
const maxHandshake = 64 << 10

var errLong = errors.New("more than 64 KiB before the end of the handshake")

// Write does the same: a peer that takes nothing holds no place either.
func (h *Handshake) Write(b []byte) (int, error) {
	if h.accept == nil {
		return h.Conn.Write(b)
	}
	h.leave()
	n, err := h.Conn.Write(b)
	if err == nil {
		err = h.enter()
	}
	return n, err
}

// Done ends the handshake and gives its place back. If the handshake failed for want
// of a place, the answer is an *Error that wraps the context's. Calling it again
// changes nothing.
func (h *Handshake) Done() error {
	h.leave()
	h.accept, h.ctx = nil, nil
	return h.full
}

func (h *Handshake) enter() error {
	err := h.accept.handshakes.enter(h.ctx)
	if err != nil {
		h.full = h.accept.tooManyHandshakes(err)
		return h.full
	}
	h.held = true
	return nil
}

func (h *Handshake) leave() {
	if h.held {
		h.held = false
		h.accept.handshakes.leave()
	}
}
