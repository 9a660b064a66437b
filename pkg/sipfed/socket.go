package sipfed

import (
	"errors"
	"net"
	"sync"

	"edged/pkg/sock"
)

// socket is what lies below TLS. It says when its reader has used up what arrived, and
// once it is eager its Write does not wait: what the system does not take at once is
// left to flush, within bounds.
type socket struct {
	net.Conn
	drained func() // called before each read; nil during the handshake

	own    *sock.Conn // of one that is eager
	mu     sync.Mutex
	rest   []byte // what the system has not taken
	behind bool   // flush is at work, and everything else comes after
	most   int    // bytes that rest may have
	failed error  // it would have had more: what a record lacks, no later one makes up for
}

// hasten makes a socket eager, if it is the system's own; tests have others.
func (s *socket) hasten() {
	if own := sock.New(s.Conn); own != nil {
		s.own, s.most = own, ownWords
	}
}

func (s *socket) Read(b []byte) (int, error) {
	if s.drained != nil {
		s.drained()
	}
	if err := s.failure(); err != nil {
		return 0, err
	}
	if s.own != nil {
		return s.own.Read(b)
	}
	return s.Conn.Read(b)
}

// ownWords is how many bytes may be left to flush beside what the writer writes: those
// with which TLS answers by itself. A peer can ask for new keys for ever (RFC 8446 §4.6.3)
// and read none of the answers.
const ownWords = 16 << 10

var errOwnWords = errors.New("peer asks TLS for more than it takes")

// makeRoom lets Write take so many bytes of the writer's, encrypted, after a flush.
func (s *socket) makeRoom(bytes int) {
	s.mu.Lock()
	s.most = 2*bytes + ownWords
	s.mu.Unlock()
}

func (s *socket) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Write takes all of b, unless the connection has failed or there is no room. TLS calls
// it once at a time; nobody who asks for the state of the socket waits for the system.
func (s *socket) Write(b []byte) (int, error) {
	if s.own == nil {
		return s.Conn.Write(b)
	}
	direct, err := s.clear()
	taken := 0
	if direct && err == nil {
		taken, err = s.own.Offer(b)
	}
	if err != nil || taken == len(b) {
		return taken, err
	}
	return s.keep(b, taken)
}

// clear reports whether nothing that was written before waits to be sent.
func (s *socket) clear() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.behind && len(s.rest) == 0, s.failed
}

// keep leaves to flush what the system has not taken of b.
func (s *socket) keep(b []byte, taken int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest)+len(b)-taken > s.most {
		s.failed = errOwnWords
		return taken, s.failed
	}
	s.rest = append(s.rest, b[taken:]...)
	return len(b), nil
}

// eager reports whether Write does not wait.
func (s *socket) eager() bool { return s != nil && s.own != nil }

// calm reports whether the last Read had to wait for its bytes.
func (s *socket) calm() bool { return s.eager() && s.own.Waited() }

// owes reports whether flush has something to do.
func (s *socket) owes() bool {
	if !s.eager() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rest) > 0
}

// flush writes the rest, and waits for that as long as the deadline lets it.
func (s *socket) flush() error {
	for {
		s.mu.Lock()
		rest := s.rest
		s.rest, s.behind = nil, len(rest) > 0
		s.mu.Unlock()
		if len(rest) == 0 {
			return nil
		}
		if _, err := s.Conn.Write(rest); err != nil {
			return err
		}
	}
}
