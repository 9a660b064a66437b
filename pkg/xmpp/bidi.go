package xmpp

import "slices"

// Bidirectional streams (XEP-0288): what we have for the other end travels on the
// stream that it has opened. They go without acknowledgements (XEP-0198): a reader
// that waits for room on one stream is also who reads the acknowledgements of the
// other, and two such readers could wait for each other.

// handleBidi serves the request, which comes after TLS and before authentication.
func (c *conn) handleBidi() *refusal {
	t := c.terms(c.srv.state.Load())
	if c.dialled || !c.encrypted || !t.bidi || c.intake != nil || !c.idleInClear() {
		return nil
	}
	c.goBothWays()
	return nil
}

func (c *conn) goBothWays() {
	c.mu.Lock()
	c.bidi = true
	c.mu.Unlock()
}

func (c *conn) bothWays() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bidi
}

// adopt lets an accepted stream carry the link of a pair that was proven on it, if
// no other one does. The other end has been told before that it is believed: what is
// queued goes behind that.
func (s *Server) adopt(c *conn, p pair, t terms) {
	if !c.bothWays() || !t.bidi {
		return
	}
	l := s.links.get(c.side, p)
	l.mu.Lock()
	defer l.mu.Unlock()
	c.mu.Lock()
	_, proven := c.pairs[p] // a reload may have taken it meanwhile
	if proven && !l.dead && l.conn == nil && !l.dialling && !c.over && c.leaving == nil && c.closed == nil {
		l.conn, l.most = c, 0
		c.links = append(slices.Clip(c.links), l)
	}
	c.mu.Unlock()
	c.wake()
}
