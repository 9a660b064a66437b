package sipfed

import (
	"bytes"
	"net/netip"
)

// maxComebacks is at how many places a link outside may be dialled, or be connected
// already, for a response to be taken to one more: the port is the sender's choice.
// Inside it bounds the dials.
const maxComebacks = 16

// comesBackToFew reports whether there are no more of them. It is called with l.mu.
func (l *link) comesBackToFew() bool {
	places := len(l.dials)
	if l.hop.key.side == External {
		places += len(l.conns)
	}
	return places < maxComebacks
}

// comeBack delivers a response whose connection is gone (RFC 3261 §18.2.2): on
// another connection of the same certificate, else on a new one to where the
// request came from, at the port of its Via. Whoever answers there must prove what
// the sender of the request has proven; a host that a Via names is not looked up.
func (tx *transaction) comeBack(response []byte) {
	if other := tx.srv.sibling(tx.from); other != nil && other.send(response) == nil {
		return
	}
	h, ok := tx.senderHop()
	if !ok || !tx.from.peer.IsValid() {
		tx.undelivered()
		return
	}
	back := &attempt{tx: tx, trip: trip{
		response: bytes.Clone(response),
		target:   netip.AddrPortFrom(tx.from.peer.Addr().Unmap(), orDefault(tx.echo.port)).String(),
	}}
	switch c, refused := tx.srv.links.get(h).obtain(back); {
	case refused != nil:
		tx.undelivered()
	case c != nil:
		back.deliverOn(c)
	}
}

// senderHop says how the request's sender would be named and proven as a next hop.
func (tx *transaction) senderHop() (hop, bool) {
	if tx.adm.inward && tx.adm.decision.Partner == nil {
		return hop{}, false // nobody that policy knows
	}
	if tx.adm.inward {
		return partnerHop(tx.st, tx.adm), true
	}
	pool := tx.st.pools[tx.adm.local().Domain]
	if pool == nil {
		return hop{}, false
	}
	return poolHop(tx.st, pool, tx.adm.local().Domain), true
}

// deliverOn sends a response that has waited for a connection; nil if there is none.
func (a *attempt) deliverOn(c *conn) {
	if c == nil || c.send(a.response) != nil {
		a.tx.undelivered()
	}
}

func (tx *transaction) undelivered() { tx.srv.metrics.undelivered(tx.from.side) }
