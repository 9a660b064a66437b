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
	if tx.timer == nil {
		tx.timer = time.AfterFunc(d, tx.expire)
		return
	}
	tx.timer.Reset(d)
}

// armSent sets the timer that fits a request just sent, or rung.
func (tx *transaction) armSent() {
	b := tx.st.Bounds
	switch {
	case tx.phase == proceeding && tx.invite():
		tx.arm(b.InviteTimeout) // timer C, RFC 3261 §16.6 step 11
	case tx.invite() && len(tx.targets) > 0:
		tx.arm(b.InviteTargetTimeout)
	case tx.invite() || tx.hinted:
		tx.arm(tx.remaining()) // timers B and F
	default:
		tx.arm(min(hintAfter, tx.remaining()))
	}
}

// remaining is what is left of 64*T1 since the request came.
func (tx *transaction) remaining() time.Duration {
	return max(time.Until(tx.born.Add(tx.st.Bounds.TransactionTimeout)), time.Millisecond)
}

// expire is the timer: what it means depends on the phase.
func (tx *transaction) expire() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	switch tx.phase {
	case connecting:
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
		r = refuse(verdict.ConnectFailed, "no connection within limits.connect_total")
	}
	tx.fail(tx.unreached(r))
}

// silence deals with a next hop that has not answered in time.
func (tx *transaction) silence() {
	switch {
	case !tx.invite() && !tx.hinted && tx.remaining() > time.Millisecond:
		tx.hinted = true
		tx.reply(100, "Trying")
		tx.armSent()
	case tx.invite() && tx.phase == calling && len(tx.targets) > 0 && !tx.cancelled:
		tx.earlier = append(tx.earlier, tx.current)
		tx.failure = refuse(verdict.NoAnswer, "%s did not answer the INVITE", tx.current.target)
		tx.phase = tx.phase.next(retried, true)
		tx.try()
	case tx.phase == proceeding && tx.invite() && !tx.cancelled:
		tx.cancel() // timer C, §16.8
		tx.fail(refuse(verdict.NoAnswer, "no final response within limits.invite_timeout"))
	case tx.cancelled:
		tx.fail(refuse(verdict.Cancelled, "no final response after CANCEL"))
	default:
		tx.fail(refuse(verdict.NoAnswer, "%s accepted the request and stayed silent", tx.current.target))
	}
}
