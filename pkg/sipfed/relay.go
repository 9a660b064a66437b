package sipfed

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// transaction is one request under way: the server transaction towards its
// sender and, one after the other, the attempts at its next hops.
type transaction struct {
	// Fixed once it is in the table.
	srv  *Server
	st   *State // that it was judged by
	key  string
	from *conn
	req  *sipmsg.Message
	adm  *admission
	born time.Time

	mu        sync.Mutex
	phase     phase
	link      *link
	targets   []string // still untried, best first
	current   *attempt
	earlier   []*attempt // INVITE: given up for the next target, may still answer
	cancelled bool
	hinted    bool     // non-INVITE: 100 was sent (RFC 4320 §4.1)
	failure   *refusal // of the last attempt
	last      []byte   // INVITE: the last response sent to the sender
	timer     *time.Timer
	due       time.Time // when the timer means something: it may fire late, after it was set anew
	connectBy time.Time
}

// attempt is one client transaction: the request on its way to one target.
type attempt struct {
	tx     *transaction
	branch string
	target string
	conn   *conn
	end    int64  // where it ends in the connection's stream of bytes
	sent   []byte // INVITE: as sent, for ACK and CANCEL
	rung   bool   // a provisional response came
	over   bool   // a final response came, or the connection was lost
	called bool   // CANCEL was sent
}

func (tx *transaction) invite() bool { return tx.req.Method == "INVITE" }

// forwardRequest sends an admitted request on its way (RFC 3261 §16.6). It
// returns at once: what must wait, for DNS or for a connection, waits in the
// queue of its next hop.
func (s *Server) forwardRequest(st *State, c *conn, m *sipmsg.Message, adm *admission) {
	tx := newTransaction(s, st, c, m, adm)
	if !s.enter(tx) {
		return
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.begin()
	if adm.undecided {
		s.lookups.wait(tx)
		return
	}
	if !adm.inward && s.lookups.behind(tx) {
		return
	}
	tx.route()
}

func newTransaction(s *Server, st *State, c *conn, m *sipmsg.Message, adm *admission) *transaction {
	tx := &transaction{srv: s, st: st, from: c, req: m, adm: adm, born: time.Now()}
	tx.connectBy = tx.born.Add(st.Bounds.ConnectTotal)
	return tx
}

// begin starts the clock. An INVITE gets its 100 at once, so that the sender's
// timers rest (§17.2.1).
func (tx *transaction) begin() {
	if tx.invite() {
		tx.reply(100, "Trying")
	}
	tx.armConnecting()
}

// answered reports whether the request has responses. The ACK of a 2xx has
// none, nor has BENOTIFY (MS-SIP §3.5), a NOTIFY without a response: they wait
// for a connection like others, and are forgotten once they are written.
func (tx *transaction) answered() bool {
	return tx.req.Method != "BENOTIFY" && tx.req.Method != "ACK"
}

// enter puts a transaction into the table, within its bounds, or answers. A
// request without responses needs no place there.
func (s *Server) enter(tx *transaction) bool {
	if !tx.answered() {
		return true
	}
	tx.key = serverKey(tx.from, tx.req)
	refused := s.crowded(tx)
	if refused == nil {
		known, err := s.table.add(tx, tx.st.Bounds.Transactions)
		if known != nil {
			known.repeat(tx.from) // it came on two connections at once
			return false
		}
		if err != nil {
			refused = refuse(verdict.Overloaded, "limits.transactions reached")
		}
	}
	if refused != nil {
		s.answerRefusal(tx.from, tx.req, refused)
		return false
	}
	tx.from.pending.Add(1)
	s.metrics.transactions(1)
	return true
}

// crowded refuses what this edge or this connection has no room for.
func (s *Server) crowded(tx *transaction) *refusal {
	switch {
	case s.stopping.Load():
		return refuse(verdict.ShuttingDown, "this edge takes no new requests")
	case tx.from.pending.Load() >= int64(tx.st.Bounds.TransactionsPerConnection):
		return refuse(verdict.BudgetExhausted, "limits.transactions_per_connection reached")
	}
	return nil
}

// route plans the way of a decided request and tries the first target.
func (tx *transaction) route() {
	l, targets, refused := tx.srv.plan(tx.st, tx.adm, tx.req)
	if refused != nil {
		tx.fail(refused)
		return
	}
	tx.link, tx.targets = l, targets
	tx.try()
}

// try takes target after target until one has a connection, or one is being
// dialled, or none is left (RFC 3263 §4.3).
func (tx *transaction) try() {
	tx.current = nil
	for len(tx.targets) > 0 && tx.phase.open() {
		if !time.Now().Before(tx.connectBy) {
			break
		}
		a := &attempt{tx: tx, target: tx.targets[0]}
		tx.targets = tx.targets[1:]
		c, refused := tx.link.obtain(a)
		switch {
		case refused != nil:
			tx.failure = refused
		case c == nil:
			return // dialling; resume continues here
		case tx.send(a, c):
			return
		}
	}
	if tx.failure == nil {
		tx.failure = refuse(verdict.ConnectFailed, "no target could be reached")
	}
	tx.fail(tx.unreached(tx.failure))
}

// unreached says the same of a pool as one reason: which of its members failed
// how is no partner's business, and is in the detail.
func (tx *transaction) unreached(r *refusal) *refusal {
	if !tx.adm.inward {
		return r
	}
	switch r.reason {
	case verdict.ConnectFailed, verdict.TLSFailed, verdict.CertificateRefused, verdict.DNSNoAddress, verdict.DNSFailed:
		return refuse(verdict.PoolDown, "pool %s: %s", tx.adm.token.pool, r.detail)
	default:
		return r
	}
}

// resume is called by the link when a dial has ended, well or not.
func (tx *transaction) resume(a *attempt, c *conn, refused *refusal) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.phase != connecting {
		return // cancelled or timed out meanwhile
	}
	if refused == nil && tx.send(a, c) {
		return
	}
	if refused != nil {
		tx.failure = refused
	}
	tx.try()
}

// send puts the request into a connection's buffer with a branch of its own.
func (tx *transaction) send(a *attempt, c *conn) bool {
	a.conn = c
	a.branch = tx.srv.newBranch(tx.req, tx.adm.next)
	if tx.answered() {
		tx.srv.table.addClient(a)
	}
	waits := a
	if !tx.answered() {
		waits = nil
	}
	err := c.sendFor(waits, func(dst []byte) []byte {
		start := len(dst)
		dst = tx.srv.appendRequest(dst, tx, c.side, a)
		if tx.invite() {
			a.sent = append([]byte(nil), dst[start:]...)
		}
		return dst
	})
	if err != nil {
		tx.srv.table.removeClient(a)
		tx.failure = refuse(verdict.ConnectionLost, "connection to %s was lost", a.target)
		if errors.Is(err, errQueueFull) {
			tx.failure = refuse(verdict.QueueFull, "%s does not take what is queued for it", a.target)
		}
		return false
	}
	if c.side == External {
		c.accepted(tx.adm.remote())
	}
	tx.current = a
	tx.phase = tx.phase.next(sent, tx.invite())
	tx.srv.metrics.relayed(tx.adm.inward, time.Since(tx.born))
	if !tx.answered() {
		tx.srv.metrics.request(tx, nil, 0)
		tx.log(nil, 0)
		tx.drop()
		return true
	}
	tx.armSent()
	return true
}

// lost tells an attempt that its connection is gone. What was never written, or
// was written to a peer that refused our certificate, may go elsewhere; an
// INVITE may too (RFC 3261 §16.9); anything else may have been done by the peer
// already, and sending it again would double it.
func (a *attempt) lost(refused, unwritten bool) {
	tx := a.tx
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.srv.table.removeClient(a)
	a.over = true
	if !tx.phase.open() || tx.current != a {
		return
	}
	tx.failure = refuse(verdict.ConnectionLost, "connection to %s was lost before it answered", a.target)
	if refused {
		tx.failure = refuse(verdict.TLSFailed, "%s refused our certificate", a.target)
		tx.link.failed(a.target, tx.failure)
	}
	again := refused || unwritten || tx.invite() && !a.rung
	if !again || tx.cancelled {
		if !refused && !unwritten {
			tx.srv.metrics.uncertain()
		}
		tx.fail(tx.failure)
		return
	}
	if unwritten && !refused {
		tx.targets = append([]string{a.target}, tx.targets...) // once more on a fresh connection (spec-sip T17)
	}
	tx.phase = tx.phase.next(retried, tx.invite())
	tx.try()
}

// fail ends a transaction with an answer of the edge's own.
func (tx *transaction) fail(r *refusal) {
	if !tx.phase.open() {
		return
	}
	a := answerTo(r.reason, tx.from.side)
	if !tx.answered() {
		tx.srv.noteDropped(tx.from, tx.req, r)
		tx.drop()
		return
	}
	if a.status == 408 && !tx.invite() {
		tx.finish(r, 0) // RFC 4320 §4.2: nothing that arrives this late is of use
		return
	}
	tx.replyWith(a, r)
	tx.finish(r, a.status)
}

// reply sends a response of the edge's own to the sender.
func (tx *transaction) reply(status int, phrase string, extra ...string) {
	var tag string
	if status > 100 {
		tag = tx.srv.newTag()
	}
	tx.deliver(sipmsg.AppendResponse(nil, tx.req, status, phrase, tag, extra...))
}

func (tx *transaction) replyWith(a answer, r *refusal) {
	phrase := a.phrase
	if r.phrase != "" {
		phrase = r.phrase
	}
	tx.reply(a.status, phrase, tx.srv.answerLines(tx.st, tx.from.side, a, r)...)
}

// deliver sends a response to the connection that the request came on, or, if
// that is gone, to another one that the same certificate has proven (RFC 3261
// §18.2.2; a connection of ours to the Via's address is not tried).
func (tx *transaction) deliver(response []byte) {
	if tx.invite() {
		tx.last = response
	}
	if tx.from.sendBytes(response) == nil {
		return
	}
	if other := tx.srv.sibling(tx.from); other == nil || other.sendBytes(response) != nil {
		tx.srv.metrics.undelivered(tx.from.side)
	}
}

// finish notes the end of a transaction's visible life: its final response has
// been sent, or none ever will be.
func (tx *transaction) finish(r *refusal, status int) {
	e := failure
	if status >= 200 && status < 300 {
		e = success
	}
	if status == 0 {
		e = expired
	}
	tx.phase = tx.phase.next(e, tx.invite())
	tx.srv.metrics.request(tx, r, status)
	tx.log(r, status)
	if tx.phase == terminated {
		tx.drop()
		return
	}
	tx.arm(tx.st.Bounds.TransactionTimeout) // timers H and L
}

// drop forgets a terminated transaction.
func (tx *transaction) drop() {
	tx.phase = terminated
	if tx.timer != nil {
		tx.timer.Stop()
	}
	if tx.srv.table.remove(tx) {
		tx.from.pending.Add(-1)
		tx.srv.metrics.transactions(-1)
	}
	for _, a := range append(tx.earlier, tx.current) {
		if a != nil && a.conn != nil {
			tx.srv.table.removeClient(a)
			a.conn.settle(a)
		}
	}
}

// owes reports whether the sender still waits for a final response.
func (tx *transaction) owes() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.phase.open()
}

// log writes the one line of a transaction: what was relayed at debug, what
// this edge ended itself at info.
func (tx *transaction) log(r *refusal, status int) {
	rule := tx.adm.decision.Rule
	if r == nil {
		if tx.from.log.Enabled(tx.srv.ctx, slog.LevelDebug) {
			tx.from.log.LogAttrs(tx.srv.ctx, slog.LevelDebug, "request relayed", tx.outcome(verdict.Allowed, rule, status)...)
		}
		return
	}
	if r.rule != "" {
		rule = r.rule
	}
	tx.from.log.LogAttrs(tx.srv.ctx, slog.LevelInfo, "request failed",
		append(tx.outcome(r.reason, rule, status), slog.String("detail", quotable(r.detail)))...)
}

func (tx *transaction) outcome(reason verdict.Reason, rule verdict.Rule, status int) []slog.Attr {
	return append(messageAttrs(tx.req), slog.String("reason", reason.String()), slog.String("rule", string(rule)),
		slog.Int("status", status), slog.Duration("dur", time.Since(tx.born)))
}

// messageAttrs describes a request in logs: never a body, never unescaped text
// of a peer.
func messageAttrs(m *sipmsg.Message) []slog.Attr {
	return []slog.Attr{
		slog.String("proto", "sip"), slog.String("method", quotable(m.Method)),
		slog.String("from", quotable(string(m.From().URI))), slog.String("to", quotable(string(m.To().URI))),
		slog.String("uri", quotable(string(m.RequestURI()))), slog.String("call_id", quotable(string(m.CallID()))),
	}
}

// newBranch makes a branch that no other transaction has, with the loop hash in
// front (RFC 3261 §16.6 step 8).
func (s *Server) newBranch(m *sipmsg.Message, next []byte) string {
	hash := loopHash(m, next)
	b := make([]byte, 0, 64)
	b = append(b, branchMark...)
	b = append(b, hash[:]...)
	b = append(b, '-')
	b = append(b, s.instance...)
	b = strconv.AppendUint(b, s.branches.Add(1), 36)
	return string(b)
}
