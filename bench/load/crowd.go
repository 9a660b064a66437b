package load

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Crowd is many hostile connections, each from an address of its own and opened
// again a second after it was lost. They begin within a second.
type Crowd struct {
	First, Size int // the numbers of the Strangers
	// Live is the life of one connection, until it is lost or the context ends.
	Live func(ctx context.Context, stranger int)
}

const (
	opening = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
		"to='pool.example' from='slow.example' version='1.0'"
	reopen = time.Second
	// helloStart is the beginning of a TLS record with a ClientHello of 512 bytes.
	helloStart = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	// starttlsWait is time enough for an answer, which some servers never give.
	starttlsWait = 300 * time.Millisecond
)

// Run keeps the connections until the context ends, and returns when all are
// closed.
func (c Crowd) Run(ctx context.Context) {
	var all sync.WaitGroup
	for i := range c.Size {
		all.Go(func() {
			wait(ctx, reopen*time.Duration(i)/time.Duration(c.Size)) // nobody walks in step
			for ctx.Err() == nil {
				c.Live(ctx, c.First+i)
				wait(ctx, reopen)
			}
		})
	}
	all.Wait()
}

// Raw is the life of a connection without TLS: act does something with it until
// the context ends.
func Raw(to string, act func(ctx context.Context, i int, c net.Conn)) func(context.Context, int) {
	return func(ctx context.Context, stranger int) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(Stranger(stranger), 0))}
		c, err := d.DialContext(ctx, "tcp", to)
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		context.AfterFunc(ctx, func() { c.Close() })
		act(ctx, stranger, c)
	}
}

// Streams is for Raw: one third sends a stream header, a byte a second; one third
// begins a TLS handshake and falls silent; one third sends an attribute without
// end.
func Streams(ctx context.Context, i int, c net.Conn) {
	ctx = WhileOpen(ctx, c)
	switch i % 3 {
	case 0:
		Drip(ctx, c, opening+strings.Repeat(" ", 1000), 1, time.Second)
	case 1:
		Drip(ctx, c, opening+"><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", 1000, starttlsWait)
		HalfOpen(ctx, i, c)
	case 2:
		Drip(ctx, c, opening+" id='"+strings.Repeat("x", 1<<20), 1<<10, 100*time.Millisecond)
	}
}

// HalfOpen is for Raw: it begins a TLS handshake and falls silent.
func HalfOpen(ctx context.Context, _ int, c net.Conn) {
	Drip(WhileOpen(ctx, c), c, helloStart, len(helloStart), time.Hour)
}

// WhileOpen reads and forgets what comes, and returns a context that ends when the
// other end has had enough.
func WhileOpen(ctx context.Context, c net.Conn) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, c)
		cancel()
	}()
	return ctx
}

// Drip writes text in pieces with a pause after each.
func Drip(ctx context.Context, w io.Writer, text string, piece int, pause time.Duration) {
	for len(text) > 0 && ctx.Err() == nil {
		n := min(piece, len(text))
		if _, err := io.WriteString(w, text[:n]); err != nil {
			return
		}
		text = text[n:]
		wait(ctx, pause)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Stranger is a loopback address that nobody else dials from.
func Stranger(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 4, byte(i / 250), byte(1 + i%250)}) //nolint:gosec // below 256 for as many as there are
}
