package xmpp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/serve"
	"edged/pkg/verdict"
)

// Server is the XMPP half of an edge: its listeners, streams and links. Make one
// with New, give it listeners with Serve, replace its State with Apply, end it with
// Shutdown.
type Server struct {
	cfg     Config
	log     *slog.Logger
	metrics *Metrics
	group   *serve.Group[*conn] // goroutines, listeners, connections

	state     atomic.Pointer[State]
	accept    [2]*limit.Accept            // by Side
	strangers atomic.Pointer[limit.Rates] // look-ups that strangers cause
	bounces   atomic.Pointer[limit.Rates] // error stanzas to partners
	hiding    hiding
	links     links
	verifying verifying
	keys      atomic.Pointer[limit.Rates] // dialback keys of partners that an entry lists
	accounts  accounts
	held      *limit.Held // bytes of what waits to be written

	nextConn atomic.Uint64
}

// Listener says how streams begin on a listener.
type Listener uint8

// The kinds of listeners.
const (
	StartTLS  Listener = iota // in the clear (RFC 6120 §5)
	DirectTLS                 // with TLS (XEP-0368)
	Either                    // the first byte tells
)

// New makes a Server that works by st.
func New(cfg Config, st *State) *Server {
	st.prepare()
	s := &Server{
		cfg: cfg, log: cfg.Log.With(slog.String("proto", "xmpp")), metrics: cfg.Metrics, group: serve.New[*conn](),
		accounts: accounts{m: make(map[account]int)}, held: limit.NewHeld(heldConfig(&st.Bounds)),
	}
	s.links = links{srv: s, m: make(map[linkKey]*link), gone: make(map[domain.Name]Traffic)}
	s.verifying.byAddress = make(map[netip.Addr]int)
	for side := range s.accept {
		s.accept[side] = limit.NewAccept(st.Bounds.Accepting(Side(side) == Internal))
	}
	s.setRates(st.Bounds)
	s.state.Store(st)
	s.group.Go(s.sweepLoop)
	return s
}

// setRates bounds what strangers may cause.
func (s *Server) setRates(b limit.Bounds) {
	s.strangers.Store(limit.PerSecond(b.StrangerLookups))
	s.bounces.Store(limit.PerSecond(b.BounceRate))
	s.keys.Store(limit.PerSecond(b.VerificationRate))
	s.held.SetLimits(heldConfig(&b))
}

// Serve accepts streams of one side until the listener is closed, which Shutdown
// does too. It returns nil in that case. Connections from the balancers' networks have
// to begin with a PROXY header, whose word about the address counts.
func (s *Server) Serve(side Side, kind Listener, l net.Listener, balancers ...netip.Prefix) error {
	return s.group.Accept(l, func(ctx context.Context, raw net.Conn) { s.serveConn(ctx, side, kind, raw, balancers) }, func(err error, tell bool) {
		s.metrics.acceptFailed(side)
		if tell {
			s.log.Warn("accept failed", slog.String("side", side.String()), slog.Any("err", err))
		}
	})
}

// serveConn is an accepted stream's whole life: limits, TLS where it comes first,
// then elements. What is negotiated, negotiate.go tells.
func (s *Server) serveConn(ctx context.Context, side Side, kind Listener, raw net.Conn, balancers []netip.Prefix) {
	defer raw.Close()
	peer, err := s.accept[side].Peer(ctx, raw, balancers, s.state.Load().Bounds.HandshakeTimeout)
	if err != nil {
		s.turnedAway(side, peer, err)
		return
	}
	if !s.state.Load().mayConnect(side, peer.Addr()) {
		s.turnedAway(side, peer, refuse(verdict.NotOurs, "not in xmpp.internal.authority.sources"))
		return
	}
	release, err := s.accept[side].Admit(peer.Addr())
	if err != nil {
		s.turnedAway(side, peer, err)
		return
	}
	defer release()
	c := newConn(s, side, false, raw, peer)
	c.release = release
	if !s.register(c) {
		return
	}
	if err := c.begin(ctx, kind); err != nil {
		s.forget(c)
		c.traceStream(refuse(verdict.TLSFailed, "%v", err))
		c.log.Info("handshake failed", slog.String("reason", verdict.TLSFailed.String()), slog.Any("err", quoted{err}))
		return
	}
	s.group.Greeted(raw)
	c.run(ctx)
}

// mayConnect reports whether an address is where our pools are.
func (st *State) mayConnect(side Side, addr netip.Addr) bool {
	return side == External || len(st.Sources) == 0 || !addr.IsValid() ||
		slices.ContainsFunc(st.Sources, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// turnedAway notes a connection that is closed without a word.
func (s *Server) turnedAway(side Side, peer netip.AddrPort, err error) {
	reason := verdict.Malformed // a PROXY header that is none
	if full := (*limit.Error)(nil); errors.As(err, &full) {
		reason = verdict.Overloaded
	} else if r := (*refusal)(nil); errors.As(err, &r) {
		reason = r.reason
	}
	s.metrics.opened(side, false, reason.String())
	s.log.Info("connection refused", slog.String("side", side.String()), slog.String("peer_addr", peer.String()),
		slog.String("reason", reason.String()), slog.Any("err", err))
}

// begin starts an accepted stream: direct TLS comes before everything.
func (c *conn) begin(ctx context.Context, kind Listener) error {
	stop := context.AfterFunc(ctx, func() { c.abort(errStopped) })
	defer stop()
	if kind == Either {
		kind = c.firstByte()
	}
	if kind == DirectTLS {
		if err := c.handshake(ctx, domain.Name{}); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.started = true
	c.mu.Unlock()
	return nil
}

// firstByte tells TLS from XML: a handshake record begins with 22 (RFC 8446 §5.1).
func (c *conn) firstByte() Listener {
	const handshake = 22
	first := make([]byte, 1)
	n, err := timedReader{c}.Read(first)
	c.sock = &peeked{Conn: c.raw, first: first[:n]}
	if err == nil && first[0] == handshake {
		return DirectTLS
	}
	return StartTLS
}

// peeked is a connection whose first byte has been read.
type peeked struct {
	net.Conn
	first []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}

// register enters a live stream; false once the server is ending.
func (s *Server) register(c *conn) bool {
	if !s.group.Add(c) {
		return false
	}
	s.metrics.connection(c.side, c.dialled, 1)
	return true
}

// forget takes a stream that has ended out of the tables, and the links from it.
func (s *Server) forget(c *conn) {
	s.group.Remove(c) // first: what count finds open is uncounted here
	s.accounts.uncount(c)
	s.metrics.connection(c.side, c.dialled, -1)
	c.settle()
	c.shrink()
	c.mu.Lock()
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for _, l := range links {
		l.detach(c)
	}
}

// carries enters a dialled stream and lets it carry a link.
func (s *Server) carries(c *conn, l *link) bool {
	st := s.state.Load()
	c.publish(c.terms(st))
	c.mu.Lock()
	c.started = true
	c.links = []*link{l}
	c.mu.Unlock()
	if !s.register(c) {
		c.abort(errStopped)
		s.accounts.uncount(c)
		l.failed(refuse(verdict.ShuttingDown, "this edge is stopping"))
		return false
	}
	l.attach(c)
	c.wake()
	s.recheck(s.state.Load(), c) // for a reload that has not seen the stream
	return true
}

// dial opens a TCP connection by Config.Dial.
func (s *Server) dial(ctx context.Context, side Side, addr netip.AddrPort) (net.Conn, error) {
	if s.cfg.Dial != nil {
		return s.cfg.Dial(ctx, side, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}
