package sipfed

import (
	"time"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/trace"
	"edged/pkg/verdict"
)

// What is told to those who follow messages (pkg/trace). Each of these is called behind
// Tap.On, apart from refusals, of which the last are kept.

// event describes a message of a dialog or a transaction that came on a connection: its
// request, or a response to it.
func (c *conn) event(m *sipmsg.Message) trace.Event {
	e := trace.Event{
		Time: time.Now(), Proto: "sip", Side: c.side.String(), Inward: c.side == External, Peer: c.peer.String(),
		ID: verdict.Quotable(string(m.CallID())), From: verdict.Quotable(string(m.From().URI)), To: verdict.Quotable(string(m.To().URI)),
	}
	if m.IsRequest() {
		e.What, e.URI = verdict.Quotable(m.Method), verdict.Quotable(string(m.RequestURI()))
	}
	return e
}

// traceSent tells of a request that went to a target.
func (tx *transaction) traceSent(a *attempt) {
	e := tx.from.event(tx.req)
	e.Rule, e.NextHop, e.Took = tx.adm.decision.Rule, a.target, time.Since(tx.born)
	tx.srv.cfg.Tap.Tell(e)
}

// traceResponse tells of a response that a target sent. The request may be forgotten
// by then.
func (tx *transaction) traceResponse(a *attempt, m *sipmsg.Message) {
	e := a.conn.event(m)
	e.What, e.Inward, e.Peer, e.NextHop = verdict.Quotable(tx.method), tx.adm.inward, a.target, tx.from.peer.String()
	e.Rule, e.Status, e.Took = tx.adm.decision.Rule, m.Status, time.Since(tx.born)
	tx.srv.cfg.Tap.Tell(e)
}

// traceFailed tells of a request that the edge ended itself.
func (tx *transaction) traceFailed(r *refusal, status int) {
	e := refused(tx.from.event(tx.req), r, status)
	e.Took = time.Since(tx.born)
	if r.rule == "" {
		e.Rule = tx.adm.decision.Rule
	}
	tx.srv.cfg.Tap.Tell(e)
}

// traceRefused tells of a request that never became a transaction.
func (s *Server) traceRefused(c *conn, m *sipmsg.Message, r *refusal, status int) {
	s.cfg.Tap.Tell(refused(c.event(m), r, status))
}

// refused is an event that ended by a refusal.
func refused(e trace.Event, r *refusal, status int) trace.Event {
	e.Reason, e.Rule, e.Status, e.Detail = r.reason, r.rule, status, verdict.Quotable(r.detail)
	return e
}

// traceHandshake tells of a connection that was not let in.
func (s *Server) traceHandshake(side Side, peer string, reason verdict.Reason, err error) {
	s.cfg.Tap.Tell(trace.Event{
		Time: time.Now(), Proto: "sip", Side: side.String(), Inward: side == External, Peer: peer, What: "TLS handshake",
		Reason: reason, Detail: verdict.Quotable(err.Error()),
	})
}

// traceBroken tells of what is no message.
func (s *Server) traceBroken(c *conn, r *refusal) {
	e := trace.Event{Time: time.Now(), Proto: "sip", Side: c.side.String(), Inward: c.side == External, Peer: c.peer.String(), What: "message"}
	s.cfg.Tap.Tell(refused(e, r, 0))
}
