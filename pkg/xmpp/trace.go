package xmpp

import (
	"time"

	"edged/pkg/trace"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// What is told to those who follow messages (pkg/trace). Each of these is called behind
// Tap.On, apart from refusals, of which the last are kept.

// event describes a stanza that came on a stream, or what came of the stream itself.
func (c *conn) event(what string) trace.Event {
	return trace.Event{
		Time: time.Now(), Proto: "xmpp", Side: c.side.String(), Inward: c.side == External, Peer: c.addr.String(), What: what,
	}
}

// stanzaEvent is event with what a stanza says.
func (c *conn) stanzaEvent(e *xmlstream.Element, adm *admission) trace.Event {
	ev := c.event(stanzaName(string(e.Local), adm.kind))
	ev.From, ev.To = verdict.Quotable(adm.from.String()), verdict.Quotable(adm.to.String())
	ev.ID, ev.Rule = verdict.Quotable(e.Value("id")), adm.rule
	return ev
}

// stanzaName is the kind of a stanza with its type.
func stanzaName(local, kind string) string {
	if kind == "" {
		return local
	}
	return local + " " + verdict.Quotable(kind)
}

// traceRelayed tells of a stanza that is in the queue across the edge.
func (c *conn) traceRelayed(e *xmlstream.Element, adm *admission) {
	ev := c.stanzaEvent(e, adm)
	if l := c.routes[adm.pair]; l != nil {
		ev.NextHop = l.nextHop()
	}
	c.srv.cfg.Tap.Tell(ev)
}

// nextHop is where a link leads now.
func (l *link) nextHop() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		return l.conn.target
	}
	return l.key.pair.peer(l.key.side).String() + ", once a stream is open"
}

// traceRefused tells of a stanza that does not cross.
func (c *conn) traceRefused(e *xmlstream.Element, adm *admission, r *refusal) {
	c.srv.cfg.Tap.Tell(refused(c.stanzaEvent(e, adm), r))
}

// traceStream tells of a stream that ends by a refusal.
func (c *conn) traceStream(r *refusal) {
	ev := c.event("stream")
	ev.From, ev.To = c.peer.String(), c.self.String()
	c.srv.cfg.Tap.Tell(refused(ev, r))
}

// traceBounced tells of a stanza that has waited in a queue in vain.
func (l *link) traceBounced(e *xmlstream.Element, why *refusal) {
	from := l.key.side.other()
	l.srv.cfg.Tap.Tell(refused(trace.Event{
		Time: time.Now(), Proto: "xmpp", Side: from.String(), Inward: from == External, What: stanzaName(string(e.Local), e.Value("type")),
		From: verdict.Quotable(e.Value("from")), To: verdict.Quotable(e.Value("to")), ID: verdict.Quotable(e.Value("id")),
	}, why))
}

// refused is an event that ended by a refusal.
func refused(e trace.Event, r *refusal) trace.Event {
	e.Reason, e.Detail = r.reason, verdict.Quotable(r.detail)
	if r.rule != "" {
		e.Rule = r.rule
	}
	return e
}
