package sipfed

import (
	"bytes"
	"context"
	"log/slog"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// handleCancel answers a CANCEL, hop by hop, and takes its INVITE back
// (RFC 3261 §9.2, §16.10).
func (s *Server) handleCancel(c *conn, m *sipmsg.Message) {
	tx := s.table.server(serverKey(c, m))
	if tx == nil {
		s.answerRefusal(c, m, refuse(verdict.RouteInvalid, "CANCEL matches no INVITE"))
		return
	}
	defer tx.mu.Unlock()
	_ = c.send(sipmsg.AppendResponse(nil, m, 200, "OK", newTag()))
	tx.cancelledBySender()
}

func (tx *transaction) cancelledBySender() {
	if tx.cancelled || !tx.phase.open() {
		return
	}
	tx.cancelled = true
	switch tx.phase {
	case connecting: // nothing was sent yet
		tx.fail(refuse(verdict.Cancelled, "cancelled before it was sent"))
	case calling:
		tx.arm(tx.remaining())
	default:
		tx.cancelAttempt(tx.current)
		tx.arm(tx.st.Bounds.TransactionTimeout)
	}
}

// cancelAttempt sends CANCEL after a provisional response, once (§9.1).
func (tx *transaction) cancelAttempt(a *attempt) {
	if a == nil || a.takenBack || a.over || !a.rung {
		return
	}
	a.takenBack = true
	sent := tx.asSent(a)
	if sent == nil {
		return
	}
	_ = a.conn.send(sipmsg.AppendCancel(nil, sent))
}

// asSent is the request as an attempt has sent it, for ACK and CANCEL, which repeat
// parts of it; nil where a 2xx has answered and neither is owed any more.
func (tx *transaction) asSent(a *attempt) *sipmsg.Message {
	if tx.req == nil {
		return nil
	}
	sent, err := sipmsg.Parse(tx.srv.appendRequest(nil, tx, a.conn.side, a), ownLimits(&tx.st.Bounds))
	if err != nil {
		return nil // cannot happen: it was made from a message that parsed
	}
	return sent
}

// absorb recognises a request that is under way already: a retransmission gets
// the last response again, if it is an INVITE, and goes no further (§17.2.3).
func (s *Server) absorb(c *conn, key string) bool {
	tx := s.table.server(key)
	if tx == nil {
		return false
	}
	defer tx.mu.Unlock()
	if tx.last != nil && tx.phase != accepted {
		_ = c.send(tx.last)
	}
	return true
}

// handleACK ends a refused INVITE, which is a matter of this hop, or passes the
// ACK of a 2xx on, which is a request of its own without a transaction
// (§17.1.1.3, §13.2.2.4). No ACK is ever answered.
func (s *Server) handleACK(ctx context.Context, c *conn, m *sipmsg.Message) {
	if s.acknowledged(c, m) {
		return
	}
	st := s.state.Load()
	adm, refused := s.screenRequest(ctx, st, c, m)
	if adm == nil || adm.sealed == nil {
		return // most likely of an INVITE that was refused without a transaction
	}
	if refused != nil {
		s.noteDropped(c, m, refused)
		return
	}
	s.forwardRequest(st, c, m, adm)
}

// acknowledged takes the sender's ACK for a final response ≥ 300. It reports
// false for an INVITE that was answered with 2xx: a sender that uses its branch
// again means the other kind of ACK.
func (s *Server) acknowledged(c *conn, m *sipmsg.Message) bool {
	tx := s.acknowledgedBy(c, m)
	if tx == nil {
		return false
	}
	defer tx.mu.Unlock()
	switch {
	case tx.phase == accepted:
		return false
	case tx.phase == completed && tx.hasOpenAttempts():
		return true // they have to be taken back as soon as they ring: timer H ends it
	}
	tx.phase = tx.phase.next(acknowledged, true)
	if tx.phase == terminated {
		tx.drop()
	}
	return true
}

// hasAnswered reports whether the sender's last response has this To tag.
func (tx *transaction) hasAnswered(tag []byte) bool {
	last, err := sipmsg.Parse(tx.last, ownLimits(&tx.st.Bounds))
	return err == nil && bytes.Equal(last.To().Tag(), tag)
}

// noteDropped logs and counts a request that ends here without an answer.
func (s *Server) noteDropped(c *conn, m *sipmsg.Message, r *refusal) {
	s.metrics.refused(c.side, m.Method, r.reason)
	s.traceRefused(c, m, r, 0)
	c.log().LogAttrs(s.group.Context(), slog.LevelInfo, "request dropped", append(c.messageAttrs(m),
		slog.String("reason", r.reason.String()), slog.String("rule", string(r.rule)), slog.String("detail", verdict.Quotable(r.detail)))...)
}
