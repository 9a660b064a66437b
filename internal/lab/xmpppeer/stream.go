package xmpppeer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// maxElement bounds one element unless SetLimit says otherwise.
const maxElement = 16 << 20

// Stream is one connection, read and written by hand. One goroutine at a time may
// read; writing and closing are safe from everywhere. Nothing is read ahead of a
// call that reads, so not calling one is how a test stops reading.
type Stream struct {
	raw  net.Conn      // the connection as it was given, below TLS
	turn chan struct{} // held by who writes; a channel, because synctest does not wait for mutexes

	mu   sync.Mutex
	conn net.Conn // raw, or TLS over it

	buf    []byte // for one read
	in     []byte // read and not yet cut
	cut    cutter
	spaces int
	limit  int

	peer     Header
	features *Element // read last
}

// NewStream returns a stream over conn, on which nothing has been said yet. The
// stream owns conn.
func NewStream(conn net.Conn) *Stream {
	return &Stream{raw: conn, conn: conn, turn: make(chan struct{}, 1), buf: make([]byte, 16<<10), limit: maxElement}
}

// SetLimit makes reading fail with ErrTooBig at an element, header or whitespace
// longer than n bytes.
func (s *Stream) SetLimit(n int) { s.limit = n }

// SendRaw sends bytes as they are. Without error they have been given to the
// connection; it waits as long as that takes.
func (s *Stream) SendRaw(b []byte) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	_, err := s.current().Write(b)
	return err
}

// Send is SendRaw for texts, joined.
func (s *Stream) Send(texts ...string) error {
	var b []byte
	for _, t := range texts {
		b = append(b, t...)
	}
	return s.SendRaw(b)
}

// SendHeader sends h.
func (s *Stream) SendHeader(h Header) error { return s.Send(h.String()) }

// ReadHeader reads the other side's header, at the start of the connection or after
// a restart.
func (s *Stream) ReadHeader(ctx context.Context) (Header, error) {
	if s.cut.open {
		return Header{}, errors.New("xmpppeer: the header has been read: Restart comes before another one")
	}
	_, raw, err := s.item(ctx, false)
	if err != nil {
		return Header{}, err
	}
	s.peer, err = parseHeader(raw)
	return s.peer, err
}

// Peer returns the other side's latest header.
func (s *Stream) Peer() Header { return s.peer }

// Next returns the next top-level element, of whatever kind. Whitespace before it
// is skipped and counted. The stream's end tag is ErrEnd, the end of the connection
// is io.EOF. Nothing is lost if ctx ends first.
func (s *Stream) Next(ctx context.Context) (*Element, error) {
	if !s.cut.open {
		return nil, errors.New("xmpppeer: no header has been read: ReadHeader comes first")
	}
	kind, raw, err := s.item(ctx, false)
	if err != nil {
		return nil, err
	}
	if kind == itemEnd {
		return nil, ErrEnd
	}
	return Parse(raw, s.peer.Spaces)
}

// Expect is Next for an element of a known name. A stream error in its place is a
// *StreamError, everything else an *UnexpectedError.
func (s *Stream) Expect(ctx context.Context, name, space string) (*Element, error) {
	e, err := s.Next(ctx)
	if err != nil {
		return nil, fmt.Errorf("waiting for <%s>: %w", name, err)
	}
	if e.Is(name, space) {
		return e, nil
	}
	if se := asStreamError(e); se != nil {
		return nil, se
	}
	return nil, &UnexpectedError{Want: name, Got: e}
}

// Await is Expect that passes over everything before the element, stream errors
// aside.
func (s *Stream) Await(ctx context.Context, name, space string) (*Element, error) {
	for {
		e, err := s.Expect(ctx, name, space)
		if _, other := errors.AsType[*UnexpectedError](err); !other {
			return e, err
		}
	}
}

// AwaitError passes over everything up to the other side's stream error and returns
// that.
func (s *Stream) AwaitError(ctx context.Context) (*StreamError, error) {
	e, err := s.Await(ctx, "error", NSStreams)
	if err != nil {
		return nil, err
	}
	return asStreamError(e), nil
}

// AwaitEnd passes over everything up to the end and returns ErrEnd after an end tag,
// or io.EOF if the connection ended without one.
func (s *Stream) AwaitEnd(ctx context.Context) error {
	for {
		if _, err := s.Next(ctx); err != nil {
			return err
		}
	}
}

// ExpectSpace waits for whitespace between elements (RFC 6120 §4.6.1) and fails at
// anything else.
func (s *Stream) ExpectSpace(ctx context.Context) error {
	kind, raw, err := s.item(ctx, true)
	if err == nil && kind != itemSpace {
		err = fmt.Errorf("xmpppeer: want whitespace, got %s", raw)
	}
	return err
}

// Spaces returns how many bytes of whitespace between elements have been read.
func (s *Stream) Spaces() int { return s.spaces }

// item reads up to the end of the next item and removes it from the buffer. Spaces
// are counted, and returned only if asked for.
func (s *Stream) item(ctx context.Context, spaces bool) (itemKind, string, error) {
	for {
		kind, n, err := s.cut.next(s.in)
		if err != nil {
			return itemNone, "", err
		}
		if n > s.limit || kind == itemNone && len(s.in) > s.limit {
			return itemNone, "", ErrTooBig
		}
		raw := string(s.in[:n])
		s.in = s.in[n:]
		switch kind {
		case itemNone:
			if err := s.fill(ctx); err != nil {
				return itemNone, "", err
			}
			continue
		case itemSpace:
			s.spaces += n
			if !spaces {
				continue
			}
		case itemHeader, itemElement, itemEnd:
		}
		return kind, raw, nil
	}
}

// fill reads once. It ends with ctx by means of the read deadline, which leaves the
// connection usable.
func (s *Stream) fill(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	conn := s.current()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // a closed connection ends the read as well
		close(interrupted)
	})
	n, err := conn.Read(s.buf)
	s.in = append(s.in, s.buf[:n]...)
	if !stop() {
		<-interrupted
		_ = conn.SetReadDeadline(time.Time{})
		if n == 0 {
			return context.Cause(ctx)
		}
	}
	if n > 0 {
		return nil // an error shows again at the next read
	}
	return err
}

// peek returns the next byte without taking it.
func (s *Stream) peek(ctx context.Context) (byte, error) {
	for len(s.in) == 0 {
		if err := s.fill(ctx); err != nil {
			return 0, err
		}
	}
	return s.in[0], nil
}

// Restart forgets the other side's header, so that the next thing to read is a new
// one (RFC 6120 §4.3.3). StartTLS and External do it by themselves.
func (s *Stream) Restart() { s.cut = cutter{} }

// Buffered returns what has been received and not yet been read as an element.
func (s *Stream) Buffered() string { return string(s.in) }

// SecureClient does the TLS handshake as its client, at once, and restarts the
// stream. Bytes that came in before count as part of the handshake.
func (s *Stream) SecureClient(ctx context.Context, c *tls.Config) error {
	return s.secure(ctx, tls.Client(s.below(), c))
}

// SecureServer does the TLS handshake as its server, at once, and restarts the
// stream. Bytes that came in before count as part of the handshake.
func (s *Stream) SecureServer(ctx context.Context, c *tls.Config) error {
	return s.secure(ctx, tls.Server(s.below(), c))
}

func (s *Stream) secure(ctx context.Context, c *tls.Conn) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("xmpppeer: TLS: %w", err)
	}
	s.mu.Lock()
	s.conn = c
	s.mu.Unlock()
	s.Restart()
	return nil
}

// below returns the connection with what has been read too much of it.
func (s *Stream) below() net.Conn {
	early := s.in
	s.in = nil
	return &prefixed{Conn: s.current(), early: early}
}

// TLS returns the state of the TLS connection, or nil without one.
func (s *Stream) TLS() *tls.ConnectionState {
	if c, ok := s.current().(*tls.Conn); ok {
		state := c.ConnectionState()
		return &state
	}
	return nil
}

func (s *Stream) current() net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// prefixed is a connection some of whose bytes have been read already.
type prefixed struct {
	net.Conn
	early []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.early) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.early)
	p.early = p.early[n:]
	return n, nil
}
