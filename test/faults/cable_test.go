package faults

import (
	"net"
	"sync"
	"testing"
	"time"
)

// cable is the TCP way from the edge to a server, which a test can break. To the
// edge it is the server: a cut cable is a machine without that program, a frozen
// one a program that was stopped (SIGSTOP), whose kernel still accepts.
type cable struct {
	t    *testing.T
	addr string // where the edge connects to
	to   string // the server

	mu    sync.Mutex
	ln    net.Listener // nil while cut
	open  map[*net.TCPConn]*net.TCPConn
	gate  chan struct{} // closed while bytes may pass
	delay time.Duration // of whatever was read at once
	work  sync.WaitGroup
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	c := &cable{t: t, addr: "127.0.0.1:0", to: to, open: map[*net.TCPConn]*net.TCPConn{}, gate: make(chan struct{})}
	close(c.gate)
	c.mend()
	t.Cleanup(func() {
		c.thaw()
		c.cut()
		c.work.Wait()
	})
	return c
}

func (c *cable) port() uint16 {
	at, err := net.ResolveTCPAddr("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	return at.AddrPort().Port()
}

// mend lets connections be made again after cut.
func (c *cable) mend() {
	c.t.Helper()
	ln, err := net.Listen("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ln, c.addr = ln, ln.Addr().String()
	c.work.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			c.work.Go(func() { c.join(near.(*net.TCPConn)) })
		}
	})
}

// cut closes every connection and refuses new ones: the server was killed.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ln != nil {
		c.ln.Close()
		c.ln = nil
	}
	for near, far := range c.open {
		near.Close()
		far.Close()
	}
}

// reset breaks every connection with an RST; new ones are welcome.
func (c *cable) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for near, far := range c.open {
		_ = near.SetLinger(0)
		near.Close()
		far.Close()
	}
}

// freeze lets nothing pass any more, nor anything be closed.
func (c *cable) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate = make(chan struct{})
}

// thaw ends freeze: what has piled up passes.
func (c *cable) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.gate:
	default:
		close(c.gate)
	}
}

// slow delays what passes, in both directions.
func (c *cable) slow(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

// pass waits until bytes may pass.
func (c *cable) pass() {
	c.mu.Lock()
	gate, delay := c.gate, c.delay
	c.mu.Unlock()
	<-gate
	pause(delay)
}

// join is the life of one connection.
func (c *cable) join(near *net.TCPConn) {
	defer near.Close()
	c.pass()
	conn, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	far := conn.(*net.TCPConn)
	c.mu.Lock()
	c.open[near] = far
	if c.ln == nil { // cut meanwhile
		near.Close()
	}
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.copy(far, near) })
	c.copy(near, far)
	both.Wait()
	c.mu.Lock()
	delete(c.open, near)
	c.mu.Unlock()
}

// copy hands on what one end says until it has said all, and then ends both.
func (c *cable) copy(to, from *net.TCPConn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		c.pass()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
