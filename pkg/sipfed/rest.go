package sipfed

import (
	"maps"
	"strconv"
	"time"

	"edged/pkg/sipfed/sipmsg"
)

// Targets that rest, or could not be reached, come after the others of their link.
// They are not left out: it may be one request alone that such a target could not
// take, and where there are no others they are tried as ever.

// restAtMost is how long a target comes last, whatever it asks for: by one user's
// requests nobody shall put a whole server out of use.
const restAtMost = 30 * time.Second

// rest has a target come last for a while.
func (l *link) rest(target string, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting[target] = time.Now().Add(min(d, restAtMost))
	l.uneven.Store(true)
}

// awake ends a target's rest early.
func (l *link) awake(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.resting, target)
}

// inOrder puts the targets last that rest or could not be reached; otherwise the
// order stays. Whether those can be reached again is found out beside the requests,
// which need not wait for it as long as there are others. The slice it is given
// may be changed.
func (l *link) inOrder(targets []string) []string {
	if !l.uneven.Load() {
		return targets
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rested(time.Now())
	ready, last := targets[:0], []string(nil)
	for _, target := range targets {
		if _, rests := l.resting[target]; rests || l.unreached(target) {
			last = append(last, target)
			continue
		}
		ready = append(ready, target)
	}
	if len(ready) > 0 {
		for _, target := range last {
			l.ensureNow(target)
		}
	}
	return append(ready, last...)
}

// unreached reports whether the last attempt to connect to a target failed. It is
// called with l.mu.
func (l *link) unreached(target string) bool {
	c := l.conns[target]
	return l.down[target].failures > 0 && (c == nil || !c.usable())
}

// rested forgets whose rest is over. It is called with l.mu.
func (l *link) rested(now time.Time) {
	maps.DeleteFunc(l.resting, func(_ string, until time.Time) bool { return !now.Before(until) })
	l.uneven.Store(len(l.resting)+len(l.down) > 0)
}

// doubt has the target of a silent attempt rest, if not a byte has come from it
// since it got the request: most likely its process hangs. The next byte ends
// that.
func (a *attempt) doubt() {
	if a.conn.heard.Load() != a.heard {
		return
	}
	a.conn.doubted.Store(true)
	a.tx.link.rest(a.target, restAtMost)
}

// relent ends the rest of a silent target that speaks again.
func (c *conn) relent() {
	if c.doubted.Load() && c.doubted.Swap(false) {
		c.link.awake(c.target)
	}
}

// retryAfter is for how long the sender of a 503 wants to be left alone
// (RFC 3261 §21.5.4); false if it does not say.
func retryAfter(m *sipmsg.Message) (time.Duration, bool) {
	value, ok := m.Get(sipmsg.RetryAfter)
	if !ok {
		return 0, false
	}
	digits := 0
	for digits < len(value) && '0' <= value[digits] && value[digits] <= '9' {
		digits++
	}
	seconds, err := strconv.ParseUint(string(value[:digits]), 10, 31)
	return time.Duration(seconds) * time.Second, err == nil
}
