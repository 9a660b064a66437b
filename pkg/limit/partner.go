package limit

import (
	"container/list"
	"crypto/sha256"
	"crypto/x509"
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
	"golang.org/x/time/rate"

	"edged/pkg/domain"
	"edged/pkg/store"
)

// DiscoveredConfig are the budgets of partners that nothing lists. The defaults
// are those of federation.discovered in policy.yaml, which has Lync's.
type DiscoveredConfig struct {
	Rate           float64       // messages per second of one partner, after a burst of one second's worth
	SuspiciousRate float64       // the same for a partner most of whose requests fail
	Contacts       int           // different local users in a report period, valid or not; 0 is any number
	ReportPeriod   time.Duration // how long failures and contacts are counted; a minute at least
	Total          float64       // messages per second of all of them together; 0 is no bound
	Partners       int           // how many are remembered one by one; 1 at least
}

// Admission is what became of one message.
type Admission uint8

// The admissions. What is refused takes nothing from the budgets behind it, in
// the order of these constants.
const (
	Admitted     Admission = iota
	OverRate               // of the partner
	OverContacts           // a local user that is new to it
	OverTotal              // of all discovered partners together
)

// String returns the admission in lower case, such as "over-rate".
func (a Admission) String() string {
	switch a {
	case Admitted:
		return "admitted"
	case OverRate:
		return "over-rate"
	case OverContacts:
		return "over-contacts"
	case OverTotal:
		return "over-total"
	}
	return "unknown"
}

// Others is the name under which all partners are counted together for which the
// table has no place, because it is full of watched ones.
const Others = "*"

// Discovered holds the budgets of partners that nothing lists. A partner is a
// registered domain, the one below a public suffix, with everything below it: who
// owns one can make up names below it for nothing.
//
// The table is bounded: a new partner takes the place of the one that was heard
// of longest ago, whose budgets are full again should it come back. Partners on
// the watch list keep their place until Release or Lift, and over a restart if
// there is a file to Keep them in.
//
// All methods may be used by many goroutines at once.
type Discovered struct {
	// OnWatch is told who enters the watch list and who leaves it, without a lock
	// held. It is set before the first use, or nil.
	OnWatch func(Watch, Change)

	now func() time.Time

	mu       sync.Mutex
	config   DiscoveredConfig
	total    *rate.Limiter // nil: no bound
	partners map[string]*partner
	recent   list.List             // of *partner that are not watched, the last heard of in front
	news     []news                // for OnWatch
	kept     *store.Mirror[[]byte] // nil: in memory only
	dirty    map[string]struct{}   // what kept has to learn of
}

// Stranger is the sender of a message: a proven domain that nothing lists.
type Stranger struct {
	Domain domain.Name
	Leaf   *x509.Certificate // what proved it; nil for a proof without certificate
}

// NewDiscovered returns the budgets with nobody known and nobody watched. now is
// the clock.
func NewDiscovered(c DiscoveredConfig, now func() time.Time) *Discovered {
	d := &Discovered{now: now, partners: make(map[string]*partner), dirty: make(map[string]struct{})}
	d.SetConfig(c)
	return d
}

// SetConfig replaces the budgets, as on reload. What has been counted stays; of
// partners for which there is no place any more those go first that were heard of
// longest ago, and never watched ones.
func (d *Discovered) SetConfig(c DiscoveredConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.Partners, c.ReportPeriod = max(c.Partners, 1), max(c.ReportPeriod, time.Minute)
	d.config = c
	now := d.now()
	switch {
	case c.Total <= 0:
		d.total = nil
	case d.total == nil:
		d.total = bucketOf(c.Total)
	default:
		setRate(d.total, now, c.Total)
	}
	for d.known() > c.Partners && d.evict() {
		continue
	}
	for _, p := range d.partners {
		setRate(p.tokens, now, d.rateOf(p))
	}
}

// Admit takes one message of the partner to one of our users out of the budgets,
// or says which of them is used up. contact is the canonical address of the user;
// "" is none, for what is addressed to a domain of ours.
func (d *Discovered) Admit(from Stranger, contact string) Admission {
	name := Registered(from.Domain)
	d.mu.Lock()
	defer d.unlock()
	now := d.now()
	p := d.partner(name, now)
	p.seen(from)
	if !p.tokens.AllowN(now, 1) {
		return p.refuse(OverRate)
	}
	counts := contact != "" && d.config.Contacts > 0
	user := userOf(contact)
	switch {
	case counts && !p.mayReach(user, d.config.Contacts):
		d.watch(p, ManyContacts, from, now)
		return p.refuse(OverContacts)
	case d.total != nil && !d.total.AllowN(now, 1):
		return p.refuse(OverTotal)
	}
	if counts && p.reach(user) && p.why&ManyContacts != 0 {
		d.changed(p)
	}
	return Admitted
}

// user stands for a local user: addresses would make a table of them too large.
type user [16]byte

func userOf(contact string) user {
	sum := sha256.Sum256([]byte(contact))
	return user(sum[:16])
}

// Outcome counts how an admitted request ended. A partner is suspicious once at
// least half of at least 100 requests in a report period failed. It is so until a
// whole report period says otherwise.
func (d *Discovered) Outcome(from Stranger, failed bool) {
	if failed {
		d.count(from, 1, 1)
		return
	}
	d.count(from, 1, 0)
}

// Failed says of a request, whose Outcome has been counted as good, that it failed
// after all: in XMPP nothing says that one succeeded.
func (d *Discovered) Failed(from Stranger) { d.count(from, 0, 1) }

func (d *Discovered) count(from Stranger, requests, failed int) {
	name := Registered(from.Domain)
	d.mu.Lock()
	defer d.unlock()
	now := d.now()
	p := d.partner(name, now)
	p.seen(from)
	p.requests += requests
	p.failed += failed
	if !p.suspicious && p.mostFail() {
		p.suspicious = true
		d.watch(p, MostFail, from, now)
		setRate(p.tokens, now, d.rateOf(p))
	}
}

// partner finds or makes the partner of a registered domain, marks it as the most
// recent and begins a new report period if it is time. The caller holds mu.
func (d *Discovered) partner(name string, now time.Time) *partner {
	p := d.partners[name]
	if p == nil && name != Others && !d.room() {
		return d.partner(Others, now)
	}
	if p == nil {
		p = &partner{name: name, began: now, tokens: bucketOf(d.config.Rate)}
		d.partners[name] = p
		if name != Others { // which has a place beside the table's
			p.place = d.recent.PushFront(p)
		}
		return p
	}
	if p.place != nil {
		d.recent.MoveToFront(p.place)
	}
	d.turn(p, now)
	return p
}

// turn begins a new report period of the partner if it is time.
func (d *Discovered) turn(p *partner, now time.Time) {
	if p.turn(now, d.config.ReportPeriod) {
		setRate(p.tokens, now, d.rateOf(p))
		d.changed(p)
	}
}

// room makes a place for one more partner; false if all are watched. The caller
// holds mu.
func (d *Discovered) room() bool { return d.known() < d.config.Partners || d.evict() }

// known counts the places that are taken. The caller holds mu.
func (d *Discovered) known() int {
	if d.partners[Others] != nil {
		return len(d.partners) - 1
	}
	return len(d.partners)
}

// evict forgets the partner that was heard of longest ago; false if there is none
// but watched ones. The caller holds mu.
func (d *Discovered) evict() bool {
	oldest := d.recent.Back()
	if oldest == nil {
		return false
	}
	delete(d.partners, d.recent.Remove(oldest).(*partner).name)
	return true
}

// rateOf returns the rate that a partner deserves. The caller holds mu.
func (d *Discovered) rateOf(p *partner) float64 {
	if p.suspicious {
		return min(d.config.Rate, d.config.SuspiciousRate)
	}
	return d.config.Rate
}

// bucketOf returns a full bucket of one second's worth.
func bucketOf(perSecond float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), burst(perSecond))
}

// setRate changes a bucket's rate and keeps what is in it. The burst comes first,
// because what is in it by now came at the old rate.
func setRate(l *rate.Limiter, now time.Time, perSecond float64) {
	l.SetBurstAt(now, burst(perSecond))
	l.SetLimitAt(now, rate.Limit(perSecond))
}

func burst(perSecond float64) int { return max(1, int(math.Ceil(perSecond))) }

// Registered returns the registered domain that d is or lies below. A domain that
// is itself a public suffix stands for itself, and so does any of two labels, which
// is what most partners have: they need no look-up.
func Registered(d domain.Name) string {
	if strings.Count(d.String(), ".") < 2 {
		return d.String()
	}
	if r, err := publicsuffix.EffectiveTLDPlusOne(d.String()); err == nil {
		return r
	}
	return d.String()
}
