package xmpp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/verdict"
)

// linkKey names a link: the side it leads to, and whom its stanzas concern.
type linkKey struct {
	side Side
	pair pair
}

// link is the outgoing queue of one pair on one side (RFC 6120 §10.1: one stream for
// all that must stay in order). It opens a stream when the first stanza comes, and
// outlives it.
type link struct {
	srv     *Server
	key     linkKey
	log     *slog.Logger
	share   *limit.Share // of what is held for the partner
	refused *refusal     // why it takes nothing: there are too many links

	relayed atomic.Uint64 // stanzas that a stream across the edge put into the queue

	mu       sync.Mutex
	queue    queue
	spares   []*chunk      // empty ones, for the next stanzas
	full     chan struct{} // closed when there is room again; nil if nobody waits
	conn     *conn         // the stream that takes from the queue
	dialling bool
	down     outage
	most     int // bytes that the next hop takes as one stanza (XEP-0478); 0: unknown
	dead     bool
	used     time.Time
}

// outage is a next hop that could not be reached and is left alone for a while.
type outage struct {
	until    time.Time
	failures int
	why      *refusal
}

// The back-off after a failure doubles between these (RFC 6120 §3.3).
const (
	downAtFirst = time.Second
	downAtMost  = 30 * time.Second
	// brief is a stream that broke so soon that the next one counts as a retry.
	brief = 2 * time.Second
	// retries is how many such streams in a row are followed by another one at once.
	retries = 5
)

var (
	errGone = errors.New("the link was removed")
	errFull = errors.New("the queue is full")
)

// links are the links of a Server, by key.
type links struct {
	srv  *Server
	mu   sync.Mutex
	m    map[linkKey]*link
	most map[domain.Name]int     // bytes that the pool of a domain of ours takes as one stanza, when last heard
	gone map[domain.Name]Traffic // of links that were removed; at most maxTraffic, and the zero name for all others
}

// get returns the link, or one that refuses everything if there are too many.
func (ls *links) get(side Side, p pair) *link {
	key := linkKey{side, p}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.m[key]
	if l != nil {
		return l
	}
	if refused := ls.mayLink(side, p); refused != nil {
		return &link{srv: ls.srv, key: key, dead: true, refused: refused}
	}
	l = &link{srv: ls.srv, key: key, used: time.Now(), share: ls.shareOf(p.theirs), log: ls.srv.log.With(
		slog.String("side", side.String()), slog.String("local_domain", p.ours.String()), slog.String("peer_domain", p.theirs.String()))}
	ls.m[key] = l
	return l
}

// all returns the links there are.
func (ls *links) all() []*link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	all := make([]*link, 0, len(ls.m))
	for _, l := range ls.m {
		all = append(all, l)
	}
	return all
}

// learn notes what a pool takes.
func (ls *links) learn(key linkKey, most int) {
	if key.side == External {
		return
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.most == nil {
		ls.most = make(map[domain.Name]int)
	}
	ls.most[key.pair.ours] = most // as many as we have domains
}

// takes is how many bytes of a stanza get through, for whoever sends on a side: what we
// take, or less if the next hop is known to take less (XEP-0478 §2).
func (ls *links) takes(from Side, p pair, most int) int {
	ls.mu.Lock()
	l, next := ls.m[linkKey{from.other(), p}], ls.most[p.ours]
	ls.mu.Unlock()
	if from == Internal {
		next = 0
		if l != nil {
			l.mu.Lock()
			next = l.most
			l.mu.Unlock()
		}
	}
	if next == 0 {
		return most
	}
	return min(most, max(next, leastMost))
}

// leastMost is what everybody has to take (RFC 6120 §13.12).
const leastMost = 10_000

// sweep removes links that hold nothing worth keeping.
func (ls *links) sweep(now time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for key, l := range ls.m {
		if l.retire(now) {
			delete(ls.m, key)
			l.share.Close()
			ls.endLocked(l)
		}
	}
}

// retire reports whether the link may go, which it then has.
func (l *link) retire(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue.stanzas == 0 && now.Sub(l.used) > time.Second {
		l.spares = nil
	}
	l.dead = l.conn == nil && !l.dialling && l.queue.stanzas == 0 && l.full == nil &&
		now.After(l.down.until.Add(downAtMost)) && now.Sub(l.used) > downAtMost
	return l.dead
}

// push appends a stanza. errFull comes with a channel that is closed when there is
// room; a refusal means that the stanza can only be bounced.
func (l *link) push(it item, raw []byte, b *limit.Bounds) (<-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Time{}
	if l.conn == nil {
		now = time.Now()
		l.used = now
	}
	switch large := tooLarge(len(raw), l.most); {
	case l.refused != nil:
		return nil, l.refused
	case l.dead:
		return nil, errGone
	case large != nil:
		return nil, large
	case l.conn == nil && !l.dialling && now.Before(l.down.until):
		return nil, l.down.why
	case l.queue.stanzas > 0 && (l.queue.stanzas >= b.QueueMessages || l.queue.bytes+len(raw) > int(b.QueueBytes) || !l.mayHold(len(raw))):
		if l.full == nil {
			l.full = make(chan struct{})
		}
		return l.full, errFull
	case l.conn == nil && !l.dialling && !l.dial(0):
		return nil, refuse(verdict.ShuttingDown, "this edge is stopping")
	}
	if n := len(l.spares); n > 0 && l.queue.needs(len(raw)) {
		l.queue.chunks = append(l.queue.chunks, l.spares[n-1])
		l.spares = l.spares[:n-1]
	}
	l.queue.push(it, raw)
	l.hold(len(raw))
	if l.conn != nil {
		l.conn.wake()
	}
	return nil, nil
}

// tooLarge refuses a stanza of more bytes than the next hop takes, as far as that is known.
func tooLarge(bytes, most int) *refusal {
	if most == 0 || bytes <= most {
		return nil
	}
	return refuse(verdict.BodyTooLarge, "%d bytes; the next hop takes %d", bytes, most)
}

// dial starts the goroutine that opens a stream, and then is its reader. It is
// called with l.mu.
func (l *link) dial(after time.Duration) bool {
	l.dialling = l.srv.group.Go(func(ctx context.Context) {
		if after > 0 && !l.srv.group.Sleep(after) {
			l.failed(refuse(verdict.ShuttingDown, "this edge is stopping"))
			return
		}
		c, refused := l.srv.open(ctx, l)
		if refused != nil {
			l.srv.metrics.dial(l.key.side, refused.reason)
			l.failed(refused)
			return
		}
		l.srv.metrics.dial(l.key.side, verdict.Allowed)
		if l.srv.carries(c, l) {
			c.run(ctx)
		}
	})
	return l.dialling
}

// failed bounces what waits, and leaves the next hop alone for a while.
func (l *link) failed(why *refusal) {
	l.log.Info("dial failed", slog.String("reason", why.reason.String()), slog.String("rule", string(why.rule)),
		slog.String("detail", verdict.Quotable(why.detail)))
	if l.key.side == Internal && why.reason != verdict.ShuttingDown && why.reason != verdict.Overloaded {
		why = refuse(verdict.PoolDown, "%s", why) // whatever is wrong in there
	}
	l.mu.Lock()
	l.dialling = false
	l.backOff(why)
	waiting := l.queue
	l.queue = queue{}
	l.makeRoom()
	l.mu.Unlock()
	l.bounceAll(waiting, why)
}

// backOff is called with l.mu. What this edge lacks is no failure of the next hop.
func (l *link) backOff(why *refusal) {
	if why.reason != verdict.Overloaded {
		l.down.failures++
	}
	pause := downAtMost
	if l.down.failures < 6 {
		pause = min(downAtFirst<<max(l.down.failures-1, 0), downAtMost)
	}
	l.down.why, l.down.until = why, time.Now().Add(pause)
}

// tryAgain ends the time in which the next hop is not dialled: a reload may have taken
// away what was in the way.
func (l *link) tryAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = outage{}
}

// bounceAll answers every stanza of a queue that will not be sent.
func (l *link) bounceAll(q queue, why *refusal) {
	q.drop(func(it item, raw []byte) {
		l.hold(-len(raw))
		l.srv.bounceQueued(l, it, raw, why)
		it.taken()
	})
}

// attach lets a stream carry the link's stanzas, as far as the next hop takes them.
func (l *link) attach(c *conn) {
	l.srv.links.learn(l.key, c.most)
	l.mu.Lock()
	l.conn, l.dialling, l.most = c, false, c.most
	large := l.queue.over(c.most)
	l.mu.Unlock()
	l.bounceAll(large, refuse(verdict.BodyTooLarge, "the next hop takes %d bytes", c.most))
}

// detach takes the link from a stream that has ended. What was not written yet goes
// out on the next one; if streams keep breaking at once, it is bounced.
func (l *link) detach(c *conn) {
	l.mu.Lock()
	if l.conn != c {
		l.mu.Unlock()
		return
	}
	l.conn, l.used = nil, time.Now()
	// Who ends streams in order before they carry anything has broken them, too.
	broken := !endedByUs(c.why()) && (!errors.Is(c.why(), errEnded) || l.queue.stanzas > 0 && !c.hasWritten())
	switch {
	case !broken || time.Since(c.born) > brief:
		l.down = outage{}
	default:
		l.down.failures++
	}
	var waiting queue
	why := refuse(verdict.ConnectionLost, "streams break as soon as they are open")
	if l.queue.stanzas > 0 && (l.down.failures > retries || !l.dial(l.pause())) {
		waiting, l.queue = l.queue, queue{}
		l.backOff(why)
		l.makeRoom()
	}
	l.mu.Unlock()
	l.bounceAll(waiting, why)
}

// pause before a stream that broke at once is replaced.
func (l *link) pause() time.Duration {
	if l.down.failures == 0 {
		return 0
	}
	return 50 * time.Millisecond << l.down.failures
}

// take hands the next chunk to the stream that writes it, nil if there is none or
// if the stream has enough on its way.
func (l *link) take(c *conn) *chunk {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.queue.next()
	if l.conn != c || next == nil || len(next.items) == 0 || !c.room(len(next.items)) {
		return nil
	}
	l.queue.pop()
	l.makeRoom()
	return next
}

// makeRoom wakes whoever waits for room. It is called with l.mu.
func (l *link) makeRoom() {
	if l.full != nil {
		close(l.full)
		l.full = nil
	}
}

// maxSpares is how many empty chunks a busy link keeps.
const maxSpares = 16

// reuse keeps a written chunk for the next stanzas.
func (l *link) reuse(c *chunk) {
	if cap(c.buf) > 2*chunkBytes {
		return
	}
	clear(c.items)
	c.buf, c.items = c.buf[:0], c.items[:0]
	l.mu.Lock()
	l.used = time.Now()
	if len(l.spares) < maxSpares {
		l.spares = append(l.spares, c)
	}
	l.mu.Unlock()
}

// endedByUs reports whether a stream was ended by this edge, in order.
func endedByUs(why error) bool {
	for _, own := range []error{errIdle, errMoved, errStopped, errRetired, errRechecked} {
		if errors.Is(why, own) {
			return true
		}
	}
	return false
}
