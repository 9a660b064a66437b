package sipfed

import (
	"errors"
	"time"
)

// pongTimeout is how long a peer may take to answer a ping (RFC 5626 §4.4.1).
const pongTimeout = 10 * time.Second

var errNoPong = errors.New("no answer to a ping within 10s")

// beat is what keepAlive remembers of a connection from one look to the next. It
// belongs to watchPools.
type beat struct {
	heard  uint64    // of conn.heard, at since
	since  time.Time // when it last changed, or when the ping was sent
	pinged bool      // a ping is under way
}

// ping asks the connections of every link that wants it whether they are alive.
func (ls *links) ping(now time.Time) {
	ls.mu.Lock()
	all := make([]*link, 0, len(ls.m))
	for _, l := range ls.m {
		all = append(all, l)
	}
	ls.mu.Unlock()
	for _, l := range all {
		l.ping(now)
	}
}

// setPing lets a reload reach a link that nothing uses just now.
func (l *link) setPing(every time.Duration) {
	l.mu.Lock()
	l.hop.ping = every
	l.mu.Unlock()
}

func (l *link) ping(now time.Time) {
	l.mu.Lock()
	every := l.hop.ping
	var conns []*conn
	if every > 0 {
		for _, c := range l.conns {
			conns = append(conns, c)
		}
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.keepAlive(now, every)
	}
}

// keepAlive sends a ping after so much silence, and gives the connection up when
// nothing at all has followed. A ping goes between two messages of ours, like
// everything that is queued; that one is under way keeps the connection from
// being idle.
func (c *conn) keepAlive(now time.Time, every time.Duration) {
	heard := c.heard.Load()
	if heard != c.beat.heard || c.beat.since.IsZero() {
		c.beat = beat{heard: heard, since: now}
	}
	silent := now.Sub(c.beat.since)
	switch {
	case c.beat.pinged && silent >= pongTimeout:
		c.close(errNoPong)
	case !c.beat.pinged && silent >= every:
		c.beat.pinged, c.beat.since = true, now
		c.pongDue.Store(true)
		_ = c.send([]byte("\r\n\r\n"))
	}
}

// pinged answers a peer's ping at once (RFC 5626 §4.4.1).
func (c *conn) pinged() {
	_ = c.send([]byte("\r\n"))
}

// pong reports whether a lone CRLF is the answer to a ping of ours. Any other is
// ignored too, but two of those make a ping.
func (c *conn) pong() bool { return c.pongDue.Swap(false) }

// pingFor is what policy wants of an open connection to a partner after a reload;
// false if it cannot tell without looking something up.
func (st *State) pingFor(c *conn) (every time.Duration, known bool) {
	for _, d := range c.spokenFor() {
		q := c.questionAbout(d)
		q.Local.Domain = c.shownFor
		if v := st.Policy.DecideDomain(q); v.Partner != nil {
			return v.Partner.Ping, true
		}
	}
	return 0, false
}
