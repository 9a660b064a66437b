package xmpppeer

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer is how much one direction of a Pipe holds, like a small TCP window: who
// writes more waits until the other end reads.
const pipeBuffer = 64 << 10

// Pipe returns the two ends of a connection in memory that behaves like TCP: writes are
// buffered, halves close one by one, and SetLinger(0) before Close makes a reset. It may
// be used within testing/synctest.
func Pipe() (a, b net.Conn) {
	return pipeBetween(netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))
}

func pipeBetween(a, b netip.AddrPort) (*pipeConn, *pipeConn) {
	there, back := newHalf(), newHalf()
	return &pipeConn{local: a, remote: b, in: back, out: there}, &pipeConn{local: b, remote: a, in: there, out: back}
}

// pipeConn is one end.
type pipeConn struct {
	local, remote netip.AddrPort
	in, out       *half

	mu    sync.Mutex
	abort bool // reset instead of an orderly end
}

func (c *pipeConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *pipeConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *pipeConn) Close() error {
	c.mu.Lock()
	abort := c.abort
	c.mu.Unlock()
	c.in.shut(func(h *half) { h.deaf, h.readErr = true, or(h.readErr, net.ErrClosed) })
	c.out.shut(func(h *half) {
		if abort {
			h.data, h.readErr = nil, or(h.readErr, syscall.ECONNRESET)
		}
		h.ended, h.writeErr = true, or(h.writeErr, net.ErrClosed)
	})
	if abort {
		c.in.shut(func(h *half) { h.writeErr = or(h.writeErr, syscall.ECONNRESET) })
	}
	return nil
}

func (c *pipeConn) CloseRead() error {
	c.in.shut(func(h *half) { h.deaf, h.readErr = true, or(h.readErr, io.EOF) })
	return nil
}

func (c *pipeConn) CloseWrite() error {
	c.out.shut(func(h *half) { h.ended, h.writeErr = true, or(h.writeErr, syscall.EPIPE) })
	return nil
}

func (c *pipeConn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort = sec == 0
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *pipeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.in.reading.set(c.in, t)
	c.out.writing.set(c.out, t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.reading.set(c.in, t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.writing.set(c.out, t)
	return nil
}

// half is one direction.
type half struct {
	mu       sync.Mutex
	cond     *sync.Cond // anything below changed
	data     []byte
	ended    bool  // no more will be written: io.EOF after the data
	deaf     bool  // nobody will read: what is written vanishes
	readErr  error // what reading returns, at once
	writeErr error // what writing returns, at once
	reading  deadline
	writing  deadline
}

func newHalf() *half {
	h := &half{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *half) shut(how func(*half)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	how(h)
	h.cond.Broadcast()
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readErr != nil:
			return 0, h.readErr
		case h.reading.passed:
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0:
			n := copy(b, h.data)
			h.data = h.data[n:]
			h.cond.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (h *half) write(b []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.writeErr != nil:
			return n, h.writeErr
		case h.writing.passed:
			return n, os.ErrDeadlineExceeded
		case h.deaf:
			return n + len(b), nil
		}
		taken := min(len(b), pipeBuffer-len(h.data))
		h.data = append(h.data, b[:taken]...)
		n, b = n+taken, b[taken:]
		h.cond.Broadcast()
		if len(b) == 0 {
			return n, nil
		}
		h.cond.Wait()
	}
}

// deadline is one of the two of a half, whose mutex guards it.
type deadline struct {
	timer  *time.Timer
	passed bool
}

func (d *deadline) set(h *half, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.passed = nil, false
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		d.passed = true
		h.cond.Broadcast()
	default:
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() {
			h.shut(func(*half) { d.passed = d.passed || d.timer == timer })
		})
		d.timer = timer
	}
}

func or(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
