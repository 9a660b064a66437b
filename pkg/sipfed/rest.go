package sipfed

import (
	"maps"
	"strconv"
	"time"

	"edged/pkg/sipfed/sipmsg"
)

// Targets that rest come after the others of their link. They are not left out:
// it may be one request alone that such a target could not take, and where all of
// them rest they are tried as ever.

// restAtMost is how long a target comes last, whatever it asks for: by one user's
// requests nobody shall put a whole server out of use.
const restAtMost = 30 * time.Second

// rest has a target come last for a while.
func (l *link) rest(target string, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting[target] = time.Now().Add(min(d, restAtMost))
	l.rests.Store(true)
}

// awake ends a target's rest early.
func (l *link) awake(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.resting, target)
	l.rests.Store(len(l.resting) > 0)
}

// inOrder puts the targets that rest last; otherwise the order stays. The slice
// it is given may be changed.
func (l *link) inOrder(targets []string) []string {
	if !l.rests.Load() {
		return targets
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rested(time.Now())
	ready, last := targets[:0], []string(nil)
	for _, target := range targets {
		if _, rests := l.resting[target]; rests {
			last = append(last, target)
			continue
		}
		ready = append(ready, target)
	}
	return append(ready, last...)
}

// rested forgets whose rest is over. It is called with l.mu.
func (l *link) rested(now time.Time) {
	maps.DeleteFunc(l.resting, func(_ string, until time.Time) bool { return !now.Before(until) })
	l.rests.Store(len(l.resting) > 0)
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
