package xmpp

import (
	"context"
	"log/slog"
	"time"

	"edged/pkg/verdict"
)

// sweepEvery is how often streams and links are looked at.
const sweepEvery = time.Second

// innerIdle is how long a stream to a pool is kept without stanzas: opening one costs
// the first message more than keeping it costs us.
const innerIdle = time.Hour

// sweepLoop keeps streams alive, ends idle ones, and forgets unused links.
func (s *Server) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			st := s.state.Load()
			for _, c := range s.group.All() {
				s.sweep(st, c, now)
			}
			s.links.sweep(now)
			s.held.Sweep()
			s.showMembers(st)
		}
	}
}

// sweep looks at one stream.
func (s *Server) sweep(st *State, c *conn, now time.Time) {
	quiet := c.quiet(now)
	if !quiet.carries {
		return // its reader has the deadline of the negotiation
	}
	b := &st.Bounds
	idle := b.StreamIdleTimeout
	if c.side == Internal {
		idle = innerIdle
	}
	c.askAgain()
	keeps := c.side == External && quiet.ping && !c.dialled
	switch {
	case quiet.asked > b.KeepaliveInterval:
		s.cutSilent(c, "no acknowledgement within limits.keepalive_interval")
	case quiet.expired:
		c.log.Info("certificate expired")
		s.metrics.streamError(c.side, resetStream)
		c.fail(resetStream, errRetired) // RFC 6120 §13.7.2.3
	case !st.leads(c):
		c.leave(errMoved)
	case quiet.busy > idle && (c.dialled || c.side == External):
		c.log.Info("stream idle")
		c.leave(errIdle)
	case keeps && quiet.heard > b.KeepaliveInterval:
		c.log.Info("stream silent")
		c.leave(errIdle)
	case quiet.sent > b.KeepaliveInterval/2:
		c.control(" ") // RFC 6120 §4.6.1
	}
}

// cutSilent ends a stream whose other end does not do what it has promised.
func (s *Server) cutSilent(c *conn, why string) {
	c.log.Info("stream refused", slog.String("reason", verdict.NoAnswer.String()), slog.String("detail", why))
	s.metrics.streamError(c.side, connectionTimeout)
	c.fail(connectionTimeout, refuse(verdict.NoAnswer, "%s", why))
}

// quiet is for how long what has not happened on a stream.
type quiet struct {
	busy, heard, sent time.Duration
	asked             time.Duration // for an acknowledgement; 0: none is awaited
	carries           bool          // stanzas may cross
	expired           bool          // the certificate that proves the other end
	ping              bool          // the partner is to show that it is there
}

func (c *conn) quiet(now time.Time) quiet {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := quiet{
		busy: now.Sub(c.busy), heard: now.Sub(c.heard), sent: now.Sub(c.sent), ping: c.known.ping,
		carries: c.establishedLocked() && c.leaving == nil && c.closed == nil,
	}
	if !c.window.asked.IsZero() {
		q.asked = now.Sub(c.window.asked)
	}
	if at := c.known.expires; !at.IsZero() && c.known.proof == byPKIX {
		q.expired = now.After(at)
	}
	return q
}

// showMembers tells the health of pool members.
func (s *Server) showMembers(st *State) {
	for _, p := range st.Pools {
		for _, m := range p.Members.Status() {
			s.metrics.member(p.Name, m.Member, m.Up)
		}
	}
}
