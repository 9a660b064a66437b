package sipfed

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// hiding knows how long the pools take to say that a user does not exist, so
// that the edge's own refusal of a user takes as long: with one answer and two
// delays an outsider could still tell them apart (rule hide-user).
type hiding struct {
	usual atomic.Int64 // nanoseconds, a moving average
}

const (
	hideAtFirst = 5 * time.Millisecond // before a pool has said so once
	hideAtMost  = 2 * time.Second
)

// observe notes one answer of a pool.
func (h *hiding) observe(took time.Duration) {
	old := time.Duration(h.usual.Load())
	if old == 0 {
		old = took
	}
	h.usual.Store(int64(min(old+(took-old)/8, hideAtMost)))
}

// delay is how long to wait: the average, give or take half of it.
func (h *hiding) delay() time.Duration {
	usual := time.Duration(h.usual.Load())
	if usual == 0 {
		usual = hideAtFirst
	}
	return usual/2 + rand.N(usual) //nolint:gosec // a delay is no secret
}

// hiddenStatus is the rule hide-user: outside, a user who does not exist, one who
// left and one who may not federate look alike. It returns the status to show
// instead, or 0. From the user of a dialog there is nothing left to hide.
func (tx *transaction) hiddenStatus(status int) int {
	if !tx.adm.inward || tx.adm.dialog && tx.adm.local() == tx.adm.token.local {
		return 0
	}
	switch status {
	case 404, 410, 484, 485, 604:
		return answerTo(verdict.UserNotFederated, External).status
	default:
		return 0
	}
}

// hideUser refuses a request because of its local user, looking like a pool that
// does not know the user: an INVITE gets its 100, and the answer takes its time.
func (s *Server) hideUser(st *State, c *conn, m *sipmsg.Message, adm *admission, r *refusal) {
	adm.decision.Rule = r.rule
	tx := newTransaction(s, st, c, m, adm)
	if !tx.wantsAnswer() {
		s.noteDropped(c, m, r)
		m.Release()
		return
	}
	if !s.enter(tx) {
		m.Release()
		return
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.failure = r
	tx.connectBy = tx.born // the next timer is the last
	tx.begin()
	tx.arm(s.hiding.delay())
}
