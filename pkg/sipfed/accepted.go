package sipfed

import (
	"slices"
	"sync"
	"time"
)

// acceptedInvites holds the INVITEs that a 2xx has answered, oldest first. For 64*T1 they
// take repeated INVITEs and further 2xx (RFC 6026 §7, timers L and M). They owe
// nobody an answer and count as nothing under way; where there are too many, the
// oldest is forgotten before its time.
type acceptedInvites struct {
	mu    sync.Mutex
	queue []*transaction // due in this order
}

func (q *acceptedInvites) push(tx *transaction) {
	q.mu.Lock()
	q.queue = append(q.queue, tx)
	q.mu.Unlock()
}

// pop takes the oldest if its time is over, or if there are more than most.
func (q *acceptedInvites) pop(now time.Time, most int) *transaction {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 || len(q.queue) <= most && now.Before(q.queue[0].due) {
		return nil
	}
	tx := q.queue[0]
	q.queue[0] = nil
	q.queue = q.queue[1:]
	return tx
}

// forgetAccepted drops what pop takes. The caller holds no transaction's lock.
func (s *Server) forgetAccepted(now time.Time) {
	most := s.state.Load().Bounds.AcceptedInvites
	for tx := s.accepted.pop(now, most); tx != nil; tx = s.accepted.pop(now, most) {
		tx.mu.Lock()
		tx.drop()
		tx.mu.Unlock()
	}
}

// accept keeps what may be needed of an INVITE that a 2xx has answered.
func (tx *transaction) accept() {
	if tx.timer != nil {
		tx.timer.Stop()
	}
	tx.due = time.Now().Add(tx.st.Bounds.TransactionTimeout)
	tx.last = nil
	if !tx.hasOpenAttempts() { // which have to be taken back as soon as they ring
		tx.letGo()
	}
	tx.leave()
	tx.lingers = true
	tx.srv.accepted.push(tx)
}

func (tx *transaction) hasOpenAttempts() bool {
	return slices.ContainsFunc(append(tx.earlier, tx.current), func(a *attempt) bool { return a != nil && !a.over })
}

// leave takes a transaction off the accounts of what is under way, once.
func (tx *transaction) leave() {
	if tx.left {
		return
	}
	tx.left = true
	tx.srv.table.size.Add(-1)
	tx.from.answered()
	tx.srv.metrics.transactions(-1)
}
