package limit

import (
	"cmp"
	"container/list"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// Why says what put a partner on the watch list; it can be several things.
type Why uint8

// The reasons to watch a partner.
const (
	MostFail     Why = 1 << iota // most of its requests failed
	ManyContacts                 // it addressed more users than it may, and is held to those that it has addressed
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
	// Domains are the names that it used, 16 at most; More says that there were
	// others.
	Domains []string
	More    bool
	// Issuer and Serial name the certificate that it showed when it was put there
	// last; "" if there was none.
	Issuer, Serial string
	// Requests, Failed and Contacts are the counts of the current report period;
	// with ManyContacts, Contacts are all that it may still address.
	Requests, Failed, Contacts int
	// Refused is how many messages were refused since the partner is known.
	Refused int
}

// Change is what happened to an entry of the watch list.
type Change uint8

// The changes.
const (
	Entered  Change = iota // put there, or there for one more reason, or suspicious again
	Released               // by Release
	Listed                 // the configuration lists it by now
)

// String returns the change in lower case: "entered", "released", "listed".
func (c Change) String() string { return [...]string{"entered", "released", "listed"}[c] }

// Watched returns the watch list, the longest watched first.
func (d *Discovered) Watched() []Watch {
	d.mu.Lock()
	defer d.unlock()
	now := d.now()
	var all []Watch
	for _, p := range d.partners {
		if p.why != 0 {
			d.turn(p, now)
			all = append(all, p.watch())
		}
	}
	slices.SortFunc(all, func(a, b Watch) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Partner, b.Partner))
	})
	return all
}

// Release takes a partner off the watch list and forgets what was counted of it.
// It returns when that is on disk, or the disk has failed, which is logged and
// counted. It is false if the partner, a registered domain or Others, is not on
// the list.
func (d *Discovered) Release(registered string) bool {
	d.mu.Lock()
	p := d.partners[registered]
	released := p != nil && p.why != 0
	if released {
		d.drop(p, Released)
	}
	kept := d.kept
	d.unlock()
	if released && kept != nil {
		kept.Sync()
	}
	return released
}

// Lift takes those off the watch list that the configuration lists by now: the
// registered domain itself, or all the names that the partner used.
func (d *Discovered) Lift(listed func(domain.Name) bool) {
	d.mu.Lock()
	defer d.unlock()
	for _, p := range d.partners {
		if p.why == 0 || p.name == Others {
			continue
		}
		itself, err := domain.Parse(p.name)
		all := len(p.domains) > 0 && !p.more && !slices.ContainsFunc(p.domains, func(n domain.Name) bool { return !listed(n) })
		if all || err == nil && listed(itself) {
			d.drop(p, Listed)
		}
	}
}

// watch puts a partner on the list, where eviction does not find it. The caller
// holds mu.
func (d *Discovered) watch(p *partner, why Why, from Stranger, now time.Time) {
	if p.why == 0 {
		p.since = now
	}
	again := p.why&why != 0 && why != MostFail // who is suspicious again is news
	p.why |= why
	if p.place != nil {
		d.recent.Remove(p.place)
		p.place = nil
	}
	if again {
		return
	}
	if from.Leaf != nil && p.name != Others {
		p.issuer, p.serial = verdict.Quotable(from.Leaf.Issuer.String()), verdict.Quotable(from.Leaf.SerialNumber.Text(16))
	}
	d.news = append(d.news, news{p.watch(), Entered})
	d.changed(p)
}

// drop forgets a watched partner. The caller holds mu.
func (d *Discovered) drop(p *partner, how Change) {
	delete(d.partners, p.name)
	d.news = append(d.news, news{p.watch(), how})
	d.changed(p)
}

// news is a call of OnWatch to be made.
type news struct {
	of   Watch
	what Change
}

// unlock lets go of mu and tells the news.
func (d *Discovered) unlock() {
	all := d.news
	d.news = nil
	d.mu.Unlock()
	if d.OnWatch == nil {
		return
	}
	for _, n := range all {
		d.OnWatch(n.of, n.what)
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
	contacts         map[user]struct{} // kept once they were too many

	suspicious bool
	refused    int
	why        Why // 0: not watched
	since      time.Time

	domains        []domain.Name // that it used
	more           bool          // there were others
	issuer, serial string        // of its certificate, once it is watched
}

// maxDomains is how many names of a partner are remembered for people.
const maxDomains = 16

// seen notes the name that a sender used.
func (p *partner) seen(from Stranger) {
	switch {
	case p.name == Others || slices.Contains(p.domains, from.Domain):
	case len(p.domains) < maxDomains:
		p.domains = append(p.domains, from.Domain)
	default:
		p.more = true
	}
}

// watch is the partner as the list shows it.
func (p *partner) watch() Watch {
	names := make([]string, len(p.domains))
	for i, n := range p.domains {
		names[i] = n.String()
	}
	return Watch{
		Partner: p.name, Why: p.why, Since: p.since, Suspicious: p.suspicious,
		Domains: names, More: p.more, Issuer: p.issuer, Serial: p.serial,
		Requests: p.requests, Failed: p.failed, Contacts: len(p.contacts), Refused: p.refused,
	}
}

// refuse counts a refusal.
func (p *partner) refuse(a Admission) Admission {
	p.refused++
	return a
}

// mayReach tells whether a user is known, or may become so.
func (p *partner) mayReach(u user, limit int) bool {
	_, known := p.contacts[u]
	return known || len(p.contacts) < limit
}

// reach notes a user, and reports whether it is a new one.
func (p *partner) reach(u user) bool {
	if _, known := p.contacts[u]; known {
		return false
	}
	if p.contacts == nil {
		p.contacts = make(map[user]struct{})
	}
	p.contacts[u] = struct{}{}
	return true
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
	p.requests, p.failed = 0, 0
	if p.why&ManyContacts == 0 {
		p.contacts = nil
	}
	return lifted
}
