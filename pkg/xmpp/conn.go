package xmpp

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

var (
	errIdle      = errors.New("idle")
	errMoved     = errors.New("its server is no member of the pool any more")
	errStopped   = errors.New("edge is stopping")
	errRetired   = errors.New("our certificate was replaced")
	errRechecked = errors.New("no longer allowed after a reload")
	errEnded     = errors.New("ended by the peer")
)

// conn is one stream: a TCP connection, accepted or dialled, with all that was
// negotiated on it.
type conn struct {
	// Fixed after construction.
	id      uint64
	srv     *Server
	side    Side
	dialled bool
	addr    netip.AddrPort
	raw     *socket
	born    time.Time
	release func() // accepted ones: gives back what limits counted

	// Fixed once a dialled stream has been negotiated.
	target string   // host:port
	member string   // of the pool that serves our domain; "": a partner's server
	shown  [32]byte // our certificate
	most   int      // bytes of a stanza that the other end takes; 0: unknown

	// Owned by the goroutine that reads.
	log       *slog.Logger
	sock      net.Conn // raw, or TLS on top of it
	reader    *xmlstream.Reader
	edit      xmlstream.Edit
	scratch   []byte
	self      domain.Name // whom we act as in the stream header
	peer      domain.Name // whom the other end claims to be there, or whom we dialled
	streamID  string      // given by the receiving entity
	lang      string      // xml:lang of the other end's header
	encrypted bool
	identity  tlsid.XMPPIdentity
	certErr   error          // why the other end's certificate proves nothing; nil if it does
	proof     proof          // how the certificate proves peer
	host      domain.Name    // dialled
	tlsa      []tlsid.TLSA   // of the place dialled, if DANE may be used
	external  bool           // authenticated by SASL EXTERNAL
	attempts  int            // of SASL that failed
	badKeys   int            // of dialback that were refused without being verified
	unasked   bool           // there was an answer of dialback that nobody had asked for
	intake    *intake        // acknowledges to the other end; nil without XEP-0198
	routes    map[pair]*link // across the edge
	asked     map[domain.Name]struct{}
	elementBy time.Time    // when the element under way must be complete; zero between elements
	stanzas   int          // received
	crossed   bool         // one of them has, since busy was set
	share     *limit.Share // of what is held for the partner; nil before the reader takes any of it
	grown     int          // bytes that the reader has of it
	recent    recent
	trusted   bool // the reader has the limits of an authenticated stream

	mu      sync.Mutex
	known   known             // what others may know of what the reader owns
	bidi    bool              // stanzas go both ways (XEP-0288)
	out     []byte            // what is sent before any stanza
	links   []*link           // whose stanzas this stream carries; replaced as a whole
	pairs   map[pair]proof    // whom the other end has proven to be, and for which of our domains
	pending map[pair]struct{} // being verified by dialback
	counted account           // whose streams this one counts among; guarded by the server's accounts
	window  window
	written tally
	started bool  // negotiated so far that the writer may run by itself
	greeted bool  // accepted ones: our header has been sent since the stream began, or began anew
	writing bool  // a writer runs
	again   bool  // ... and has to look once more
	held    bool  // no writer may start
	over    bool  // the stream has ended
	leaving error // why; nothing but what is in out is sent any more
	deaf    bool  // and nothing that arrives is looked at
	closeBy time.Time
	closed  error     // set once
	heard   time.Time // something arrived
	busy    time.Time // a stanza crossed, either way
	sent    time.Time // something was written
	writers sync.WaitGroup
}

// known is what has been negotiated, for whoever looks at the stream from outside.
type known struct {
	self, peer domain.Name
	tls        string
	names      []string // in the other end's certificate
	anchors    []string
	chain      []*x509.Certificate
	expires    time.Time
	proof      proof
	ping       bool
}

func newConn(s *Server, side Side, dialled bool, raw net.Conn, peer netip.AddrPort) *conn {
	now := time.Now()
	below := newSocket(raw, func() time.Duration { return s.state.Load().Bounds.WriteTimeout })
	c := &conn{
		id: s.nextConn.Add(1), srv: s, side: side, dialled: dialled, raw: below, sock: below, addr: peer,
		born: now, heard: now, busy: now, sent: now,
	}
	c.log = s.log.With(slog.Uint64("conn", c.id), slog.String("side", side.String()), slog.String("peer_addr", c.addr.String()))
	c.reader = xmlstream.NewReader(timedReader{c}, strangerLimits())
	c.reader.OnStart, c.reader.Grow = c.elementStarts, c.grow
	return c
}

// elementStarts arms the deadline of an element of which only a part has come: a
// sender of one byte a second is cut off. Who is authenticated may send larger ones.
func (c *conn) elementStarts() {
	st := c.srv.state.Load()
	c.elementBy = time.Now().Add(st.Bounds.MessageTimeout)
	if !c.trusted && c.established() {
		l := xmlstream.DefaultLimits()
		l.Element = int(st.Bounds.StanzaBytes)
		c.reader.SetLimits(l)
		c.trusted = true
	}
}

// strangerLimits bound what a stream may send before it is authenticated.
func strangerLimits() xmlstream.Limits {
	l := xmlstream.DefaultLimits()
	l.Header, l.Element = 8<<10, 10_000
	return l
}

// run reads the stream until it ends, and ends it. Whoever calls it owns c.
func (c *conn) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { c.abort(errStopped) })
	defer stop()
	reading, read := context.WithCancel(ctx)
	err := c.readLoop(reading)
	read() // nobody waits any more for what was begun
	c.leave(err)
	c.wake() // who has ended the stream may not have come to that yet
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.writers.Wait()
	c.awaitClose()
	c.abort(err)
	c.srv.forget(c)
	c.log.Info("stream closed", slog.Bool("dialled", c.dialled), slog.Int("stanzas", c.stanzas), slog.Any("err", quoted{c.why()}))
}

// readLoop handles one element after the other, in order.
func (c *conn) readLoop(ctx context.Context) error {
	for {
		e, err := c.next()
		if err != nil {
			return c.ended(err)
		}
		if c.isDeaf() {
			if e.Kind == xmlstream.Closing {
				return errEnded
			}
			continue
		}
		switch e.Kind {
		case xmlstream.Closing: // RFC 6120 §4.4: answered by leave
			return errEnded
		case xmlstream.Header:
			err = c.refused(c.opened(e))
		case xmlstream.Stanza:
			err = c.refused(c.handle(ctx, e))
		}
		if err != nil && !errors.Is(err, errGoOn) {
			return err
		}
	}
}

// errGoOn says that a stream which is ending is read on, to its closing tag.
var errGoOn = errors.New("read on")

// refused ends the stream with the stream error of a refusal, if it has one. The
// other end gets a moment to read it: what arrives meanwhile is not looked at.
func (c *conn) refused(r *refusal) error {
	if r == nil {
		return nil
	}
	c.srv.metrics.streamError(c.side, r.stream)
	c.traceStream(r)
	c.log.Info("stream refused", slog.String("reason", r.reason.String()), slog.String("rule", string(r.rule)),
		slog.String("condition", string(r.stream)), slog.String("detail", verdict.Quotable(r.detail)))
	c.fail(r.stream, r)
	return errGoOn
}

// next reads the next part of the stream under the deadlines of the moment.
func (c *conn) next() (*xmlstream.Element, error) {
	for {
		e, err := c.reader.Next()
		c.mu.Lock()
		established := c.establishedLocked()
		closing := !c.closeBy.IsZero()
		c.mu.Unlock()
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if late && !closing && established && c.elementBy.IsZero() {
			continue // the deadline was that of an older moment
		}
		if late && !closing && !c.elementBy.IsZero() && time.Now().Before(c.elementBy) {
			continue
		}
		if err == nil {
			c.elementBy = time.Time{}
		}
		return e, err
	}
}

// ended turns the error that reading stopped with into the end of the stream.
func (c *conn) ended(err error) error {
	if c.isDeaf() {
		return err
	}
	if r := streamFault(err); r != nil {
		_ = c.refused(r)
		c.linger()
		return r
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.why() == nil {
		r := fatal(connectionTimeout, verdict.TooSlow, "not authenticated within limits.stream_timeout, or an element not complete within limits.message_timeout")
		_ = c.refused(r)
		c.linger()
		return r
	}
	return err
}

// linger reads on for a moment after an error, so that no reset of what the other
// end has sent meanwhile overtakes it: it should learn why.
func (c *conn) linger() {
	c.drainWriter()
	const most = 1 << 20 // bytes
	_, _ = io.CopyN(io.Discard, timedReader{c}, most)
}

// handle is the fork in the road: stanzas are screened and relayed, everything
// else belongs to this stream alone.
func (c *conn) handle(ctx context.Context, e *xmlstream.Element) *refusal {
	switch string(e.Space) {
	case nsServer:
		return c.handleStanza(ctx, e)
	case nsDialback:
		return c.handleDialback(ctx, e)
	case nsAck:
		return c.handleAck(e)
	case nsSASL:
		return c.handleSASL(e)
	case nsTLS:
		return c.handleStartTLS(ctx, e)
	case nsStreams:
		return c.handleStreamElement(e)
	case nsBidi, nsBidiFeature: // some servers send the feature's name as the request
		return c.handleBidi()
	case nsClient:
		return fatal(invalidNamespace, verdict.Malformed, "content in jabber:client on a stream between servers")
	}
	return c.handleUnknown(e)
}

// handleStreamElement serves what the other end says about the stream itself.
func (c *conn) handleStreamElement(e *xmlstream.Element) *refusal {
	if string(e.Local) != "error" {
		return nil
	}
	condition := streamCondition(e)
	c.srv.metrics.streamErrorReceived(c.side, condition)
	c.log.Info("stream error received", slog.String("condition", condition))
	c.fail("", errEnded)
	return nil
}

// handleUnknown passes over what it does not know, as long as it is no stanza in
// disguise (RFC 6120 §4.8.4).
func (c *conn) handleUnknown(e *xmlstream.Element) *refusal {
	switch {
	case isStanza(e.Local):
		return fatal(unsupportedStanzaType, verdict.Malformed, "a stanza in a foreign namespace")
	case !c.established():
		return fatal(notAuthorized, verdict.Malformed, "an unknown element before authentication")
	}
	return nil
}

// established reports whether stanzas may cross.
func (c *conn) established() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.establishedLocked()
}

func (c *conn) establishedLocked() bool { return c.dialled && c.started || len(c.pairs) > 0 }

func (c *conn) isDeaf() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaf
}

func (c *conn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving != nil {
		return c.leaving
	}
	return c.closed
}

// ours and theirs are the pair of the stream header.
func (c *conn) ours() domain.Name   { return pairOf(c.side, c.self, c.peer).ours }
func (c *conn) theirs() domain.Name { return pairOf(c.side, c.self, c.peer).theirs }

// judged is how the other end of a dialled stream was proven, and chain what it
// showed for it.
func (c *conn) judged() proof {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.proof
}

func (c *conn) chain() []*x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.chain
}

// publish lets others know what has been negotiated.
func (c *conn) publish(t terms) {
	k := known{self: c.self, peer: c.peer, tls: c.tlsVersion(), proof: c.proof, ping: t.ping}
	if cs := c.connectionState(); cs != nil && len(cs.PeerCertificates) > 0 {
		k.chain, k.expires = cs.PeerCertificates, cs.PeerCertificates[0].NotAfter
	}
	if c.certErr == nil {
		k.names, k.anchors = c.identity.Names(), c.identity.Anchors
	}
	c.mu.Lock()
	c.known = k
	c.mu.Unlock()
}

// proven returns what the other end has proven to be, for a pair.
func (c *conn) proven(p pair) (proof, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	how, ok := c.pairs[p]
	return how, ok
}

// spokenFor returns the pairs that stanzas may come from.
func (c *conn) spokenFor() []pair {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.pairs))
}

// timedReader reads from the socket under the deadline that fits the moment.
type timedReader struct{ c *conn }

func (r timedReader) Read(p []byte) (int, error) {
	c := r.c
	c.mu.Lock() // closeWrite sets one too: the later moment wins
	err := c.sock.SetReadDeadline(c.readBy())
	if c.crossed { // once for all that came with one read
		c.crossed, c.busy = false, time.Now()
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := c.sock.Read(p)
	if n > 0 {
		c.mu.Lock()
		c.heard = time.Now()
		c.mu.Unlock()
	}
	return n, err
}

// readBy is the deadline of the next read; zero is none: whether a stream is idle
// is for the sweeper to say. It is called with c.mu.
func (c *conn) readBy() time.Time {
	switch {
	case c.closed != nil:
		return time.Unix(1, 0)
	case !c.closeBy.IsZero():
		return c.closeBy
	case !c.establishedLocked():
		return c.born.Add(c.srv.state.Load().Bounds.StreamTimeout)
	}
	return c.elementBy
}

// quoted is an error whose text is safe in a log.
type quoted struct{ err error }

// LogValue implements slog.LogValuer.
func (q quoted) LogValue() slog.Value {
	if q.err == nil {
		return slog.StringValue("")
	}
	return slog.StringValue(verdict.Quotable(q.err.Error()))
}
