package sipfed

import (
	"bytes"
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
// instead, or 0. Of the user of a dialog there is nothing left to hide; of another user
// whom a dialog does not concern, all is.
func (tx *transaction) hiddenStatus(m *sipmsg.Message) int {
	if !tx.adm.inward || tx.adm.toItsUser() {
		return 0
	}
	if deniesUser(m) || tx.adm.dialog && m.Status == 481 {
		return answerTo(verdict.UserNotFederated, External).status
	}
	return 0
}

// deniesUser reports whether a pool's answer says that there is no such user, or
// none for outsiders: by its status, or by the reason that a pool of Microsoft's
// gives for any other refusal (MS-OCER §8.2).
func deniesUser(m *sipmsg.Message) bool {
	switch m.Status {
	case 404, 410, 484, 485, 604:
		return true
	}
	for v := range m.Each(sipmsg.MSDiagnostics) {
		id, _, _ := bytes.Cut(v.Text, []byte(";"))
		switch string(bytes.TrimSpace(id)) {
		case "1001", "1002", "1003", "1012", "4003", "4005", "4006":
			return m.Status >= 400
		}
	}
	return false
}

// hideUser refuses a request because of its local user, looking like a pool that
// does not know the user: an INVITE gets its 100, and the answer takes its time. Where the
// pool cannot be reached, or takes no more, that is the answer here as well.
func (s *Server) hideUser(st *State, c *conn, m *sipmsg.Message, adm *admission, r *refusal) {
	adm.decision.Rule = r.rule
	tx := s.newTransaction(st, c, m, adm)
	defer tx.mu.Unlock()
	if !tx.wantsAnswer() {
		s.noteDropped(c, m, r)
		tx.drop()
		return
	}
	if !s.enter(tx) {
		tx.drop()
		return
	}
	tx.hidden = r
	if pool := st.pools[adm.local().Domain]; pool != nil && !adm.dialog {
		adm.token.pool = pool.Name
	}
	tx.begin()
	tx.armConnecting()
	tx.route()
}

// pretend is what happens instead of sending a request whose user is hidden.
func (tx *transaction) pretend() {
	tx.failure = tx.hidden
	tx.connectBy = tx.born // the next timer is the last
	tx.arm(tx.srv.hiding.delay())
}
