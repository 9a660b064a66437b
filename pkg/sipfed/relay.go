package sipfed

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"edged/pkg/limit"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// transaction is one request under way: the server transaction towards its
// sender and, one after the other, the attempts at its next hops. What is gone serves
// the next request (recycle): a pointer to it is good only under its lock, and after
// another look at what it stands for.
type transaction struct {
	mu    sync.Mutex
	timer *time.Timer // set anew by each of its lives
	first attempt
	life
}

// life is what a transaction is for one request.
type life struct {
	// Fixed once it is in the table.
	srv  *Server
	st   *State // that it was judged by
	key  string
	from *conn
	adm  *admission
	born time.Time

	method string
	echo   echo
	size   int64           // bytes that are counted for it; 0: none any more
	to     *limit.Share    // outward: of the partner that it goes to
	req    *sipmsg.Message // retained; nil once a 2xx has answered an INVITE, or the transaction is dropped

	by        *conn // whose reader is at work on it; nil if none is
	phase     phase
	link      *link
	targets   []string // still untried, best first
	current   *attempt
	earlier   []*attempt // INVITE: given up for the next target, may still answer
	redials   int        // connections that ended before the request was written to them
	cancelled bool
	left      bool      // it counts as under way no more
	hinted    bool      // non-INVITE: 100 was sent (RFC 4320 §4.1)
	failure   *refusal  // of the last attempt
	hidden    *refusal  // why it is not sent at all, which nobody shall notice
	last      []byte    // INVITE: the last response sent to the sender
	due       time.Time // when the timer means something: it may fire late, after it was set anew; zero: never
	connectBy time.Time
	lingers   bool // in a queue, or in more than one connection's hands: not to be recycled
}

// attempt is one client transaction: the request on its way to one target.
type attempt struct {
	tx *transaction
	trip
}

// trip is what an attempt is for one request.
type trip struct {
	branch    string
	target    string
	breadth   int // its share of Max-Breadth
	conn      *conn
	end       int64  // where it ends in the connection's stream of bytes
	heard     uint64 // what the connection had heard before it was sent
	rung      bool   // a provisional response came
	over      bool   // a final response came, or the connection was lost
	takenBack bool   // CANCEL was sent
	response  []byte // instead of a request: what goes back to its sender (comeback.go)
}

func (tx *transaction) invite() bool { return tx.method == "INVITE" }

// forwardRequest sends an admitted request on its way (RFC 3261 §16.6). It
// returns at once: what must wait, for DNS or for a connection, waits in the
// queue of its next hop.
func (s *Server) forwardRequest(st *State, c *conn, m *sipmsg.Message, adm *admission) {
	tx := s.newTransaction(st, c, m, adm)
	defer tx.mu.Unlock()
	if !s.enter(tx) {
		tx.drop()
		return
	}
	tx.by = c
	defer func() { tx.by = nil }()
	tx.begin()
	switch {
	case adm.undecided:
		s.lookups.wait(tx)
	case !adm.inward && s.lookups.behind(tx):
	default:
		tx.route()
	}
	if tx.phase == connecting {
		tx.armConnecting()
	}
}

// newTransaction holds the request until the transaction is dropped. It is locked:
// nobody may find it in the table before it is complete.
func (s *Server) newTransaction(st *State, c *conn, m *sipmsg.Message, adm *admission) *transaction {
	tx, _ := s.transactions.Get().(*transaction)
	if tx == nil {
		tx = new(transaction)
		tx.first.tx = tx
	}
	tx.mu.Lock()
	m.Retain()
	tx.first.trip = trip{}
	tx.life = life{srv: s, st: st, from: c, req: m, method: m.Method, echo: newEcho(st, s.table.seed, m), adm: adm, born: c.now}
	tx.connectBy = tx.born.Add(st.Bounds.ConnectTotal)
	return tx
}

// begin answers an INVITE with 100 at once, so that the sender's timers rest
// (§17.2.1).
func (tx *transaction) begin() {
	if tx.invite() {
		tx.reply(100, "Trying")
	}
}

// wantsAnswer reports whether the request has responses. The ACK of a 2xx has
// none, nor has BENOTIFY (MS-SIP §3.5), a NOTIFY without a response: they wait
// for a connection like others, and are forgotten once they are written.
func (tx *transaction) wantsAnswer() bool {
	return tx.method != "BENOTIFY" && tx.method != "ACK"
}

// enter puts a transaction, whose lock is held, into the table, within its bounds, or
// answers. A request without responses needs no place there.
func (s *Server) enter(tx *transaction) bool {
	refused := s.crowded(tx)
	if refused == nil && tx.wantsAnswer() {
		tx.key = tx.adm.key
		known, err := s.table.add(tx, tx.st.Bounds.Transactions)
		if known != nil {
			s.absorb(tx.from, tx.key) // it came on two connections at once
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
	tx.charge()
	if tx.wantsAnswer() {
		tx.from.pending.Add(1)
		s.metrics.transactions(1)
	}
	return true
}

// route plans the way of a decided request and tries the first target.
func (tx *transaction) route() {
	l, targets, refused := tx.srv.plan(tx.st, tx.adm, tx.req)
	if refused == nil {
		refused = tx.chargeTo(l)
	}
	if refused != nil {
		tx.fail(refused)
		return
	}
	tx.link, tx.targets = l, targets
	tx.try()
}

// plan names the link and the targets of an admitted request.
func (s *Server) plan(st *State, adm *admission, m *sipmsg.Message) (*link, []string, *refusal) {
	if adm.inward {
		return s.planPool(st, adm, m)
	}
	return s.planPartner(st, adm, m)
}

// try takes target after target until one has a connection, or one is being
// dialled, or none is left (RFC 3263 §4.3).
func (tx *transaction) try() {
	tx.current = nil
	for len(tx.targets) > 0 && tx.phase.open() {
		if !time.Now().Before(tx.connectBy) {
			break
		}
		a := tx.newAttempt(tx.targets[0])
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
	tx.failConnecting()
}

// newAttempt makes an attempt; the first one, mostly the only one, is part of the
// transaction.
func (tx *transaction) newAttempt(target string) *attempt {
	a := &tx.first
	if a.target != "" {
		a = &attempt{tx: tx}
	}
	a.target = target
	return a
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
func (a *attempt) resume(c *conn, refused *refusal) {
	if a.response != nil {
		a.deliverOn(c)
		return
	}
	a.tx.resume(a, c, refused)
}

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
	if tx.hidden != nil {
		tx.pretend()
		return true
	}
	a.conn, a.heard, a.breadth = c, c.heard.Load(), tx.share()
	a.branch = tx.srv.newBranch(tx.req, tx.adm)
	if tx.wantsAnswer() {
		tx.srv.table.addClient(a)
	}
	waits := a
	if !tx.wantsAnswer() {
		waits = nil
	}
	out := tx.srv.buffers.get()
	defer tx.srv.buffers.put(out)
	out.b = tx.srv.appendRequest(out.b, tx, c.side, a)
	if err := c.queue(tx.by, waits, out.b); err != nil {
		tx.srv.table.removeClient(a)
		tx.unsent(a, err)
		return false
	}
	if c.side == External {
		c.accepted(tx.adm.remote(), tx.adm.decision.Partner, false)
	}
	tx.current = a
	tx.phase = tx.phase.next(sent, tx.invite())
	tx.srv.metrics.relayed(tx.adm.inward, time.Since(tx.born))
	tx.logSent(a)
	if tx.srv.cfg.Tap.On() {
		tx.traceSent(a)
	}
	if !tx.wantsAnswer() {
		tx.srv.metrics.request(tx, nil, 0)
		tx.log(nil, 0)
		tx.drop()
		return true
	}
	tx.armSent()
	return true
}

// unsent notes why a request could not even be queued. A connection that ended,
// or was retired, between the dial and this moment says nothing against its
// target: it is tried again, a few times.
func (tx *transaction) unsent(a *attempt, err error) {
	if errors.Is(err, errQueueFull) {
		tx.failure = refuse(verdict.QueueFull, "%s does not take what is queued for it", a.target)
		return
	}
	tx.failure = refuse(verdict.ConnectionLost, "connection to %s was lost", a.target)
	tx.redial(a.target)
}

// redial puts a target back in front, for a fresh connection, a few times.
func (tx *transaction) redial(target string) {
	if tx.redials++; tx.redials <= maxRedials {
		tx.targets = slices.Insert(tx.targets, 0, target)
	}
}

// lost tells an attempt that its connection is gone. What was never written, or
// was written to a peer that refused our certificate, may go elsewhere; an
// INVITE may too (RFC 3261 §16.9); anything else may have been done by the peer
// already, and sending it again would double it.
func (a *attempt) lost(c *conn, end int64, refused, unwritten bool) {
	tx := a.tx
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if a.conn != c || a.end != end {
		return // of an earlier life
	}
	tx.srv.table.removeClient(a)
	a.over = true
	if !tx.phase.open() || tx.current != a {
		return
	}
	tx.failure = refuse(verdict.ConnectionLost, "connection to %s was lost before it answered", a.target)
	if refused {
		tx.failure = refuse(verdict.TLSFailed, "%s refused our certificate", a.target)
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
		tx.redial(a.target)
	}
	tx.retry()
}

// retry leaves the current attempt, which may still answer, for the next target.
func (tx *transaction) retry() {
	tx.lingers = true
	tx.earlier = append(tx.earlier, tx.current)
	tx.phase = tx.phase.next(retried, tx.invite())
	tx.armConnecting()
	tx.try()
}

// newBranch makes a branch that no other transaction has, with the loop hash in
// front (RFC 3261 §16.6 step 8).
func (s *Server) newBranch(m *sipmsg.Message, adm *admission) string {
	hash := loopHash(m, adm)
	b := make([]byte, 0, 64)
	b = append(b, branchMark...)
	b = append(b, hash[:]...)
	b = append(b, '-')
	b = append(b, s.instance...)
	b = strconv.AppendUint(b, s.branches.Add(1), 36)
	return string(b)
}
