package xmpp

import (
	"maps"

	"edged/pkg/domain"
)

// Traffic counts the stanzas that were handed to a queue between us and one partner's
// domain, since the start.
type Traffic struct{ In, Out uint64 }

// maxTraffic bounds the domains that are counted one by one after their links were
// removed; what comes later is counted together.
const maxTraffic = 4096

func (t Traffic) plus(side Side, n uint64) Traffic {
	if side == Internal { // to a pool
		t.In += n
	} else {
		t.Out += n
	}
	return t
}

// endLocked adds what a link has carried that is removed now. It is called with ls.mu.
func (ls *links) endLocked(l *link) {
	d := l.key.pair.theirs
	if _, known := ls.gone[d]; !known && len(ls.gone) >= maxTraffic {
		d = domain.Name{}
	}
	ls.gone[d] = ls.gone[d].plus(l.key.side, l.relayed.Load())
}

// Traffic returns the counts by the partner's domain, for status pages. The zero name
// stands for those for whom there was no room.
func (s *Server) Traffic() map[domain.Name]Traffic {
	s.links.mu.Lock()
	defer s.links.mu.Unlock()
	all := make(map[domain.Name]Traffic, len(s.links.m))
	maps.Copy(all, s.links.gone)
	for key, l := range s.links.m {
		all[key.pair.theirs] = all[key.pair.theirs].plus(key.side, l.relayed.Load())
	}
	return all
}
