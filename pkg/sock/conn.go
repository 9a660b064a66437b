package sock

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// Conn is a socket. One goroutine at a time may read it, and one write. Deadlines and
// Close work as they do on what it was made of, which remains usable.
type Conn struct {
	net.Conn
	in, out transfer
	streak  int // reads, one after the other, that did not wait
}

// New returns a TCP connection as a Conn; nil if it is not the system's own, or its end. The
// descriptor has to be nonblocking, as package net makes it: a call that blocks would hold
// up the whole process.
func New(c net.Conn) *Conn {
	own, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := own.SyscallConn()
	if err != nil {
		return nil
	}
	s := &Conn{Conn: c}
	s.in.call, s.in.wait = syscall.SYS_READ, raw.Read
	s.out.call, s.out.wait = syscall.SYS_WRITE, raw.Write
	s.in.try, s.out.try = s.in.once, s.out.once
	return s
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.streak == longStreak {
		c.streak, c.in.waited = 0, false
		return c.Conn.Read(b) // the scheduler hears of it
	}
	n, err := c.in.do(b, true)
	if c.streak++; c.in.waited {
		c.streak = 0
	}
	if err != nil {
		return 0, c.failed("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// longStreak is how many reads may find something without the scheduler hearing of it.
// A reader whose peer sends faster than it reads never stops by itself, and only the thread that
// watches over the processors makes it: it has to be awake.
const longStreak = 16

// Waited reports whether the last Read had to wait for its bytes. It is the reader's to ask.
func (c *Conn) Waited() bool { return c.in.waited }

// Write implements net.Conn: it waits until the system has taken everything.
func (c *Conn) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n, err := c.out.do(b[written:], true)
		if err != nil {
			return written, c.failed("write", err)
		}
		if n == 0 {
			return written, io.ErrUnexpectedEOF
		}
		written += n
	}
	return written, nil
}

// Offer writes what the system takes at once, and returns how many bytes that was.
func (c *Conn) Offer(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.out.do(b, false)
	if err != nil {
		return 0, c.failed("write", err)
	}
	return n, nil
}

// CloseWrite ends what is sent, as TCP connections can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// failed names an error as package net does.
func (c *Conn) failed(what string, err error) error {
	if op, ok := err.(*net.OpError); ok { //nolint:errorlint // made by RawConn for this call
		op.Op = what
		return op
	}
	return &net.OpError{Op: what, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(what, err)}
}

// transfer is one direction. Whoever uses it owns it meanwhile.
type transfer struct {
	call uintptr                           // the system call
	wait func(func(fd uintptr) bool) error // calls until true, and waits in between
	try  func(fd uintptr) bool             // once, made only once

	b      []byte
	n      int
	errno  syscall.Errno
	waits  bool
	waited bool // by the last do
}

// do makes the call, again and again if it waits, until something has been done. Without
// waiting there may be nothing.
func (t *transfer) do(b []byte, waits bool) (int, error) {
	t.b, t.waits, t.waited = b, waits, false
	err := t.wait(t.try)
	t.b = nil
	if err == nil && t.errno != 0 {
		err = t.errno
	}
	return t.n, err
}

// once makes the call and reports whether that was all.
func (t *transfer) once(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(t.call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.b))), uintptr(len(t.b))) //nolint:gosec // as package syscall does
		t.n, t.errno = int(n), errno
		switch {
		case errno == 0:
			return true
		case errno == syscall.EINTR:
			continue
		case errno != syscall.EAGAIN:
			return true
		}
		t.n, t.errno, t.waited = 0, 0, t.waits
		return !t.waits
	}
}
