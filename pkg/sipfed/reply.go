package sipfed

import (
	"errors"

	"edged/pkg/sipfed/sipmsg"
)

// fail ends a transaction with an answer of the edge's own.
func (tx *transaction) fail(r *refusal) {
	if !tx.phase.open() {
		return
	}
	a := answerTo(r.reason, tx.from.side)
	if !tx.wantsAnswer() {
		tx.srv.noteDropped(tx.from, tx.req, r)
		tx.drop()
		return
	}
	if a.status == 408 && !tx.invite() {
		tx.finish(r, 0) // RFC 4320 §4.2: nothing that arrives this late is of use
		return
	}
	tx.adm.report(tx.st, tx.from, a.status) // before its sender can know, and go on
	tx.replyWith(a, r)
	tx.finish(r, a.status)
}

// reply sends a response of the edge's own to the sender.
func (tx *transaction) reply(status int, phrase string, extra ...string) {
	var tag string
	if status > 100 {
		tag = newTag()
	}
	out := tx.srv.buffers.get()
	defer tx.srv.buffers.put(out)
	out.b = sipmsg.AppendResponse(out.b, tx.req, status, phrase, tag, extra...)
	tx.deliver(status, out.b)
}

func (tx *transaction) replyWith(a answer, r *refusal) {
	phrase := a.phrase
	if r.phrase != "" {
		phrase = r.phrase
	}
	tx.reply(a.status, phrase, answerLines(tx.st, tx.from.side, a, r)...)
}

// deliver sends a response to the connection that the request came on, or finds
// another way if that is gone. An INVITE that comes again is told the same again, but a
// success only once: from then on it is absorbed (RFC 6026 §7.1).
func (tx *transaction) deliver(status int, response []byte) {
	if tx.invite() && status/100 != 2 {
		tx.last = append(tx.last[:0], response...)
	}
	switch err := tx.from.queue(tx.by, nil, response); {
	case errors.Is(err, errConnClosed):
		tx.comeBack(response)
	case err != nil:
		tx.undelivered()
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
	for _, a := range append(tx.earlier, tx.current) {
		tx.cancelAttempt(a) // nobody shall ring on (RFC 3261 §16.7 step 10)
	}
	tx.srv.metrics.request(tx, r, status)
	tx.log(r, status)
	switch tx.phase {
	case terminated:
		tx.drop()
	case accepted:
		tx.accept()
	default:
		tx.arm(tx.st.Bounds.TransactionTimeout) // timer H
	}
}

// drop forgets a terminated transaction.
func (tx *transaction) drop() {
	tx.phase = terminated
	tx.letGo()
	if tx.timer != nil {
		tx.timer.Stop()
	}
	if tx.srv.table.remove(tx) {
		tx.leave()
	}
	for _, a := range append(tx.earlier, tx.current) {
		if a != nil && a.conn != nil {
			tx.srv.table.removeClient(a)
			a.conn.settle(a)
		}
	}
	tx.recycle()
}

// recycle gives what nobody goes by any more to the next request. Where others may
// have kept a pointer to the transaction for longer than they had its lock, it is left to the collector.
func (tx *transaction) recycle() {
	tx.srv.admissions.put(tx.adm)
	tx.adm = nil
	if !tx.lingers {
		tx.lingers = true // in this life, once
		tx.srv.transactions.Put(tx)
	}
}

// letGo gives up what was needed to send the request.
func (tx *transaction) letGo() {
	tx.uncharge()
	tx.req.Release()
	tx.req = nil
	tx.srv.admissions.shed(tx.adm)
}

// owes reports whether the sender still waits for a final response.
func (tx *transaction) owes() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.phase.open()
}
