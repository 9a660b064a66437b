package sipfed

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"edged/pkg/limit"
	"edged/pkg/serve"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// Server is the SIP half of an edge: its listeners, connections, links and
// transactions. Make one with New, give it listeners with Serve, replace its
// State with Apply, end it with Shutdown.
type Server struct {
	cfg     Config
	log     *slog.Logger
	metrics *Metrics
	group   *serve.Group[*conn] // goroutines, listeners, connections

	state        atomic.Pointer[State]
	accept       [2]*limit.Accept            // by Side
	strangers    atomic.Pointer[limit.Rates] // look-ups that strangers cause
	held         *limit.Held                 // bytes of requests under way and of what waits to be written
	hiding       hiding
	table        *table
	accepted     acceptedInvites
	links        links
	lookups      lookups
	splices      splices
	buffers      buffers
	admissions   admissions
	transactions sync.Pool // of what has become of earlier ones
	messages     sipmsg.Pool
	traffic      traffic

	nextConn atomic.Uint64
	branches atomic.Uint64
	instance string // tells branches of this process from those of others
	stopping atomic.Bool
}

// New makes a Server that works by st. It starts watching the pools at once.
func New(cfg Config, st *State) (*Server, error) {
	if err := st.prepare(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Log.With(slog.String("proto", "sip")), metrics: cfg.Metrics, group: serve.New[*conn](), table: newTable(), instance: rand.Text()[:8],
		held: limit.NewHeld(heldConfig(&st.Bounds)),
	}
	s.links = links{srv: s, m: make(map[linkKey]*link)}
	s.lookups = lookups{srv: s, waiting: make(map[record][]*transaction)}
	for side := range s.accept {
		s.accept[side] = limit.NewAccept(st.Bounds.Accepting(Side(side) == Internal))
	}
	s.strangers.Store(limit.PerSecond(st.Bounds.StrangerLookups))
	s.state.Store(st)
	s.group.Go(s.watchPools)
	return s, nil
}

func (s *Server) setLimits(b limit.Bounds) {
	for side := range s.accept {
		s.accept[side].SetLimits(b.Accepting(Side(side) == Internal))
	}
	s.held.SetLimits(heldConfig(&b))
}

func messageLimits(b *limit.Bounds) sipmsg.Limits {
	l := sipmsg.DefaultLimits()
	l.Headers, l.Body, l.URI, l.Fields = int(b.HeaderBytes), int(b.BodyBytes), int(b.URIBytes), b.HeaderFields
	l.Line = min(l.Line, l.Headers)
	return l
}

// ownLimits let a request pass that was within messageLimits when it came and
// has grown by what we added.
func ownLimits(b *limit.Bounds) sipmsg.Limits {
	const more = 64 << 10 // bytes; Via, Record-Route and trust take about one
	l := messageLimits(b)
	l.Line, l.Headers, l.Fields = l.Line+more, l.Headers+more, l.Fields+16
	return l
}

// Serve accepts connections of one side until the listener is closed, which
// Shutdown does too. It returns nil in that case. Connections from the balancers'
// networks have to begin with a PROXY header, whose word about the address counts.
func (s *Server) Serve(side Side, l net.Listener, balancers ...netip.Prefix) error {
	return s.group.Accept(l, func(ctx context.Context, raw net.Conn) { s.serveConn(ctx, side, raw, balancers) }, func(err error, tell bool) {
		s.metrics.acceptFailed(side)
		if tell {
			s.log.Warn("accept failed", slog.String("side", side.String()), slog.Any("err", err))
		}
	})
}

// serveConn is an accepted connection's whole life: limits, handshake,
// identity, messages.
func (s *Server) serveConn(ctx context.Context, side Side, raw net.Conn, balancers []netip.Prefix) {
	var release func()
	peer, err := s.accept[side].Peer(ctx, raw, balancers, s.state.Load().Bounds.HandshakeTimeout)
	if err == nil {
		release, err = s.accept[side].Admit(peer.Addr())
	}
	if err != nil {
		s.turnedAway(side, peer, err)
		_ = raw.Close()
		return
	}
	c := s.admit(ctx, side, raw, peer, release)
	s.group.Greeted(raw)
	if c == nil {
		release()
		_ = raw.Close()
		return
	}
	c.log().Info("connection opened", slog.Bool("dialled", false))
	if !s.group.Go(c.serve) { // on a stack of its own: a handshake leaves a deep one
		c.serve(ctx)
	}
}

// serve is the life of an accepted connection after its handshake.
func (c *conn) serve(ctx context.Context) {
	c.run(ctx)
	c.release()
}

// turnedAway notes a connection that there is no room for, or whose balancer did not
// say whose it is.
func (s *Server) turnedAway(side Side, peer netip.AddrPort, err error) {
	result, reason := "refused-limit", verdict.Overloaded
	if full := (*limit.Error)(nil); !errors.As(err, &full) {
		result, reason = "refused-header", verdict.Malformed
	}
	s.metrics.handshake(side, "accepted", result)
	s.log.Info("connection refused", slog.String("side", side.String()), slog.String("peer_addr", peer.String()),
		slog.String("reason", reason.String()), slog.Any("err", err))
}

// admit makes the handshake under its deadline and learns who is there.
func (s *Server) admit(ctx context.Context, side Side, raw net.Conn, peer netip.AddrPort, release func()) *conn {
	ctx, cancel := context.WithTimeout(ctx, s.state.Load().Bounds.HandshakeTimeout)
	defer cancel()
	turn := s.accept[side].Handshake(ctx, raw)
	st := s.state.Load()
	face := func() *tlsid.Side { return s.state.Load().Faces[side].TLS }
	var id tlsid.Identity
	below := &socket{Conn: turn}
	sock := tls.Server(below, tlsid.ServerConfig(face, &id))
	err := sock.HandshakeContext(ctx)
	if full := turn.Done(); full != nil {
		s.turnedAway(side, peer, full)
		return nil
	}
	s.metrics.handshake(side, "accepted", tlsid.HandshakeResult(err))
	if err != nil {
		reason := verdict.TLSFailed
		if _, refused := tlsid.Refusal(err); refused {
			reason = verdict.CertificateRefused
		}
		s.log.Info("handshake failed", slog.String("side", side.String()), slog.String("peer_addr", peer.String()),
			slog.String("reason", reason.String()), slog.String("result", tlsid.HandshakeResult(err)), slog.String("err", verdict.Quotable(err.Error())))
		s.traceHandshake(side, peer.String(), reason, err)
		linger(raw)
		return nil
	}
	below.Conn = raw // who has failed may still be being closed
	c := newConn(s, side, sock, peer, id)
	c.member, c.release = memberOf(s.state.Load(), c), release
	if !s.register(c) {
		return nil
	}
	s.recheckSince(st, c)
	return c
}

// linger reads on for a moment after a refusal, so that no reset of what the
// peer has sent meanwhile overtakes our alert: it should learn why.
func linger(raw net.Conn) {
	const most, atMost = 64 << 10, 500 * time.Millisecond
	if err := raw.SetReadDeadline(time.Now().Add(atMost)); err == nil {
		_, _ = io.CopyN(io.Discard, raw, most)
	}
}

// register enters a live connection; false once the server is ending.
func (s *Server) register(c *conn) bool {
	if !s.group.Add(c) {
		return false
	}
	s.metrics.connection(c.side, c.dialled, 1)
	return true
}

func (s *Server) forget(c *conn) {
	s.traffic.end(c, s.group.Remove)
	c.share.Close()
	s.metrics.connection(c.side, c.dialled, -1)
	if c.link != nil {
		c.link.lost(c)
	}
}

// sibling returns another live connection of the same side and certificate.
func (s *Server) sibling(c *conn) *conn {
	for _, other := range s.group.All() {
		if other != c && other.side == c.side && other.key == c.key && !other.isClosed() {
			return other
		}
	}
	return nil
}

// answerRefusal answers a request that has no transaction, logs and counts it.
// ACK and BENOTIFY are never answered. It is all written down before the sender can know,
// and go on.
func (s *Server) answerRefusal(c *conn, m *sipmsg.Message, r *refusal) {
	if m.Method == "ACK" || m.Method == "BENOTIFY" {
		s.noteDropped(c, m, r)
		return
	}
	a := answerTo(r.reason, c.side)
	phrase := a.phrase
	if r.phrase != "" {
		phrase = r.phrase
	}
	s.metrics.refused(c.side, m.Method, r.reason)
	s.traceRefused(c, m, r, a.status)
	c.log().LogAttrs(s.group.Context(), slog.LevelInfo, "request refused", append(c.messageAttrs(m),
		slog.String("reason", r.reason.String()), slog.String("rule", string(r.rule)),
		slog.Int("status", a.status), slog.String("detail", verdict.Quotable(r.detail)))...)
	_ = c.send(sipmsg.AppendResponse(nil, m, a.status, phrase, newTag(), answerLines(s.state.Load(), c.side, a, r)...))
}

// answerSelf answers an OPTIONS that asks for the edge itself (RFC 3261 §11).
func (s *Server) answerSelf(c *conn, m *sipmsg.Message) {
	s.metrics.refused(c.side, m.Method, verdict.Allowed)
	_ = c.send(sipmsg.AppendResponse(nil, m, 200, "OK", newTag()))
}

// newTag makes a To tag (RFC 3261 §19.3).
func newTag() string { return rand.Text()[:13] }

// sum is a short name for bytes, unique enough to be a key.
func sum(b []byte) string {
	h := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(h[:12])
}

// dial opens a TCP connection by Config.Dial.
func (s *Server) dial(ctx context.Context, side Side, addr netip.AddrPort) (net.Conn, error) {
	if s.cfg.Dial != nil {
		return s.cfg.Dial(ctx, side, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}
