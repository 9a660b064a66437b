package sipfed

import (
	"time"

	"edged/pkg/verdict"
)

// hintAfter is when a request other than INVITE gets a 100 of ours: the time in
// which Timer E would have reached T2 (RFC 4320 §4.1: 500 ms + 1 s + 2 s).
const hintAfter = 3500 * time.Millisecond

// arm sets the transaction's one timer.
func (tx *transaction) arm(d time.Duration) {
	tx.due = time.Now().Add(d)
	tx.startTimer(d)
}

// armFor sets it for a moment; one that has passed already comes in a moment.
func (tx *transaction) armFor(due time.Time) {
	tx.due = due
	tx.startTimer(time.Until(due))
}

func (tx *transaction) startTimer(in time.Duration) {
	in = max(in, time.Millisecond)
	if tx.timer == nil {
		tx.timer = time.AfterFunc(in, tx.expire)
		return
	}
	tx.timer.Reset(in)
}

// armConnecting sets the timer of a request that waits for a connection.
func (tx *transaction) armConnecting() {
	by := tx.connectBy
	if hint := tx.born.Add(hintAfter); tx.owesHint() && hint.Before(by) {
		by = hint
	}
	tx.armFor(by)
}

// owesHint reports whether a 100 of ours is still due (RFC 4320 §4.1).
func (tx *transaction) owesHint() bool { return !tx.invite() && !tx.hinted && tx.wantsAnswer() }

// armSent sets the timer that fits a request just sent.
func (tx *transaction) armSent() {
	switch b := &tx.st.Bounds; {
	case tx.invite() && tx.mayRetry():
		tx.arm(b.InviteTargetTimeout)
	case tx.invite() || tx.hinted:
		tx.armFor(tx.born.Add(b.TransactionTimeout)) // timers B and F
	default:
		tx.armFor(tx.born.Add(min(hintAfter, b.TransactionTimeout)))
	}
}

// mayRetry reports whether a silent target may be left for the next one: both ring
// then, as far as Max-Breadth allows.
func (tx *transaction) mayRetry() bool {
	return len(tx.targets) > 0 && !tx.cancelled && tx.breadthLeft() > 0 && time.Now().Before(tx.connectBy)
}

// remaining is what is left of 64*T1 since the request came.
func (tx *transaction) remaining() time.Duration {
	return max(time.Until(tx.born.Add(tx.st.Bounds.TransactionTimeout)), time.Millisecond)
}

// expire is the timer: what it means depends on the phase.
func (tx *transaction) expire() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.due.IsZero() || time.Now().Before(tx.due) {
		return // set anew while it fired, maybe for another request
	}
	switch tx.phase {
	case connecting:
		if tx.owesHint() && time.Now().Before(tx.connectBy) {
			tx.hint()
			tx.armConnecting()
			return
		}
		tx.failConnecting()
	case calling, proceeding:
		tx.silence()
	case accepted, completed:
		tx.drop()
	case terminated:
	}
}

func (tx *transaction) failConnecting() {
	r := tx.failure
	if r == nil {
		r = refuse(verdict.ConnectFailed, "no target could be reached within limits.connect_total")
	}
	tx.fail(tx.unreached(r))
}

// hint tells the sender that its request is under way.
func (tx *transaction) hint() {
	tx.hinted = true
	tx.reply(100, "Trying")
}

// silence deals with a next hop that has not answered in time.
func (tx *transaction) silence() {
	tx.current.doubt()
	switch {
	case tx.owesHint() && tx.remaining() > time.Millisecond:
		tx.hint()
		tx.armSent()
	case tx.invite() && tx.phase == calling && tx.mayRetry():
		tx.failure = refuse(verdict.NoAnswer, "%s did not answer the INVITE", tx.current.target)
		tx.retry()
	case tx.phase == proceeding && tx.invite() && !tx.cancelled:
		// Timer C, §16.8: what rings is taken back as the transaction ends.
		tx.fail(refuse(verdict.NoAnswer, "no final response within limits.invite_timeout"))
	case tx.cancelled:
		tx.fail(refuse(verdict.Cancelled, "no final response after CANCEL"))
	default:
		tx.fail(refuse(verdict.NoAnswer, "%s accepted the request and stayed silent", tx.current.target))
	}
}
