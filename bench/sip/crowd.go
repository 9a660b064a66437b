package sip

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"edged/bench/load"
	"edged/bench/wire"
)

// Crowd is hostile, or dead: connections of strangers that say nothing after
// their handshake, handshakes that are begun only, messages of one byte a second,
// and a partner that asks and reads no answers. Whoever is thrown out comes back.
type Crowd struct {
	To       string      // host:port
	Stranger wire.Dialer // with a certificate that proves somebody
	Staller  wire.Dialer // a partner
	Users    Parties     // whom the partner asks for

	Idle, HalfOpen, Slow, Stalled int // how many of each
}

const (
	// together is how many strangers shake hands at the same time.
	together = 16
	// What the partner asks at first, and then a second.
	askedFirst = 500
	askedLater = 20
	// littleWindow is about what the partner's system takes of what is not read.
	littleWindow = 4 << 10
)

// Run opens the idle and the slow ones, then the others, and calls ready when all
// have tried. It returns when the context has ended and all are closed.
func (c Crowd) Run(ctx context.Context, ready func()) {
	var all sync.WaitGroup
	first := 0
	start := func(size int, live func(context.Context, int)) {
		of := load.Crowd{First: first, Size: size, Live: live}
		first += size
		all.Go(func() { of.Run(ctx) })
	}
	var tried sync.WaitGroup
	shaken := func(size int, as wire.Dialer, act func(context.Context, *tls.Conn)) {
		tried.Add(size)
		start(size, c.shaken(as, &tried, first, size, act))
	}
	shaken(c.Idle, c.Stranger, c.idle)
	shaken(c.Slow, c.Stranger, c.slow)
	tried.Wait()
	shaken(c.Stalled, c.Staller, c.stalled)
	tried.Wait()
	start(c.HalfOpen, load.Raw(c.To, load.HalfOpen))
	ready()
	all.Wait()
}

// shaken is the life of a connection that begins with a handshake. The first try
// of each counts as done when that has ended.
func (c Crowd) shaken(as wire.Dialer, tried *sync.WaitGroup, first, size int, act func(context.Context, *tls.Conn)) func(context.Context, int) {
	turn := make(chan struct{}, together)
	once := make([]sync.Once, size)
	return func(ctx context.Context, stranger int) {
		turn <- struct{}{}
		as := as
		as.Local = load.Stranger(stranger)
		secured, err := as.TLS(ctx, c.To)
		<-turn
		once[stranger-first].Do(tried.Done)
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		context.AfterFunc(ctx, func() { secured.NetConn().Close() }) // a farewell could block
		act(ctx, secured)
	}
}

func (c Crowd) idle(_ context.Context, secured *tls.Conn) { _, _ = io.Copy(io.Discard, secured) }

func (c Crowd) slow(ctx context.Context, secured *tls.Conn) {
	load.Drip(load.WhileOpen(ctx, secured), secured, string(c.Users.message().append(nil, 0)), 1, time.Second)
}

// stalled asks and reads nothing.
func (c Crowd) stalled(ctx context.Context, secured *tls.Conn) {
	if tcp, ok := secured.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(littleWindow) // as little as it may be
	}
	for range askedFirst {
		if Ask(secured, c.Users) != nil {
			return
		}
	}
	_ = load.Pace(ctx, askedLater, 1<<20, func(int) error { return Ask(secured, c.Users) })
}
