package sipfed

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

var (
	errConnClosed = errors.New("connection is closed")
	errQueueFull  = errors.New("connection does not take what is queued for it")
	errIdle       = errors.New("idle")
	errStopped    = errors.New("edge is stopping")
	errRetired    = errors.New("our certificate was replaced")
	errCrowded    = errors.New("limits.connections: others that were dialled need its place")
	errRechecked  = errors.New("no longer allowed after a reload")
)

// conn is one TLS connection after its handshake, accepted or dialled.
type conn struct {
	// Fixed after construction.
	id       uint64
	srv      *Server
	side     Side
	dialled  bool
	sock     *tls.Conn
	below    *socket // under sock; nil in tests
	peer     netip.AddrPort
	subject  string       // the identity's first name, for logs
	key      string       // tells certificates apart: part of every transaction key
	share    *limit.Share // of what is held for the other end's partner
	release  func()       // accepted ones: gives back what limits counted
	link     *link        // dialled connections only
	target   string       // ... and where they lead, host:port
	shown    linkKey      // ... and as whom, with which certificate of ours
	shownFor domain.Name
	member   string // accepted inside connections: the pool's member behind it, if it can be told

	// Owned by run and its reader.
	reader    *sipmsg.Reader
	now       time.Time                // when it last came back from the socket, or from the DNS
	wakeAt    time.Time                // the socket's read deadline
	messageBy time.Time                // when the message under way must be complete; zero between messages
	firstBy   time.Time                // outside: when the first message that policy allows must be here; then zero
	asked     map[domain.Name]struct{} // domains looked up for this connection
	grown     int                      // bytes that the reader has beyond its first buffers
	fed       []*conn                  // given something to send, and not woken yet

	beat beat // owned by watchPools

	unsent int // bytes that were written and the system has not taken; whoever writes owns it

	identity atomic.Pointer[tlsid.Identity] // what the certificate proves; measured again after a reload
	carried  atomic.Pointer[policy.Partner] // whose entry allowed the first message since the last reload; outside

	pending atomic.Int64  // server transactions open on this connection
	heard   atomic.Uint64 // reads that brought something: after the first, a late refusal is over
	pongDue atomic.Bool   // a ping of ours has not been answered
	doubted atomic.Bool   // it did not answer, and its target rests until it speaks
	giveUp  atomic.Bool   // writing has failed, and the reader only looks for the reason

	mu      sync.Mutex
	out     *buffer                  // what the writer sends next; nil if nothing
	queued  int64                    // bytes ever appended to out
	written int64                    // ... of them handed to the TLS layer, whole or in part
	closed  error                    // why; set once
	retired error                    // why to close as soon as nothing waits on it
	leaving error                    // why to close as soon as nothing is queued
	waiting map[*attempt]int64       // client transactions without a final answer, and where they end in the stream
	domains map[domain.Name]*Traffic // partner domains accepted on it: asked again after a reload
	writing bool                     // the writer runs, or was the last
	writers sync.WaitGroup           // of which there is one at a time
	used    time.Time
}

func newConn(s *Server, side Side, sock *tls.Conn, peer netip.AddrPort, id tlsid.Identity) *conn {
	now := time.Now()
	c := &conn{
		id:      s.nextConn.Add(1),
		srv:     s,
		side:    side,
		sock:    sock,
		peer:    peer,
		key:     fingerprint(id),
		waiting: make(map[*attempt]int64),
		domains: make(map[domain.Name]*Traffic),
		asked:   make(map[domain.Name]struct{}),
		now:     now,
		used:    now,
	}
	if below, ok := sock.NetConn().(*socket); ok {
		below.hasten()
		c.below = below
	}
	c.identity.Store(&id)
	c.share = s.held.Share(shareName(c))
	if len(id.Names) > 0 {
		c.subject = id.Names[0].String()
	}
	return c
}

// run is the whole life of a connection after its handshake. It returns when
// the connection is closed and its writer has ended.
func (c *conn) run(ctx context.Context) {
	c.reader = sipmsg.NewReader(timedReader{c}, messageLimits(&c.srv.state.Load().Bounds))
	c.reader.Pool, c.reader.Grow = &c.srv.messages, c.grow
	c.reader.OnPing, c.reader.Pong = c.pinged, c.pong
	c.reader.OnStart, c.reader.Source = c.messageStarts, sipmsg.NewSource(c.peer)
	if c.below != nil {
		c.below.drained = c.wakeFed
	}
	if !c.dialled && c.side == External {
		c.firstBy = c.now.Add(c.srv.state.Load().Bounds.FirstMessageTimeout)
	}
	err := c.readLoop(ctx)
	c.wakeFed()
	c.finish(err)
	c.writers.Wait()
	c.close(err)
	c.grow(-c.grown)
	c.srv.forget(c)
	c.fail()
	c.log().Info("connection closed", slog.Bool("dialled", c.dialled), slog.Any("err", c.why()))
}

// readLoop handles message after message, in order, until framing is lost, the
// peer leaves, or a deadline passes.
func (c *conn) readLoop(ctx context.Context) error {
	for {
		m, err := c.reader.Next()
		slow := !c.messageBy.IsZero() && errors.Is(err, os.ErrDeadlineExceeded)
		c.messageBy = time.Time{}
		if err == nil {
			c.handle(ctx, m)
			m.Release()
			continue
		}
		if !c.broken(m, err, slow) {
			return err
		}
	}
}

// broken deals with what could not be read, and reports whether the next message can
// be.
func (c *conn) broken(m *sipmsg.Message, err error, slow bool) bool {
	var syntax *sipmsg.SyntaxError
	var framing *sipmsg.FramingError
	switch {
	case errors.As(err, &syntax):
		c.refuseBroken(m, reasonFor(syntax.Status), syntax.Status, syntax.Field, syntax.Detail)
		m.Release()
		return true
	case errors.As(err, &framing):
		c.refuseBroken(m, reasonFor(framing.Status), framing.Status, framing.Field, framing.Detail)
	case slow:
		c.refuseBroken(nil, verdict.TooSlow, 0, "message", "not complete within limits.message_timeout")
	}
	return false
}

// handle is the fork in the road: a response goes back where its request came
// from, a request is screened and sent on.
func (c *conn) handle(ctx context.Context, m *sipmsg.Message) {
	if !m.IsRequest() {
		c.srv.handleResponse(c, m)
		return
	}
	c.srv.handleRequest(ctx, c, m)
}

// refuseBroken answers a message whose framing held, or was just lost, but
// which cannot be used. One bad message does not end the
// connection: other dialogs live on it.
func (c *conn) refuseBroken(m *sipmsg.Message, reason verdict.Reason, status int, field, detail string) {
	r := refuse(reason, "%s: %s", field, detail)
	if status == 400 && field != "" {
		r.phrase = "Bad Request: " + verdict.Quotable(field)
	}
	if status == 0 || m == nil || !m.IsRequest() || !m.Answerable() || m.Method == "ACK" || m.Method == "BENOTIFY" {
		c.srv.metrics.refused(c.side, "", reason)
		c.srv.traceBroken(c, r)
		c.log().Info("message dropped", slog.String("reason", reason.String()), slog.String("detail", verdict.Quotable(r.detail)))
		return
	}
	c.srv.answerRefusal(c, m, r)
}

// fail hands every request that waits for an answer from this connection to
// its transaction, which tries elsewhere or answers. A next hop that refused our
// certificate is left alone; one that ended the connection with requests on it
// comes last for a while.
func (c *conn) fail() {
	c.mu.Lock()
	lost, written, why := c.waiting, c.written, c.closed
	c.waiting = nil
	c.mu.Unlock()
	refused := c.dialled && c.heard.Load() == 0 && tlsid.IsAlert(why)
	switch {
	case refused:
		c.link.failed(c.target, refuse(verdict.TLSFailed, "%s refused our certificate", c.target))
	case c.dialled && len(lost) > 0 && !endedByUs(why):
		c.link.suspect(c.target)
	}
	inOrder := slices.SortedFunc(maps.Keys(lost), func(a, b *attempt) int { return cmp.Compare(lost[a], lost[b]) })
	for _, a := range inOrder {
		a.lost(c, lost[a], refused, lost[a] > written)
	}
}

// endedByUs reports whether a connection was ended by this edge.
func endedByUs(why error) bool {
	return slices.ContainsFunc([]error{errIdle, errStopped, errRetired, errCrowded, errRechecked},
		func(own error) bool { return errors.Is(why, own) })
}

// settle forgets an attempt that waits no longer.
func (c *conn) settle(a *attempt) {
	c.mu.Lock()
	delete(c.waiting, a)
	c.mu.Unlock()
	c.endRetired()
}

// answered notes that a transaction that came in on the connection is over.
func (c *conn) answered() {
	c.pending.Add(-1)
	c.endRetired()
}

// retire ends a connection as soon as nothing is owed on it, either way.
func (c *conn) retire(why error) {
	c.mu.Lock()
	c.retired = why
	c.mu.Unlock()
	c.endRetired()
}

func (c *conn) endRetired() {
	c.mu.Lock()
	why, busy := c.retired, len(c.waiting) > 0 || c.pending.Load() > 0
	c.mu.Unlock()
	if why != nil && !busy {
		c.finish(why)
	}
}

// maxDomains bounds what a connection remembers. A provider's may carry more;
// those are asked for with every message all the same.
const maxDomains = 1000

// accepted notes that policy let a domain speak on this connection, by an entry, or be
// spoken to.
func (c *conn) accepted(d domain.Name, by *policy.Partner, inward bool) {
	if c.carried.Load() == nil {
		c.carried.Store(by)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.domains[d]
	if n == nil {
		if len(c.domains) >= maxDomains {
			return
		}
		n = new(Traffic)
		c.domains[d] = n
	}
	if inward {
		n.In++
	} else {
		n.Out++
	}
}

// usable reports whether requests may be sent on it.
func (c *conn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed == nil && c.leaving == nil && c.retired == nil
}

func (c *conn) isClosed() bool { return c.why() != nil }

func (c *conn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *conn) touch(now time.Time) {
	c.mu.Lock()
	c.used = now
	c.mu.Unlock()
}

// idle ends the connection if nothing has happened on it for so long. One with
// open transactions is not idle.
func (c *conn) idle(after time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.used) < after || len(c.waiting) > 0 || c.out != nil || c.pending.Load() > 0 {
		return false
	}
	if c.leaving == nil {
		c.leaving = errIdle
	}
	return true
}

// lastUsed is when something last crossed the connection.
func (c *conn) lastUsed() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// messageStarts arms the deadline of a message whose first byte has arrived:
// a sender of one byte a second is cut off.
func (c *conn) messageStarts() {
	c.messageBy = c.now.Add(c.srv.state.Load().Bounds.MessageTimeout)
}

// timedReader reads from the socket under the deadline that fits the moment:
// the message's own while one is under way, else the idle time-out.
type timedReader struct{ c *conn }

func (r timedReader) Read(p []byte) (int, error) {
	c := r.c
	for {
		idle := c.srv.state.Load().Bounds.IdleTimeout
		if err := c.arm(idle); err != nil {
			return 0, err
		}
		n, err := c.sock.Read(p)
		c.now = time.Now()
		if n > 0 {
			c.touch(c.now)
			c.hears()
			return n, err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.giveUp.Load() {
			return n, err
		}
		switch by := c.tooSlow(); {
		case by.IsZero():
			if c.idle(idle) {
				return 0, errIdle
			}
		case !c.now.Before(by):
			return n, err
		}
	}
}

// arm sees that the next read wakes up when its deadline has passed. One that comes too
// early stays until it has: whoever is woken looks again, and reads come by the thousand.
func (c *conn) arm(idle time.Duration) error {
	by := c.readBy(idle)
	if c.wakeAt.After(c.now) && !by.Before(c.wakeAt) {
		return nil
	}
	c.wakeAt = by
	err := c.sock.SetReadDeadline(by)
	if c.giveUp.Load() { // set after readBy looked
		_ = c.sock.SetReadDeadline(time.Now().Add(lastLook))
	}
	return err
}

// hears notes that bytes have come. With the first of them, and only then, has it accepted our
// certificate, and a target that was left alone is good again.
func (c *conn) hears() {
	if c.heard.Add(1) == 1 && c.dialled {
		c.link.answered(c.target)
	}
	c.relent()
}

// readBy is the deadline of the next read.
func (c *conn) readBy(idle time.Duration) time.Time {
	if by := c.tooSlow(); !by.IsZero() {
		return by
	}
	by := c.lastUsed().Add(idle)
	if soon := c.now.Add(idle / 8); by.Before(soon) { // it was unused for long, and is waited on
		return soon
	}
	return by
}

// tooSlow is when the sender has taken too long for a message, or for the first one; zero
// between messages.
func (c *conn) tooSlow() time.Time {
	if c.messageBy.IsZero() || !c.firstBy.IsZero() && c.firstBy.Before(c.messageBy) {
		return c.firstBy
	}
	return c.messageBy
}

// fingerprint names a certificate in keys: equal certificates, equal names.
func fingerprint(id tlsid.Identity) string {
	if id.Leaf == nil {
		return ""
	}
	return sum(id.Leaf.Raw)
}
