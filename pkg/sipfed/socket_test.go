package sipfed

import (
	"bytes"
	"errors"
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
	s.makeRoom(len(want))
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
	s.makeRoom(64 << 10)
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

// TestSocketIsBounded: what TLS says by itself is kept for a while, in every state, and
// then the connection has failed, both ways.
func TestSocketIsBounded(t *testing.T) {
	for _, behind := range []bool{false, true} {
		s, _ := eagerPair(t)
		s.makeRoom(64 << 10)
		for !s.owes() {
			if _, err := s.Write(make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
		}
		var flushing sync.WaitGroup
		if behind {
			flushing.Go(func() { _ = s.flush() })
			for !s.isBehind() {
				<-time.After(time.Millisecond)
			}
		}
		s.makeRoom(0)
		kept, err := 0, error(nil)
		for err == nil && kept <= ownWords {
			if _, err = s.Write([]byte("key update")); err == nil {
				kept += len("key update")
			}
		}
		if kept > ownWords || behind && kept < ownWords-10 || !errors.Is(err, errOwnWords) {
			t.Errorf("%d bytes are kept, then: %v", kept, err)
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, errOwnWords) {
			t.Errorf("it is read: %v", err)
		}
		s.Close()
		flushing.Wait()
	}
}

// TestClosedBetweenWriteAndFlush: what was written to nobody counts as held no more.
func TestClosedBetweenWriteAndFlush(t *testing.T) {
	b := newBedOver(t, tcpPair)
	b.poolServer()
	c := b.anyConn()
	c.mu.Lock()
	c.writing = true // by this test, on this goroutine
	c.writers.Add(1)
	c.mu.Unlock()
	for !c.below.owes() {
		if err := c.send(make([]byte, 64<<10)); err != nil || !c.writeBatch() {
			t.Fatal(err)
		}
	}
	if b.s.held.Bytes() == 0 {
		t.Error("nothing counts as held")
	}
	c.close(errStopped)
	c.writeLoop()
	c.writers.Done()
	b.s.Shutdown(t.Context()) // and nothing is held in the end, as always
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

// TestOwnWordsAreFlushed: what TLS says by itself while the writer is about to end is not
// left behind.
func TestOwnWordsAreFlushed(t *testing.T) {
	b := newBedOver(t, tcpPair)
	b.poolServer()
	c := b.anyConn()
	c.mu.Lock()
	c.writing = true // the writer is this test
	c.writers.Add(1)
	c.mu.Unlock()
	if err := c.flush(); err != nil { // nothing yet
		t.Fatal(err)
	}
	for c.below.makeRoom(1 << 20); !c.below.owes(); { // the reader answers; the system has no room
		if _, err := c.below.Write(make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	c.wakeWriter()
	if !c.writeBatch() {
		t.Error("the writer ends, and nobody flushes")
	}
	c.close(errStopped)
	c.writeLoop()
	c.writers.Done()
}

// TestReaderWritesLittle: what comes to be much while a reader writes for another
// connection is left to a writer.
func TestReaderWritesLittle(t *testing.T) {
	b := newBedOver(t, tcpPair)
	b.poolServer()
	c := b.anyConn()
	for _, size := range []int{little, little + 1} {
		c.mu.Lock()
		c.out = &buffer{b: make([]byte, size)}
		c.queued += int64(size)
		c.mu.Unlock()
		c.hold(size)
		if did := c.writeLittle(); did != (size == little) {
			t.Errorf("%d bytes: %v", size, did)
		}
	}
	if c.hasLittle() {
		t.Error("much is a little")
	}
}

// anyConn is a connection of the server's.
func (b *bed) anyConn() (c *conn) {
	b.t.Helper()
	for c == nil {
		for _, open := range b.s.group.All() {
			c = open
		}
	}
	return c
}
