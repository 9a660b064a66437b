package sipfed

import (
	"context"
	"sync"
	"sync/atomic"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// lookups hold outward requests whose domain's SRV record is being asked for:
// one look-up for each record, and only that domain's requests wait, in order.
type lookups struct {
	srv     *Server
	running atomic.Int32 // look-ups under way: where there are none, nobody takes the lock
	mu      sync.Mutex
	waiting map[record][]*transaction
}

// record is the SRV record of a domain that is asked for.
type record struct {
	service string
	domain  domain.Name
}

func (a *admission) record() record { return record{a.service, a.remote()} }

// behind queues a decided transaction, whose lock is held, if others to its
// domain still wait for a look-up: it must not overtake them.
func (q *lookups) behind(tx *transaction) bool {
	if q.running.Load() == 0 {
		return false
	}
	at := tx.adm.record()
	q.mu.Lock()
	defer q.mu.Unlock()
	queue, running := q.waiting[at]
	if !running || len(queue) >= tx.st.Bounds.QueueMessages {
		return false
	}
	tx.lingers = true
	q.waiting[at] = append(queue, tx)
	return true
}

// wait queues a transaction, whose lock is held.
func (q *lookups) wait(tx *transaction) {
	at := tx.adm.record()
	q.mu.Lock()
	queue, running := q.waiting[at]
	if len(queue) >= tx.st.Bounds.QueueMessages {
		q.mu.Unlock()
		tx.fail(refuse(verdict.QueueFull, "limits.queue_messages reached for the look-up of %s", at.domain))
		return
	}
	tx.lingers = true
	q.waiting[at] = append(queue, tx)
	if !running {
		q.running.Add(1)
	}
	q.mu.Unlock()
	if running {
		return
	}
	if !q.srv.group.Go(func(ctx context.Context) { q.resolve(ctx, tx.st, at) }) {
		tx.fail(refuse(verdict.ShuttingDown, "this edge is stopping"))
	}
}

// resolve asks for a domain's record and lets go on what waited for it.
func (q *lookups) resolve(ctx context.Context, st *State, at record) {
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.ConnectTotal)
	defer cancel()
	answer, err := st.Resolver.SRV(ctx, at.service, at.domain)
	for {
		q.mu.Lock()
		queue := q.waiting[at]
		if len(queue) == 0 {
			delete(q.waiting, at)
			q.running.Add(-1)
			q.mu.Unlock()
			return
		}
		q.waiting[at] = nil
		q.mu.Unlock()
		for _, tx := range queue {
			tx.resolved(answer, err)
		}
	}
}

// resolved takes the decision that waited for the DNS.
func (tx *transaction) resolved(answer discovery.Answer, err error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.phase != connecting {
		return // cancelled or timed out meanwhile
	}
	if refused := decideWithSRV(tx.st, tx.req, tx.adm, answer, err); refused != nil {
		tx.fail(refused)
		return
	}
	tx.route()
}
