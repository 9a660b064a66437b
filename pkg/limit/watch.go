package limit

import (
	"cmp"
	"container/list"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Why says what put a partner on the watch list; it can be several things.
type Why uint8

// The reasons to watch a partner.
const (
	MostFail     Why = 1 << iota // most of its requests failed
	ManyContacts                 // it addressed more users than it may
)

// String returns the reasons for people: "most requests fail, too many contacts".
func (w Why) String() string {
	var all []string
	if w&MostFail != 0 {
		all = append(all, "most requests fail")
	}
	if w&ManyContacts != 0 {
		all = append(all, "too many contacts")
	}
	return strings.Join(all, ", ")
}

// Watch is one entry of the watch list.
type Watch struct {
	// Partner is the registered domain, or Others.
	Partner string
	// Why and Since say what put it there, and when first.
	Why   Why
	Since time.Time
	// Suspicious says that SuspiciousRate applies now.
	Suspicious bool
	// Requests, Failed and Contacts are the counts of the current report period.
	Requests, Failed, Contacts int
	// Refused is how many messages were refused since the partner is known.
	Refused int
}

// Watched returns the watch list, the longest watched first.
func (d *Discovered) Watched() []Watch {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	var all []Watch
	for _, p := range d.partners {
		if p.why == 0 {
			continue
		}
		d.turn(p, now)
		all = append(all, Watch{
			Partner: p.name, Why: p.why, Since: p.since, Suspicious: p.suspicious,
			Requests: p.requests, Failed: p.failed, Contacts: len(p.contacts), Refused: p.refused,
		})
	}
	slices.SortFunc(all, func(a, b Watch) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Partner, b.Partner))
	})
	return all
}

// Release takes a partner off the watch list and forgets what was counted of it.
// It is false if the partner, a registered domain or Others, is not on the list.
func (d *Discovered) Release(registered string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.partners[registered]
	if p == nil || p.why == 0 {
		return false
	}
	delete(d.partners, registered)
	return true
}

// watch puts a partner on the list, where eviction does not find it. The caller
// holds mu.
func (d *Discovered) watch(p *partner, why Why, now time.Time) {
	if p.why == 0 {
		p.since = now
	}
	p.why |= why
	if p.place != nil {
		d.recent.Remove(p.place)
		p.place = nil
	}
}

// suspectAfter is how many requests tell something about a partner.
const suspectAfter = 100

// partner is what is counted of one registered domain.
type partner struct {
	name   string
	place  *list.Element // nil if it is watched, or Others
	tokens *rate.Limiter

	// The current report period.
	began            time.Time
	requests, failed int
	contacts         map[uint64]struct{} // hashes: bounds each to a few bytes

	suspicious bool
	refused    int
	why        Why // 0: not watched
	since      time.Time
}

// refuse counts a refusal.
func (p *partner) refuse(a Admission) Admission {
	p.refused++
	return a
}

// mayReach tells whether a user is known in this period, or may become so.
func (p *partner) mayReach(user uint64, limit int) bool {
	_, known := p.contacts[user]
	return known || len(p.contacts) < limit
}

func (p *partner) reach(user uint64) {
	if p.contacts == nil {
		p.contacts = make(map[uint64]struct{})
	}
	p.contacts[user] = struct{}{}
}

func (p *partner) mostFail() bool { return p.requests >= suspectAfter && 2*p.failed >= p.requests }

// turn begins a new report period if the current one is over. It reports that the
// partner is not suspicious any more: the period that ended, or one in which
// nothing came, does not say so again.
func (p *partner) turn(now time.Time, period time.Duration) (lifted bool) {
	passed := now.Sub(p.began)
	if passed < period {
		return false
	}
	stays := passed < 2*period && p.mostFail()
	lifted = p.suspicious && !stays
	p.suspicious = p.suspicious && stays
	p.began = p.began.Add(passed.Truncate(period))
	p.requests, p.failed, p.contacts = 0, 0, nil
	return lifted
}
