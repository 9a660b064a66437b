package sipfed

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// linkKey names a link: by whom it leads to and which certificate of ours it
// shows, never by address. Two domains behind one address share nothing.
type linkKey struct {
	side Side
	ours string // fingerprint of our certificate
	lane int    // which of several connections to one server; 0 where there is one
	hop  string // "domain:fabrikam.com", "proxy:edge.litware.net", "provider:…", "pool:front"
}

// hop is how the next hop of a link is named, dialled and proven.
type hop struct {
	key        linkKey
	serverName domain.Name               // SNI; zero: the target's own host
	ours       domain.Name               // our domain, which chooses our certificate
	proven     func(tlsid.Identity) bool // does the certificate prove this next hop
	tls        *tlsid.Side
	state      *State
	report     func(target string, up bool) // tells a pool's health; nil for partners
	ping       time.Duration                // after how much silence to ask whether a connection is alive; 0: never
}

// link is all connections to one next hop, one for each target. It dials when
// it is asked to, remembers for a while which targets failed, and holds what
// waits for a dial, bounded.
type link struct {
	srv   *Server
	hop   hop
	share *limit.Share // of what is held for this next hop

	mu      sync.Mutex
	conns   map[string]*conn
	dials   map[string][]*attempt // waiting for the dial under way to this target
	down    map[string]outage
	resting map[string]time.Time // until when a target comes last
	uneven  atomic.Bool          // down or resting may hold something
	waiting int
}

// outage is a target that failed and is left alone for a while.
type outage struct {
	until    time.Time
	failures int
	why      *refusal
}

// The back-off of a failing target doubles between these.
const (
	downAtFirst = time.Second
	downAtMost  = 30 * time.Second
)

func newLink(s *Server, h hop) *link {
	return &link{
		srv: s, hop: h, share: s.held.Share(shareNameOf(h)),
		conns: make(map[string]*conn), dials: make(map[string][]*attempt), down: make(map[string]outage),
		resting: make(map[string]time.Time),
	}
}

// links are the links of a Server, by key.
type links struct {
	srv *Server
	mu  sync.RWMutex
	m   map[linkKey]*link
}

func (ls *links) get(h hop) *link {
	ls.mu.RLock()
	l := ls.m[h.key]
	ls.mu.RUnlock()
	if l == nil {
		return ls.make(h)
	}
	l.renew(h)
	return l
}

// make enters a link, unless somebody else has done so meanwhile.
func (ls *links) make(h hop) *link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.m[h.key]
	if l == nil {
		l = newLink(ls.srv, h)
		ls.m[h.key] = l
	}
	return l
}

// renew lets later dials use what a reload brought. A request that was judged
// before the reload brings nothing back.
func (l *link) renew(h hop) {
	l.mu.Lock()
	if h.state.seq >= l.hop.state.seq {
		l.hop = h
	}
	l.mu.Unlock()
}

// obtain returns a connection to the attempt's target, or nil when one is being
// dialled: the attempt then waits, and its transaction is resumed.
func (l *link) obtain(a *attempt) (*conn, *refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting, dialling := l.dials[a.target]
	// Nothing overtakes what waits, not even when the connection is there already.
	if c := l.conns[a.target]; !dialling && c != nil && c.usable() {
		return c, nil
	}
	if o, ok := l.down[a.target]; ok && !dialling && time.Now().Before(o.until) {
		return nil, o.why
	}
	if a.response != nil && !dialling && !l.comesBackToFew() {
		return nil, refuse(verdict.QueueFull, "too many connections to return responses of %s", l.hop.key.hop)
	}
	if l.waiting >= a.tx.st.Bounds.QueueMessages {
		return nil, refuse(verdict.QueueFull, "limits.queue_messages reached for %s", a.target)
	}
	a.tx.lingers = true
	l.dials[a.target] = append(waiting, a)
	l.waiting++
	if !dialling && !l.dial(a.target, 0) {
		delete(l.dials, a.target)
		l.waiting--
		return nil, refuse(verdict.ShuttingDown, "this edge is stopping")
	}
	return nil, nil
}

// maxRedials is how often a target is dialled again whose connection has ended before
// what waited for it could be sent. That says nothing against it the first time.
const maxRedials = 3

// dial starts the goroutine that connects to one target, for the first time or again.
// It is called with l.mu.
func (l *link) dial(target string, redials int) bool {
	h := l.hop
	return l.srv.group.Go(func(ctx context.Context) {
		c, refused := l.srv.dialTarget(ctx, l, h, target)
		if refused != nil {
			l.srv.metrics.dial(h.key.side, refused.reason)
			l.srv.log.Info("dial failed", slog.String("side", h.key.side.String()), slog.String("hop", h.key.hop),
				slog.String("target", target), slog.String("reason", refused.reason.String()), slog.String("detail", verdict.Quotable(refused.detail)))
			l.failed(target, refused)
			l.resume(target, nil, refused, redials)
			return
		}
		l.srv.metrics.dial(h.key.side, verdict.Allowed)
		l.connected(target, c)
		c.log().Info("connection opened", slog.Bool("dialled", true), slog.String("hop", h.key.hop), slog.String("target", target))
		var resumed sync.WaitGroup
		resumed.Go(func() { l.resume(target, c, nil, redials) })
		c.run(ctx)
		resumed.Wait()
	})
}

// connected enters a fresh connection. Its failures are not forgotten before
// the peer has said something: under TLS 1.3 it may still refuse our certificate.
func (l *link) connected(target string, c *conn) {
	l.mu.Lock()
	l.conns[target] = c
	o := l.down[target]
	o.until = time.Time{}
	l.down[target] = o
	report := l.hop.report
	l.mu.Unlock()
	if report != nil {
		report(target, true)
	}
}

// answered forgets the failures of a target.
func (l *link) answered(target string) {
	l.mu.Lock()
	delete(l.down, target)
	l.mu.Unlock()
}

// failed takes a target out of use for a while.
func (l *link) failed(target string, why *refusal) {
	l.mu.Lock()
	o := l.down[target]
	ours := why.reason == verdict.Overloaded // says nothing against the target
	if !ours {
		o.failures++
	}
	o.why = why
	pause := downAtMost
	if o.failures < 6 {
		pause = min(downAtFirst<<max(o.failures-1, 0), downAtMost)
	}
	o.until = time.Now().Add(pause)
	l.down[target] = o
	l.uneven.Store(true)
	report := l.hop.report
	l.mu.Unlock()
	if report != nil && !ours {
		report(target, false)
	}
}

// suspect tells a pool's health of a member that dropped what it was sent; a
// fresh connection may be opened to it at once all the same.
func (l *link) suspect(target string) {
	l.mu.Lock()
	report := l.hop.report
	l.mu.Unlock()
	if report != nil {
		report(target, false)
	}
}

// resume lets everything that waited for a target go on, in order; what comes
// meanwhile waits behind it. If the connection has ended by then, another one is
// dialled for what is left, a few times.
func (l *link) resume(target string, c *conn, refused *refusal, redials int) {
	for {
		l.mu.Lock()
		waiting := l.dials[target]
		if refused == nil && len(waiting) > 0 && !c.usable() {
			again := redials < maxRedials && l.dial(target, redials+1)
			l.mu.Unlock()
			if again {
				return
			}
			refused = refuse(verdict.ConnectionLost, "connections to %s end as soon as they are open", target)
			l.failed(target, refused)
			continue
		}
		l.waiting -= len(waiting)
		last := refused != nil || len(waiting) == 0
		if last {
			delete(l.dials, target)
		} else {
			l.dials[target] = nil
		}
		l.mu.Unlock()
		for _, a := range waiting {
			a.resume(c, refused)
		}
		if last {
			return
		}
	}
}

// lost forgets a connection that has ended.
func (l *link) lost(c *conn) {
	l.mu.Lock()
	if l.conns[c.target] == c {
		delete(l.conns, c.target)
	}
	l.mu.Unlock()
}

// ensure dials a target that is not connected, without a request that waits.
func (l *link) ensure(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ensureNow(target)
}

// ensureNow is ensure with l.mu.
func (l *link) ensureNow(target string) {
	_, dialling := l.dials[target]
	if c := l.conns[target]; dialling || c != nil && c.usable() || time.Now().Before(l.down[target].until) {
		return
	}
	l.dials[target] = nil
	if !l.dial(target, 0) {
		delete(l.dials, target)
	}
}

// idle reports that a link holds nothing worth keeping.
func (l *link) idle(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rested(now)
	for target, o := range l.down {
		if now.After(o.until.Add(downAtMost)) {
			delete(l.down, target)
		}
	}
	return len(l.conns)+len(l.dials)+len(l.down) == 0
}

// sweep removes idle links, so that their number follows the partners in use.
func (ls *links) sweep(now time.Time) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for key, l := range ls.m {
		if l.idle(now) {
			l.share.Close()
			delete(ls.m, key)
		}
	}
}

func targetName(host domain.Name, port uint16) string { return fmt.Sprintf("%s:%d", host, port) }
