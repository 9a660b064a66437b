package xmpp

import (
	"net"
	"sync"
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

	mu sync.Mutex
	by time.Time // when the batch under way must be written; zero if there is none
}

func newSocket(raw net.Conn, within func() time.Duration) *socket {
	if own := sock.New(raw); own != nil { // tests have others
		raw = own
	}
	return &socket{Conn: raw, within: within}
}

func (s *socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	by := s.by
	s.mu.Unlock()
	if by.IsZero() {
		by = time.Now().Add(s.within())
	}
	if err := s.SetWriteDeadline(by); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}

// begin has the writes from now on share their time, until end.
func (s *socket) begin() { s.setBy(time.Now().Add(s.within())) }

func (s *socket) end() { s.setBy(time.Time{}) }

func (s *socket) setBy(by time.Time) {
	s.mu.Lock()
	s.by = by
	s.mu.Unlock()
}

// closeWrite ends what is sent on the TCP connection.
func (s *socket) closeWrite() {
	if own, ok := s.Conn.(*sock.Conn); ok {
		_ = own.CloseWrite()
	}
}
