package xmpp

import (
	"sync"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// account is whose streams one counts among. The zero value is nobody's.
type account struct {
	side    Side
	partner string // the entry's name; the registered domain of one that nothing lists
	listed  bool
}

// accountOf is the account of a pair's streams. Who owns a registered domain can make
// up names below it for nothing: all that nothing lists share one.
func accountOf(side Side, p *policy.Partner, theirs domain.Name) account {
	if p == nil || isStranger(p) {
		return account{side, limit.Registered(theirs), false}
	}
	return account{side, p.Name, true}
}

// accounts counts the accepted streams outside that are established, and all that are
// dialled or about to be.
type accounts struct {
	mu sync.Mutex // guards every conn's counted, too
	m  map[account]int
}

// reserve counts one more stream, or says which bound is reached. A most of 0 is none.
func (as *accounts) reserve(st *State, a account, most int) *refusal {
	as.mu.Lock()
	defer as.mu.Unlock()
	r := as.over(st, a, most, 0)
	if r == nil {
		as.m[a]++
	}
	return r
}

// give hands a reserved place to a stream, or back if there is none.
func (as *accounts) give(c *conn, a account) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if c != nil {
		c.counted = a
		return
	}
	as.leave(a)
}

// count enters an accepted stream outside, once it is authenticated, in the account of
// its partner (limits.streams, connection_limit), or says which bound is reached.
func (s *Server) count(c *conn, p *policy.Partner, theirs domain.Name, most int) *refusal {
	as, a := &s.accounts, accountOf(External, p, theirs)
	as.mu.Lock()
	defer as.mu.Unlock()
	if c.counted != (account{}) {
		return nil
	}
	if !s.group.Has(c) { // what forget has settled is not opened again
		return refuse(verdict.ConnectionLost, "the stream ended before it was authenticated")
	}
	r := as.over(s.state.Load(), a, most, 0)
	if r == nil {
		as.m[a]++
		c.counted = a
	}
	return r
}

// uncount takes a stream out of its account.
func (as *accounts) uncount(c *conn) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.leave(c.counted)
	c.counted = account{}
}

// recount asks again about limits.streams, limits.pool_streams and the partner's
// connection_limit, and takes a stream that is over one of them out of the account.
func (s *Server) recount(st *State, c *conn) *refusal {
	most := 0
	if c.side == External {
		c.mu.Lock()
		p := pairOf(c.side, c.known.self, c.known.peer)
		c.mu.Unlock()
		most = st.terms(c.side, p, c.dialled).limit
	}
	as := &s.accounts
	as.mu.Lock()
	defer as.mu.Unlock()
	if c.counted == (account{}) {
		return nil
	}
	r := as.over(st, c.counted, most, 1)
	if r != nil {
		as.leave(c.counted)
		c.counted = account{}
	}
	return r
}

// leave is called with as.mu.
func (as *accounts) leave(a account) {
	if as.m[a]--; as.m[a] <= 0 {
		delete(as.m, a)
	}
}

// over says which bound is reached, if there is room for one more without the spare
// ones. A quarter of a side's streams is kept for partners that an entry lists. It is
// called with as.mu.
func (as *accounts) over(st *State, a account, most, spare int) *refusal {
	all, unlisted := -spare, -spare
	for other, n := range as.m {
		if other.side != a.side {
			continue
		}
		all += n
		if !other.listed {
			unlisted += n
		}
	}
	name, bound := "limits.streams", st.Bounds.Streams
	if a.side == Internal {
		name, bound = "limits.pool_streams", st.Bounds.PoolStreams
	}
	switch {
	case most > 0 && as.m[a]-spare >= most:
		return fatal(resourceConstraint, verdict.Overloaded, "connection_limit %d of %s is reached", most, a.partner)
	case all >= bound:
		return fatal(resourceConstraint, verdict.Overloaded, "%s %d is reached", name, bound)
	case !a.listed && unlisted >= unlistedShare(bound):
		return fatal(resourceConstraint, verdict.Overloaded, "%s %d is reached, but for the quarter that is kept for listed partners", name, bound)
	}
	return nil
}

// unlistedShare is how many of a bound those may have that nothing lists.
func unlistedShare(bound int) int { return bound - bound/4 }
