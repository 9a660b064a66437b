package sipfed

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// TestSocketIsEager: a socket of the system's takes everything at once, whether its peer
// reads or not, and what flush sends later is in order with what is written meanwhile.
func TestSocketIsEager(t *testing.T) {
	s, far := eagerPair(t)
	want := make([]byte, 32<<20)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	var all sync.WaitGroup
	defer all.Wait()
	flushes := make(chan struct{}, 1)
	all.Go(func() {
		for range flushes {
			if err := s.flush(); err != nil {
				t.Error(err)
			}
		}
	})
	for at, owed := 0, false; at < len(want); {
		n := min(1+rand.N(20000), len(want)-at)
		if _, err := s.Write(want[at : at+n]); err != nil {
			t.Fatal(err)
		}
		if at += n; s.owes() && !owed { // nobody has read so far
			owed = true
			all.Go(func() {
				if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d of %d bytes arrived, %v, or in another order", len(got), len(want), err)
				}
			})
		}
		select {
		case flushes <- struct{}{}:
		default:
		}
	}
	flushes <- struct{}{}
	close(flushes)
	for s.owes() || s.isBehind() {
		<-time.After(time.Millisecond)
	}
	s.Close()
}

// TestSocketFails: what cannot be written says so, at once or when flush finds out.
func TestSocketFails(t *testing.T) {
	s, _ := eagerPair(t)
	for !s.owes() {
		if _, err := s.Write(make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if err := s.flush(); err == nil {
		t.Error("nobody reads, and everything was sent")
	}
	other, _ := eagerPair(t)
	other.Close()
	if _, err := other.Write([]byte("x")); err == nil {
		t.Error("a closed connection was written to")
	}
}

func (s *socket) isBehind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behind
}

// eagerPair is an eager socket and its peer, which go with the test.
func eagerPair(t *testing.T) (s *socket, far net.Conn) {
	t.Helper()
	near, far := tcpPair()
	t.Cleanup(func() { near.Close(); far.Close() })
	s = &socket{Conn: near}
	s.hasten()
	if !s.eager() {
		t.Fatal("a TCP connection is not eager")
	}
	return s, far
}
