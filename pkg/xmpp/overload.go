package xmpp

import (
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// heldConfig are the bounds of what waits in the queues of all links.
func heldConfig(b *limit.Bounds) limit.HeldConfig {
	return limit.HeldConfig{Bytes: int64(b.HeldBytes), Pieces: int64(b.Links), Percent: int64(b.PartnerShare)}
}

// hold counts bytes that wait in the link's queue, or are being written out of it.
func (l *link) hold(bytes int) {
	l.share.Add(0, int64(bytes))
	l.srv.metrics.queueBytes(bytes)
}

// mayHold reports whether so many bytes more may wait, of those of all links and of the
// partner's share. A queue that is empty takes one stanza all the same, so that
// everybody goes on, if slowly.
func (l *link) mayHold(bytes int) bool { return l.share.Room(true, int64(bytes)) == limit.HasRoom }

// mayLink refuses one more link for a pair where there are too many. A quarter is kept
// for partners that an entry lists. It is called with ls.mu.
func (ls *links) mayLink(side Side, p pair) *refusal {
	st := ls.srv.state.Load()
	bound, there := st.Bounds.Links, len(ls.m)
	switch {
	case there < unlistedShare(bound):
		return nil
	case there < bound && accountOf(side, st.entry(p), p.theirs).listed:
		return nil
	}
	return refuse(verdict.Overloaded, "limits.links %d is reached", bound)
}

// entry is what applies to a pair's partner; nil if policy refuses the domain anyway.
func (st *State) entry(p pair) *policy.Partner {
	d, _ := st.partner(p, policy.Inward, policy.Facts{})
	return d.Partner
}

// shareOf is the account of everything that waits for a partner's domain, and of what
// it has sent.
func (ls *links) shareOf(theirs domain.Name) *limit.Share {
	return ls.srv.held.Share(limit.Registered(theirs))
}

// roomAgain is how long a reader waits before it asks once more for room.
const roomAgain = 50 * time.Millisecond

// grow lets the reader take memory for a long element, which only those may send who
// are authenticated. Where there is none it waits, and its sender does too, as long as
// the element may take. Our own servers are few, and a stream of theirs is not given
// up for that.
func (c *conn) grow(bytes int) error {
	if c.share == nil {
		c.share = c.srv.links.shareOf(c.speaker())
	}
	for bytes > 0 && c.side == External && c.share.Room(false, int64(bytes)) != limit.HasRoom {
		if time.Now().After(c.elementBy) || c.why() != nil || !c.srv.group.Sleep(roomAgain) {
			return fatal(resourceConstraint, verdict.Overloaded, "no room for a long element within limits.message_timeout")
		}
	}
	c.grown += bytes
	c.share.Add(0, int64(bytes))
	return nil
}

// speaker is a partner that a stream is for.
func (c *conn) speaker() domain.Name {
	for _, p := range c.spokenFor() {
		return p.theirs
	}
	return c.theirs()
}

// shrink gives back what the reader has taken.
func (c *conn) shrink() {
	if c.share != nil {
		c.share.Add(0, -int64(c.grown))
		c.share.Close()
		c.share, c.grown = nil, 0
	}
}
