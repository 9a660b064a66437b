package sock_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edged/pkg/sock"
)

// TestBothWays: everything arrives, in order, while each side reads and writes at once;
// then the end.
func TestBothWays(t *testing.T) {
	near, far := pair(t)
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent)
	var all sync.WaitGroup
	for _, end := range []net.Conn{near, far} {
		all.Go(func() {
			for rest := sent; len(rest) > 0; {
				n := min(1+mathrand.N(100_000), len(rest))
				if wrote, err := end.Write(rest[:n]); wrote != n || err != nil {
					t.Errorf("%d of %d bytes, %v", wrote, n, err)
				}
				rest = rest[n:]
			}
			if err := end.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			got, err := io.ReadAll(end)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d of %d bytes arrived, %v, or others", len(got), len(sent), err)
			}
		})
	}
	all.Wait()
	if n, err := near.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
}

// TestDeadlines: one that passes is an error that package net would give, and the next
// one counts anew, both ways.
func TestDeadlines(t *testing.T) {
	near, far := pair(t)
	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := near.Read(make([]byte, 1))
	like(t, err, os.ErrDeadlineExceeded, "read tcp ")
	_ = near.SetReadDeadline(time.Time{})
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("after a deadline: %d, %v", n, err)
	}
	much := make([]byte, 64<<20)
	_ = near.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	wrote, err := near.Write(much)
	like(t, err, os.ErrDeadlineExceeded, "write tcp ")
	if wrote == 0 || wrote == len(much) {
		t.Errorf("%d bytes were taken by a peer that does not read", wrote)
	}
}

// TestClosed: closing wakes whoever waits, and nothing works any more.
func TestClosed(t *testing.T) {
	near, _ := pair(t)
	time.AfterFunc(time.Millisecond, func() { near.Close() })
	_, err := near.Read(make([]byte, 1))
	like(t, err, net.ErrClosed, "read tcp ")
	_, err = near.Write([]byte("x"))
	like(t, err, net.ErrClosed, "write tcp ")
	_, err = near.Offer([]byte("x"))
	like(t, err, net.ErrClosed, "write tcp ")
}

// TestReset: what the system says is in the error, as package net puts it.
func TestReset(t *testing.T) {
	near, far := pair(t)
	if err := far.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	far.Close()
	_, err := near.Read(make([]byte, 1))
	like(t, err, syscall.ECONNRESET, "read tcp "+near.LocalAddr().String()+"->"+near.RemoteAddr().String()+": read: ")
	_, err = near.Write([]byte("x"))
	like(t, err, syscall.EPIPE, "write tcp "+near.LocalAddr().String()+"->"+near.RemoteAddr().String()+": write: ")
}

// TestOffer: an offer never waits; what was taken arrives.
func TestOffer(t *testing.T) {
	near, far := pair(t)
	taken := 0
	for {
		n, err := near.Offer(make([]byte, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		taken += n
	}
	if n, err := near.Offer(nil); n != 0 || err != nil {
		t.Errorf("offering nothing: %d, %v", n, err)
	}
	if n, err := io.ReadFull(far, make([]byte, taken)); err != nil {
		t.Errorf("%d of %d bytes arrived: %v", n, taken, err)
	}
}

// TestWaited: a reader learns whether its bytes were there already.
func TestWaited(t *testing.T) {
	near, far := pair(t)
	for { // until this machine was faster than the bytes
		time.AfterFunc(10*time.Millisecond, func() { _, _ = far.Conn.Write([]byte("xy")) })
		if n, err := near.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		waited := near.Waited()
		if n, err := near.Read(make([]byte, 1)); n != 1 || err != nil || near.Waited() {
			t.Fatalf("what came with the byte before: %d, %v, after waiting: %v", n, err, near.Waited())
		}
		if waited {
			return
		}
	}
}

// TestNotTheSystems: what is no socket is none.
func TestNotTheSystems(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if sock.New(near) != nil {
		t.Error("a pipe in memory is a socket")
	}
}

// like checks an error: what it is, and how it begins.
func like(t *testing.T, err, want error, text string) {
	t.Helper()
	var op net.Error
	if !errors.Is(err, want) || !errors.As(err, &op) || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("%v; wanted %v, as %q", err, want, text)
	}
}

// pair is a connection over loopback, both ends of it; they go with the test.
func pair(t *testing.T) (near, far *sock.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return sock.New(dialled), sock.New(accepted)
}

// TestAlwaysSomething: a reader that finds something every time tells the scheduler now
// and then; one that waits does not.
func TestAlwaysSomething(t *testing.T) {
	plain, far := pair(t)
	told := &counted{TCPConn: plain.Conn.(*net.TCPConn)}
	near := sock.New(told)
	if _, err := far.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(smallReads{near}, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if told.reads < 1000/20 || told.reads > 1000/10 {
		t.Errorf("%d of 1000 reads that found something were told of", told.reads)
	}
	told.reads = 0
	for calm := 0; calm < 10; calm++ {
		time.AfterFunc(10*time.Millisecond, func() { _, _ = far.Conn.Write(make([]byte, 10)) })
		_, err := near.Read(make([]byte, 1))
		waited := near.Waited()
		if _, rest := io.ReadFull(smallReads{near}, make([]byte, 9)); err != nil || rest != nil {
			t.Fatal(err, rest)
		}
		if !waited { // this machine was slower than the bytes: a longer streak
			calm, told.reads = -1, 0
		}
	}
	if told.reads != 0 {
		t.Errorf("%d reads were told of between such as waited", told.reads)
	}
}

// smallReads reads a byte at a time.
type smallReads struct{ net.Conn }

func (r smallReads) Read(b []byte) (int, error) { return r.Conn.Read(b[:1]) }

// counted counts the reads that go through package net.
type counted struct {
	*net.TCPConn
	reads int
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads++
	return c.TCPConn.Read(b)
}
