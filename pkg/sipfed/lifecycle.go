package sipfed

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"slices"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// Apply replaces the State and asks the new one about every connection that is
// open: a reload reaches what is already there. It changes nothing and returns
// an error if st cannot be used.
func (s *Server) Apply(st *State) error {
	if err := st.prepare(); err != nil {
		return err
	}
	st.seq = s.state.Load().seq + 1
	s.state.Store(st)
	s.setLimits(st.Bounds)
	s.strangers.Store(limit.PerSecond(st.Bounds.StrangerLookups))
	s.metrics.forgetMembers()
	s.recheck(st)
	return nil
}

// recheck closes the connections that the State would not let in any more, and
// retires those on which we show a certificate that has been replaced.
func (s *Server) recheck(st *State) {
	for _, c := range s.group.All() {
		if !s.stillWelcome(st, c) || !c.dialled {
			continue
		}
		if c.shown.ours != st.keyFingerprint(c.side, c.shownFor) {
			c.retire(errRetired)
		}
		if every, known := st.pingFor(c); known && c.side == External {
			c.link.setPing(every)
		}
	}
}

// recheckSince asks again about a connection that was judged by a State which a
// reload has replaced while it was being opened. What waits for it may use it,
// whichever of our certificates it shows.
func (s *Server) recheckSince(st *State, c *conn) {
	if now := s.state.Load(); now != st {
		s.stillWelcome(now, c)
	}
}

// stillWelcome closes a connection that the State would not let in.
func (s *Server) stillWelcome(st *State, c *conn) bool {
	var r *refusal
	switch {
	case !stillProven(st, c):
		r = refuse(verdict.CertificateRefused, "the certificate does not prove its names any more")
	case !c.dialled && s.accept[c.side].Excess(c.peer.Addr()) > 0:
		r = refuse(verdict.Overloaded, "limits.connections or limits.connections_per_address was lowered")
	case c.side == External:
		c.carried.Store(nil) // what the partner is may have changed
		r = stillAllowed(st, c)
	}
	if r == nil {
		return true
	}
	c.log().Info("connection refused after reload", slog.String("reason", r.reason.String()),
		slog.String("rule", string(r.rule)), slog.String("detail", r.detail))
	if c.release != nil {
		c.release() // the next connection asks about what is left
	}
	c.close(errRechecked)
	return false
}

// stillProven measures the peer's certificate by the new roots and lists, and
// takes what it proves now as its identity. Every root set that vouched for it
// before outside must still do so.
func stillProven(st *State, c *conn) bool {
	id, err := tlsid.PeerIdentity(st.Faces[c.side].TLS, c.sock.ConnectionState())
	if err != nil {
		return false
	}
	old := c.identity.Swap(&id)
	if c.side == Internal {
		return slices.ContainsFunc(st.Pools, func(p *Pool) bool { return p.Proves(id) })
	}
	return !slices.ContainsFunc(old.Anchors, func(a string) bool { return !slices.Contains(id.Anchors, a) })
}

// stillAllowed asks policy again about every domain that was let through on the
// connection, and about whom a dialled one leads to. One that is still welcome
// keeps it open: others are refused message by message.
func stillAllowed(st *State, c *conn) *refusal {
	var last *refusal
	for _, d := range c.spokenFor() {
		r := st.welcomes(c, d)
		if r == nil {
			return nil
		}
		last = r
	}
	return last
}

// welcomes returns nil if some domain of ours may still talk with d over c,
// or why none may.
func (st *State) welcomes(c *conn, d domain.Name) *refusal {
	q := c.questionAbout(d)
	var last *refusal
	for ours := range st.pools {
		q.Local = policy.User{Domain: ours}
		v := st.Policy.DecideDomain(q)
		if v.Allow() || !v.Final() {
			return nil
		}
		last = refusedBy(v)
	}
	return last
}

// questionAbout is the question whether anybody may talk with d over c.
func (c *conn) questionAbout(d domain.Name) policy.Question {
	q := policy.Question{Protocol: policy.SIP, Remote: d}
	if c.dialled {
		q.Direction = policy.Outward
		return q
	}
	id := c.identity.Load()
	q.Facts = policy.Facts{Names: id.Names, Anchors: id.Anchors}
	return q
}

// spokenFor returns the domains that policy let through on the connection.
func (c *conn) spokenFor() []domain.Name {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]domain.Name, 0, len(c.domains))
	for d := range c.domains {
		all = append(all, d)
	}
	return all
}

// Shutdown stops in stages: it takes no new connections and answers new requests
// with 503, waits until the transactions under way are finished or ctx ends, and
// then closes what is left. It returns when every goroutine has ended.
func (s *Server) Shutdown(ctx context.Context) {
	s.stopping.Store(true)
	s.group.CloseListeners()
	s.greet(ctx)
	s.drain(ctx)
	for _, tx := range s.table.all() {
		tx.mu.Lock()
		tx.fail(refuse(verdict.ShuttingDown, "not finished within limits.drain_timeout"))
		tx.mu.Unlock()
	}
	s.group.End()
	for _, c := range s.group.All() {
		c.finish(errStopped)
	}
	s.group.Cancel()
	abort := time.AfterFunc(lastWords, func() {
		for _, c := range s.group.All() {
			_ = c.sock.NetConn().Close() // a peer that takes nothing does not hold us up
		}
	})
	s.group.Wait()
	abort.Stop()
	s.dropAll()
}

// lastWords is how long Shutdown lets connections send what is queued.
const lastWords = 2 * time.Second

// greet lets the handshakes finish that have begun: nobody who was accepted is turned
// away. Who says nothing does not hold us up.
func (s *Server) greet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	s.group.AwaitGreeted(ctx)
}

// drain waits until no transaction owes an answer.
func (s *Server) drain(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.table.open() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// dropAll ends the timers of what is left.
func (s *Server) dropAll() {
	for _, tx := range s.table.all() {
		tx.mu.Lock()
		tx.drop()
		tx.mu.Unlock()
	}
}

// Connection is what Connections tells of one open connection.
type Connection struct {
	ID       uint64
	Side     string
	Dialled  bool
	Peer     string
	Identity tlsid.Identity // what its certificate proves
	TLS      string         // version
	Member   string         // of a pool: the one that was dialled, or that is known to have come
	Domains  []domain.Name  // partners whom policy let speak on it
	LastUsed time.Time
}

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
	d := Connection{
		ID: c.id, Side: c.side.String(), Dialled: c.dialled, Peer: c.peer.String(), Identity: *c.identity.Load(),
		TLS: tls.VersionName(c.sock.ConnectionState().Version), Member: c.member, Domains: c.spokenFor(), LastUsed: c.lastUsed(),
	}
	if c.side == Internal && c.dialled {
		d.Member = c.target
	}
	return d
}
