package nexthop

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how long a failed member stands back. Both durations must be
// positive, and MaxDown at least DownFor.
type Config struct {
	DownFor time.Duration    // after the first failure; doubles with each one after it
	MaxDown time.Duration    // the longest back-off
	Now     func() time.Time // the clock
}

// Status is what a Pool knows about one member, for status pages and metrics.
type Status struct {
	Member   string
	Up       bool      // the last attempt succeeded, or none was made yet
	Since    time.Time // when Up last changed, or the member joined the pool
	Failures int       // failed attempts since the last success, one per back-off
	Drained  bool      // Drain was called for it
}

// Pool holds the members of one pool and their health. All methods may be used
// by many goroutines at once. Reading takes no lock; a change of health replaces
// the member table as a whole.
type Pool struct {
	config  Config
	members atomic.Pointer[[]member] // immutable once stored

	mu sync.Mutex // held by whoever replaces members
}

// member is a row of the member table, in the order of configuration.
type member struct {
	name     string
	hash     uint64
	since    time.Time
	failures int
	retry    time.Time // end of the back-off; means nothing while failures is 0
	drained  bool
}

// resting reports whether the member stands back at this moment.
func (m *member) resting(now time.Time) bool {
	return m.failures > 0 && now.Before(m.retry)
}

// New returns a pool of the members, all of them taken as up. A name given twice
// counts once.
func New(members []string, c Config) *Pool {
	p := &Pool{config: c}
	p.members.Store(new([]member))
	p.SetMembers(members)
	return p
}

// ranked is a member with its place for one key.
type ranked struct {
	name    string
	score   uint64
	resting bool
}

// Order returns the members to try for the key, best first: those that work
// before those standing back after a failure, within both in the key's own
// order. Drained members are missing; the result is empty if there is no other.
//
// The result belongs to the caller. It is the only allocation as long as the
// pool has at most 16 members.
func (p *Pool) Order(key uint64) []string {
	members := *p.members.Load()
	if len(members) == 0 {
		return nil
	}
	var room [16]ranked
	ranking := room[:0]
	now, spread := p.config.Now(), mix(key)
	for i := range members {
		if m := &members[i]; !m.drained {
			ranking = append(ranking, ranked{m.name, mix(m.hash + spread), m.resting(now)})
		}
	}
	slices.SortFunc(ranking, before)

	names := make([]string, len(ranking))
	for i := range ranking {
		names[i] = ranking[i].name
	}
	return names
}

// before puts resting members last, then high scores first. Equal scores, which
// only a collision brings about, are settled by name so that every host agrees.
func before(a, b ranked) int {
	if a.resting != b.resting {
		if a.resting {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.name, b.name))
}

// Report tells what came of an attempt to reach the member. One success makes it
// up. A failure makes it stand back; further failures during that time are taken
// as the same outage, however many requests it hit, and change nothing. Reports
// about names that are no members any more are ignored.
func (p *Pool) Report(name string, ok bool) {
	if m := p.find(name); m == nil || ok && m.failures == 0 {
		return // the usual case stays without a lock
	}
	p.change(name, func(m *member) {
		now := p.config.Now()
		switch {
		case ok && m.failures > 0:
			m.failures, m.since = 0, now
		case !ok && !m.resting(now):
			if m.failures == 0 {
				m.since = now
			}
			m.failures++
			m.retry = now.Add(p.backOff(m.failures))
		}
	})
}

// backOff is how long a member stands back after so many failures, the first
// being 1.
func (p *Pool) backOff(failures int) time.Duration {
	d := p.config.DownFor
	for ; failures > 1 && d < p.config.MaxDown; failures-- {
		d *= 2
	}
	return min(d, p.config.MaxDown)
}

// SetMembers replaces the members. Those that stay keep their health, and stay
// drained if they were.
func (p *Pool) SetMembers(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.members.Load()
	now := p.config.Now()
	table := make([]member, 0, len(names))
	for _, name := range names {
		if index(table, name) >= 0 {
			continue
		}
		row := member{name: name, hash: hash(name), since: now}
		if i := index(old, name); i >= 0 {
			row = old[i]
		}
		table = append(table, row)
	}
	p.members.Store(&table)
}

// Drain takes the member out of every further order until Undrain or until it
// has left the pool and come back. What already uses it is not touched.
func (p *Pool) Drain(name string) {
	p.change(name, func(m *member) { m.drained = true })
}

// Undrain ends what Drain began.
func (p *Pool) Undrain(name string) {
	p.change(name, func(m *member) { m.drained = false })
}

// Has reports whether the name is a member, drained or not.
func (p *Pool) Has(name string) bool {
	return p.find(name) != nil
}

// Status returns the state of every member in the order of configuration.
func (p *Pool) Status() []Status {
	members := *p.members.Load()
	all := make([]Status, len(members))
	for i, m := range members {
		all[i] = Status{Member: m.name, Up: m.failures == 0, Since: m.since, Failures: m.failures, Drained: m.drained}
	}
	return all
}

// find returns the member's row in the current table, nil if it has none. The
// row must not be changed.
func (p *Pool) find(name string) *member {
	members := *p.members.Load()
	if i := index(members, name); i >= 0 {
		return &members[i]
	}
	return nil
}

// change replaces the table by a copy with one row edited.
func (p *Pool) change(name string, edit func(*member)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	table := slices.Clone(*p.members.Load())
	if i := index(table, name); i >= 0 {
		edit(&table[i])
		p.members.Store(&table)
	}
}

func index(members []member, name string) int {
	return slices.IndexFunc(members, func(m member) bool { return m.name == name })
}
