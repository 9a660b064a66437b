package xmpp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"log/slog"
	"slices"
	"time"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// Apply replaces the State and asks the new one about every stream that is open: a
// reload reaches what is already there.
func (s *Server) Apply(st *State) {
	st.prepare()
	s.state.Store(st)
	for side := range s.accept {
		s.accept[side].SetLimits(st.Bounds.Accepting(Side(side) == Internal))
	}
	s.setRates(st.Bounds)
	s.metrics.forgetMembers()
	for _, c := range s.group.All() {
		s.recheck(st, c)
	}
	for _, l := range s.links.all() {
		l.tryAgain()
	}
}

// recheck ends a stream that the State would not let in, takes from it the pairs that
// are no longer welcome, and retires one on which we show a certificate that was
// replaced, or whose pool has lost the member.
func (s *Server) recheck(st *State, c *conn) {
	if !c.dialled && s.accept[c.side].Excess(c.addr.Addr()) > 0 {
		s.cutOff(c, refuse(verdict.Overloaded, "limits.connections or limits.connections_per_address was lowered"))
		c.release() // the next one asks about what is left
		return
	}
	r := s.recheckPairs(st, c)
	if r == nil {
		r = s.recount(st, c)
	}
	switch {
	case r != nil:
		s.cutOff(c, r)
	case c.dialled && c.shown != st.shown(c.side, c.self):
		c.leave(errRetired)
	case !st.leads(c):
		c.leave(errMoved)
	}
}

// recheckPairs asks again about everybody who speaks on a stream, and about whom a
// dialled one leads to. It returns why nobody is left.
func (s *Server) recheckPairs(st *State, c *conn) *refusal {
	if c.dialled {
		return st.stillWelcome(c, pairOf(c.side, c.self, c.peer), c.judged())
	}
	var last *refusal
	pairs := c.spokenFor()
	for _, p := range pairs {
		how, _ := c.proven(p)
		if r := st.stillWelcome(c, p, how); r != nil {
			last = r
			c.disown(p)
		}
	}
	if len(c.spokenFor()) > 0 || len(pairs) == 0 {
		return nil
	}
	return last
}

// disown takes a pair from a stream, and the link that the stream carries for it.
func (c *conn) disown(p pair) {
	c.mu.Lock()
	delete(c.pairs, p)
	var kept, gone []*link // whoever holds the old slice may go on reading it
	for _, l := range c.links {
		if l.key.pair == p {
			gone = append(gone, l)
			continue
		}
		kept = append(kept, l)
	}
	c.links = kept
	c.mu.Unlock()
	c.recent.stale.Store(true)
	for _, l := range gone {
		l.detach(c)
	}
}

// stillWelcome measures again what a pair was proven by, and asks policy.
func (st *State) stillWelcome(c *conn, p pair, how proof) *refusal {
	if c.side == Internal {
		if pool := st.pools[p.ours]; pool == nil || how == byPKIX && !st.stillSigned(c, p) {
			return refuse(verdict.CertificateRefused, "%s is not served by this pool any more", p.ours)
		}
		return nil
	}
	way, facts := policy.Inward, policy.Facts{Proven: true}
	if c.dialled {
		way, facts = policy.Outward, policy.Facts{}
	}
	d, r := st.partner(p, way, facts)
	switch {
	case r != nil:
		return r
	case how == byPKIX && !st.stillSigned(c, p):
		return refuse(verdict.CertificateRefused, "the certificate does not prove %s any more", p.theirs)
	case c.dialled && how == unproven && !believed(st, c, p), !d.Partner.XMPP.Accepts(how.said(c.isEncrypted())):
		return &refusal{reason: verdict.IdentityMismatch, rule: d.Partner.Rule, detail: how.String() + " is switched off"}
	}
	return nil
}

// believed reports whether a partner that we have dialled need not show a certificate
// for its domain.
func believed(st *State, c *conn, p pair) bool {
	t := st.terms(External, p, true)
	return t.allowsDialback(c.isEncrypted())
}

// isEncrypted is for whoever does not own the stream.
func (c *conn) isEncrypted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.tls != inTheClear
}

// stillSigned verifies the certificate by the roots and lists in force now.
func (st *State) stillSigned(c *conn, p pair) bool {
	id, err := st.trust(c.side).IdentifyXMPP(c.chain())
	if err != nil {
		return false
	}
	if c.side == Internal {
		pool := st.pools[p.ours]
		return pool != nil && pool.proves(id, p.ours)
	}
	t := st.terms(External, p, c.dialled)
	return slices.Contains(id.Anchors, t.anchor) && id.Covers(p.theirs)
}

// cutOff ends a stream whose other end is not wanted any more.
func (s *Server) cutOff(c *conn, r *refusal) {
	// Not by c.log: that is its reader's, who may still be negotiating.
	s.log.Info("stream refused after reload", slog.Uint64("conn", c.id), slog.String("side", c.side.String()),
		slog.String("peer_addr", c.addr.String()), slog.String("reason", r.reason.String()), slog.String("rule", string(r.rule)),
		slog.String("detail", verdict.Quotable(r.detail)))
	s.metrics.streamError(c.side, policyViolation)
	c.fail(policyViolation, errRechecked)
}

// shown names the certificate that we show on a side for a domain, so that a new one
// is noticed. Of those that our private authority makes it is the authority's.
func (st *State) shown(side Side, self domain.Name) [32]byte {
	if side == Internal && st.Authority != nil {
		return st.Authority.Fingerprint()
	}
	cert := st.Outside.Keys.ForXMPP(self)
	return sha256.Sum256(cert.Certificate[0])
}

// Shutdown stops in stages: it takes no new streams, tells everybody who sends to us,
// waits until what is queued has been written or ctx ends, and then closes what is
// left. It returns when every goroutine has ended.
func (s *Server) Shutdown(ctx context.Context) {
	s.group.CloseListeners()
	s.greet(ctx)
	for _, c := range s.group.All() {
		if !c.dialled {
			c.fail(systemShutdown, errStopped)
		}
	}
	s.drain(ctx)
	for _, l := range s.links.all() {
		l.give(refuse(verdict.ShuttingDown, "not sent within limits.drain_timeout"))
	}
	s.drainBounces()
	s.group.End()
	for _, c := range s.group.All() {
		c.fail(systemShutdown, errStopped)
	}
	abort := time.AfterFunc(lastWords, s.group.Cancel)
	s.settle(lastWords)
	abort.Stop()
	s.group.Cancel()
	s.group.Wait()
}

// lastWords is how long Shutdown lets streams end in order.
const lastWords = 2 * time.Second

// greet lets the handshakes finish with which direct TLS begins: nobody who was
// accepted is turned away. Who says nothing does not hold us up.
func (s *Server) greet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	s.group.AwaitGreeted(ctx)
}

// lastBounces is how long it waits for streams to take what is left to bounce.
const lastBounces = time.Second

// drain waits until no link has anything left to send, or ctx ends.
func (s *Server) drain(ctx context.Context) {
	s.until(ctx, func() bool {
		return !slices.ContainsFunc(s.links.all(), (*link).waits)
	})
}

// drainBounces waits until what give has bounced is written.
func (s *Server) drainBounces() {
	ctx, cancel := context.WithTimeout(s.group.Context(), lastBounces)
	defer cancel()
	s.until(ctx, func() bool {
		return !slices.ContainsFunc(s.links.all(), (*link).writes)
	})
}

// settle waits until no stream is left.
func (s *Server) settle(atMost time.Duration) {
	ctx, cancel := context.WithTimeout(s.group.Context(), atMost)
	defer cancel()
	s.until(ctx, func() bool { return len(s.group.All()) == 0 })
}

func (s *Server) until(ctx context.Context, done func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// waits reports whether stanzas are queued, or written and not acknowledged.
func (l *link) waits() bool {
	l.mu.Lock()
	c, queued := l.conn, l.queue.stanzas
	l.mu.Unlock()
	return queued > 0 || c != nil && c.unacknowledged()
}

// writes reports whether stanzas are queued for a stream that is open.
func (l *link) writes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.stanzas > 0 && l.conn != nil
}

// unacknowledged reports whether an acknowledgement is still to come, from someone
// who gives them.
func (c *conn) unacknowledged() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed == nil && (c.writing || len(c.window.items) > 0)
}

// give bounces what is queued.
func (l *link) give(why *refusal) {
	l.mu.Lock()
	waiting := l.queue
	l.queue = queue{}
	l.makeRoom()
	l.mu.Unlock()
	l.bounceAll(waiting, why)
}

// Connection is what Connections tells of one open stream.
type Connection struct {
	ID       uint64
	Side     string
	Dialled  bool
	Peer     string
	Pairs    []Pair
	TLS      string   // version, or none
	Cert     []string // names in the other end's certificate, if its chain is sound
	Anchors  []string // root sets that vouch for it
	Expires  time.Time
	Acks     bool
	Member   string // of a pool: the one that was dialled
	LastUsed time.Time
}

// Pair is whom a stream is between, and how the other end has proven it.
type Pair struct{ Ours, Theirs, Proof string }

// Connections lists what is open now, for status pages and the admin socket.
func (s *Server) Connections() []Connection {
	var all []Connection
	for _, c := range s.group.All() {
		all = append(all, c.describe())
	}
	slices.SortFunc(all, func(a, b Connection) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (c *conn) describe() Connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := Connection{
		ID: c.id, Side: c.side.String(), Dialled: c.dialled, Peer: c.addr.String(), TLS: c.known.tls, Cert: c.known.names,
		Anchors: c.known.anchors, Expires: c.known.expires, Acks: c.window.on, Member: c.member, LastUsed: c.busy,
	}
	for p, how := range c.pairs {
		d.Pairs = append(d.Pairs, Pair{p.ours.String(), p.theirs.String(), how.String()})
	}
	slices.SortFunc(d.Pairs, func(a, b Pair) int { return cmp.Or(cmp.Compare(a.Theirs, b.Theirs), cmp.Compare(a.Ours, b.Ours)) })
	if c.dialled && len(d.Pairs) == 0 {
		p := pairOf(c.side, c.known.self, c.known.peer)
		d.Pairs = []Pair{{p.ours.String(), p.theirs.String(), c.known.proof.String()}}
	}
	return d
}
