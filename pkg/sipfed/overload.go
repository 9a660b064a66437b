package sipfed

import (
	"edged/pkg/limit"
	"edged/pkg/verdict"
)

// What one request takes beside its bytes, and what each connection's queue may have
// where the edge is full.
const (
	perRequest   = 1 << 10
	crowdedQueue = 64 << 10
)

// heldConfig are the bounds of what the protocol holds for others.
func heldConfig(b *limit.Bounds) limit.HeldConfig {
	return limit.HeldConfig{Bytes: int64(b.HeldBytes), Pieces: int64(b.Transactions), Percent: int64(b.PartnerShare)}
}

// shareName is by which name a connection's other end has its share: the registered
// domain of what its certificate shows first, so that neither another certificate nor
// another name below makes a second one.
func shareName(c *conn) string {
	switch id := c.identity.Load(); {
	case c.side == Internal:
		return ""
	case len(id.Names) > 0:
		return limit.Registered(id.Names[0])
	}
	return "certificate " + c.key
}

// shareNameOf is the same of a next hop.
func shareNameOf(h hop) string {
	if h.key.side == Internal || h.serverName.IsZero() {
		return ""
	}
	return limit.Registered(h.serverName)
}

// crowded refuses what this edge, this partner or this connection has no room for.
// What belongs to a dialog is let in for longer than what begins something (RFC 7339
// §5.10.1): a BYE frees more than it takes. An ACK is never refused, since nobody
// could answer it.
func (s *Server) crowded(tx *transaction) *refusal {
	b := &tx.st.Bounds
	room := tx.from.share.Room(tx.adm.dialog, tx.weight())
	spare := int64(0)
	if !tx.adm.dialog {
		spare = limit.Reserved(int64(b.Transactions))
	}
	switch {
	case tx.method == "ACK":
		return nil
	case tx.wantsAnswer() && s.stopping.Load():
		return refuse(verdict.ShuttingDown, "this edge takes no new requests")
	case tx.from.pending.Load() >= int64(b.TransactionsPerConnection):
		return refuse(verdict.BudgetExhausted, "limits.transactions_per_connection reached")
	case room == limit.AllFull:
		return refuse(verdict.Overloaded, "limits.held_bytes reached")
	case s.table.size.Load() >= int64(b.Transactions)-spare:
		return refuse(verdict.Overloaded, "limits.transactions reached")
	case room == limit.PartnerFull:
		return refuse(verdict.BudgetExhausted, "limits.partner_share reached")
	}
	return nil
}

// charge counts what a request holds: itself, and of an INVITE the copy for ACK and
// CANCEL.
func (tx *transaction) charge() {
	tx.size = tx.weight()
	tx.from.share.Add(1, tx.size)
}

func (tx *transaction) weight() int64 {
	bytes := int64(len(tx.req.Raw))
	if tx.invite() {
		return 2*bytes + perRequest
	}
	return bytes + perRequest
}

// chargeTo counts it for the partner that it goes to as well: one that does not answer
// holds what others send it.
func (tx *transaction) chargeTo(l *link) *refusal {
	if tx.to != nil || tx.adm.inward {
		return nil
	}
	if l.share.Room(tx.adm.dialog, tx.size) == limit.PartnerFull {
		return refuse(verdict.QueueFull, "limits.partner_share reached for %s", l.hop.key.hop)
	}
	tx.to = l.share
	tx.to.Count(1, tx.size)
	return nil
}

// uncharge lets go of what was counted.
func (tx *transaction) uncharge() {
	if tx.size == 0 {
		return
	}
	tx.from.share.Add(-1, -tx.size)
	if tx.to != nil {
		tx.to.Count(-1, -tx.size)
	}
	tx.size, tx.to = 0, nil
}

// queueRoom is how much may wait on the connection where a request, or an answer, is to
// be queued. What begins something has less room than the rest; and where the edge is
// full, nobody who reads slowly keeps a long queue.
func (c *conn) queueRoom(a *attempt) int {
	most := int64(c.srv.state.Load().Bounds.QueueBytes)
	if c.srv.held.Full() {
		most = min(most, crowdedQueue)
	}
	if a != nil && a.tx.adm != nil && !a.tx.adm.dialog {
		most -= limit.Reserved(most)
	}
	return int(most)
}

// hold counts bytes that wait to be written on the connection.
func (c *conn) hold(bytes int) {
	c.share.Add(0, int64(bytes))
	c.srv.metrics.queueBytes(bytes)
}

// grow lets the reader take memory for a large message, if there is some. Our own
// servers are few, and a connection to them is not given up for that.
func (c *conn) grow(bytes int) (status int) {
	if bytes > 0 && c.side == External {
		switch c.share.Room(true, int64(bytes)) {
		case limit.AllFull:
			return answers[verdict.Overloaded].status
		case limit.PartnerFull:
			return answers[verdict.BudgetExhausted].status
		case limit.HasRoom:
		}
	}
	c.grown += bytes
	c.share.Add(0, int64(bytes))
	return 0
}
