package xmpp

import (
	"hash/fnv"
	"net"

	"edged/pkg/verdict"
)

// planPool lists the members of the pool that serves our domain. The same pair
// prefers the same member on every edge, so that its stanzas keep their order.
func planPool(st *State, p pair) (plan, *refusal) {
	pool := st.pools[p.ours]
	if pool == nil {
		return plan{}, refuse(verdict.PoolDown, "no pool serves %s any more", p.ours)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.ours.String() + " " + p.theirs.String()))
	pl := plan{report: pool.Members.Report}
	for _, member := range pool.Members.Order(h.Sum64()) {
		host, port, err := net.SplitHostPort(member)
		if err != nil {
			continue // never: the configuration has been checked
		}
		if at, err := placeAt(host, port); err == nil {
			at.name, at.member = member, member
			pl.places = append(pl.places, at)
		}
	}
	if len(pl.places) == 0 {
		return plan{}, refuse(verdict.PoolDown, "pool %s has no members", pool.Name)
	}
	return pl, nil
}

// leads reports whether a stream that we have dialled leads to where stanzas of its
// pair belong: its pool may have lost the member, by a reload or in the DNS.
func (st *State) leads(c *conn) bool {
	pool := (*Pool)(nil)
	if c.member != "" {
		pool = st.pools[c.peer]
	}
	return pool == nil || pool.Members.Has(c.member)
}
