package xmpp

import (
	"net"
	"sync/atomic"
	"time"

	"edged/pkg/sock"
)

// socket is what lies below a stream. Everything that is written to it has
// limits.write_timeout: a batch of the writer's altogether, and what TLS says by itself,
// such as its answer when the other end asks for new keys (RFC 8446 §4.6.3). No deadline is
// left behind to pass: TLS would take it for the end of the connection.
type socket struct {
	net.Conn
	within func() time.Duration // limits.write_timeout
	batch  atomic.Bool          // one is under way, and has its deadline
}

func newSocket(raw net.Conn, within func() time.Duration) *socket {
	if own := sock.New(raw); own != nil { // tests have others
		raw = own
	}
	return &socket{Conn: raw, within: within}
}

func (s *socket) Write(b []byte) (int, error) {
	if !s.batch.Load() {
		if err := s.hurry(); err != nil {
			return 0, err
		}
	}
	return s.Conn.Write(b)
}

// begin has the writes from now on share their time, until end.
func (s *socket) begin() error {
	s.batch.Store(true)
	return s.hurry()
}

func (s *socket) end() { s.batch.Store(false) }

func (s *socket) hurry() error { return s.SetWriteDeadline(time.Now().Add(s.within())) }

// closeWrite ends what is sent on the TCP connection.
func (s *socket) closeWrite() {
	if own, ok := s.Conn.(*sock.Conn); ok {
		_ = own.CloseWrite()
	}
}
