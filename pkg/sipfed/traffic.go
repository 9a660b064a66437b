package sipfed

import (
	"maps"
	"sync"

	"edged/pkg/domain"
)

// Traffic counts the requests that were let through between us and one partner's
// domain, since the start.
type Traffic struct{ In, Out uint64 }

// maxTraffic bounds the domains that are counted one by one after their connections
// have ended; what comes later is counted together.
const maxTraffic = 4096

// traffic is what the connections that are gone have carried.
type traffic struct {
	mu   sync.Mutex
	gone map[domain.Name]Traffic // at most maxTraffic, and the zero name for all others
}

// end adds what a connection has carried, and forgets it at the same moment.
func (t *traffic) end(c *conn, forget func(*conn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	forget(c)
	if t.gone == nil {
		t.gone = make(map[domain.Name]Traffic)
	}
	for d, n := range c.carriedFor() {
		if _, known := t.gone[d]; !known && len(t.gone) >= maxTraffic {
			d = domain.Name{}
		}
		t.gone[d] = t.gone[d].plus(n)
	}
}

func (t Traffic) plus(n Traffic) Traffic { return Traffic{t.In + n.In, t.Out + n.Out} }

// carriedFor returns what a connection has carried, by domain.
func (c *conn) carriedFor() map[domain.Name]Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[domain.Name]Traffic, len(c.domains))
	for d, n := range c.domains {
		all[d] = *n
	}
	return all
}

// Traffic returns the counts by the partner's domain, for status pages. The zero name
// stands for those for whom there was no room.
func (s *Server) Traffic() map[domain.Name]Traffic {
	s.traffic.mu.Lock() // throughout, so that no connection is counted twice or not at all
	defer s.traffic.mu.Unlock()
	all := make(map[domain.Name]Traffic, len(s.traffic.gone))
	maps.Copy(all, s.traffic.gone)
	for _, c := range s.group.All() {
		for d, n := range c.carriedFor() {
			all[d] = all[d].plus(n)
		}
	}
	return all
}
