package sipfed

import (
	"bytes"
	"log/slog"
	"time"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// handleResponse takes a response back to where its request came from
// (RFC 3261 §16.7). A response that no attempt awaits is dropped (RFC 6026 §8.2).
func (s *Server) handleResponse(c *conn, m *sipmsg.Message) {
	defer s.forgetAccepted(time.Time{})
	if s.respond(c, m) {
		return
	}
	if _, method := m.CSeq(); method != "CANCEL" && method != "BENOTIFY" { // ours are answered, these should not be
		s.metrics.stray(c.side)
		c.log().Debug("response dropped", slog.Int("status", m.Status), slog.String("reason", "no transaction"))
	}
}

// respond handles a response that c has read. It reports false for one that nobody
// waits for.
func (s *Server) respond(c *conn, m *sipmsg.Message) bool {
	// §16.7 step 1: our Via on top, a branch we know, the connection it left on.
	via := m.Via()
	if !s.state.Load().ownVia(via) || !bytes.HasPrefix(via.Branch(), []byte(branchMark)) {
		return false
	}
	a := s.table.client(via.Branch())
	if a == nil {
		return false
	}
	tx := a.tx
	defer tx.mu.Unlock()
	_, method := m.CSeq()
	if a.conn.key != c.key || a.conn.side != c.side || method != tx.method || tx.phase == terminated || !tx.answeredBy(m) {
		return false
	}
	tx.by = c
	defer func() { tx.by = nil }()
	tx.srv.metrics.response(tx.adm.inward, m.Status)
	if tx.srv.cfg.Tap.On() {
		tx.traceResponse(a, m)
	}
	switch {
	case m.Status < 200:
		tx.ring(a, m)
	case m.Status < 300:
		tx.succeed(a, m)
	default:
		tx.refused(a, m)
	}
	return true
}

// ring passes a provisional response on; a 100 is for this hop only, and a
// request other than INVITE has none (RFC 4320 §4.1).
func (tx *transaction) ring(a *attempt, m *sipmsg.Message) {
	if !tx.invite() || a.over {
		return
	}
	a.rung = true
	if a != tx.current || tx.cancelled || !tx.phase.open() {
		tx.cancelAttempt(a) // §9.1: only now may it be sent
		return
	}
	tx.phase = tx.phase.next(provisional, true)
	tx.arm(tx.st.Bounds.InviteTimeout) // timer C, §16.7 step 2
	if m.Status > 100 {
		tx.forward(a, m)
	}
}

// succeed passes a 2xx on: every one of them, for an INVITE (RFC 6026 §7).
func (tx *transaction) succeed(a *attempt, m *sipmsg.Message) {
	first := tx.phase.open()
	if !first && !tx.invite() {
		return
	}
	a.settle()
	tx.forward(a, m)
	if first {
		tx.adm.report(tx.st, tx.from, m.Status)
		tx.finish(nil, m.Status)
	}
}

// refused handles a final response of 300 or more: the next target is tried
// after a 503, otherwise the sender gets it.
func (tx *transaction) refused(a *attempt, m *sipmsg.Message) {
	if tx.invite() {
		tx.acknowledge(a, m) // §17.1.1.3, hop by hop, also for a repeated one
	}
	if a.over || !tx.phase.open() {
		return
	}
	a.settle()
	if a != tx.current {
		return
	}
	if m.Status == 503 {
		tx.failure = refuse(verdict.PeerRefused, "%s answered 503", a.target)
		if d, ok := retryAfter(m); ok {
			tx.link.rest(a.target, d)
		}
		if len(tx.targets) > 0 && !tx.cancelled {
			tx.retry()
			return
		}
		tx.fail(tx.failure) // §16.7 step 6: one server's 503 is not the edge's
		return
	}
	status := m.Status
	if hidden := tx.hiddenStatus(m); hidden != 0 {
		status = hidden
		tx.srv.hiding.observe(time.Since(tx.born))
		tx.reply(hidden, notFound)
	} else {
		tx.forward(a, m)
	}
	tx.adm.report(tx.st, tx.from, status)
	if tx.cancelled && status == 487 {
		tx.finish(refuse(verdict.Cancelled, "taken back by its sender"), status)
		return
	}
	tx.finish(nil, status) // policy said yes; what the peer says is its own affair
}

// settle marks an attempt as finally answered.
func (a *attempt) settle() {
	a.over = true
	a.conn.settle(a)
}

// forward sends a response on, without our Via and with the headers that the
// receiving side may see (§16.7 steps 3 and 9). Everything else stays.
func (tx *transaction) forward(a *attempt, m *sipmsg.Message) {
	out := tx.srv.buffers.get()
	defer tx.srv.buffers.put(out)
	out.b = tx.srv.appendForwarded(out.b, tx, a, m)
	tx.deliver(m.Status, out.b)
}

// acknowledge sends the ACK for a final response ≥ 300 (§17.1.1.3).
func (tx *transaction) acknowledge(a *attempt, m *sipmsg.Message) {
	sent := tx.asSent(a)
	if sent == nil {
		return
	}
	_ = a.conn.send(sipmsg.AppendACK(nil, sent, m))
}
