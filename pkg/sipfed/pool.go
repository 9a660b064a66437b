package sipfed

import (
	"context"
	"hash/fnv"
	"time"

	"edged/pkg/domain"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// planPool leads to a member of the pool that serves the local user: the
// dialog's own member first, otherwise one chosen by Call-ID, so that a
// dialog's early requests meet. Nothing an outsider writes names a member.
func (s *Server) planPool(st *State, adm *admission, m *sipmsg.Message) (*link, []string, *refusal) {
	pool := st.poolNamed(adm.token.pool)
	if pool == nil {
		return nil, nil, refuse(verdict.PoolDown, "pool %s is not configured any more", adm.token.pool)
	}
	l := s.links.get(poolHop(st, pool, adm.local().Domain))
	targets := l.inOrder(pool.Members.Order(callKey(m)))
	if adm.token.member != "" && pool.Members.Has(adm.token.member) {
		targets = firstToFront(targets, adm.token.member)
	}
	if len(targets) == 0 {
		return nil, nil, refuse(verdict.PoolDown, "pool %s has no members", pool.Name)
	}
	return l, targets, nil
}

// poolHop says how a pool is named and proven, when it is reached for a domain of ours.
func poolHop(st *State, pool *Pool, ours domain.Name) hop {
	h := st.hops[pool]
	h.ours, h.key.ours = ours, st.keyFingerprint(Internal, ours)
	return h
}

// hop is what poolHop says of all domains alike.
func (p *Pool) hop(st *State) hop {
	return hop{
		key:    linkKey{side: Internal, hop: "pool:" + p.Name},
		tls:    st.Faces[Internal].TLS,
		state:  st,
		proven: p.Proves,
		report: p.Members.Report,
		ping:   p.Ping,
	}
}

func (st *State) poolNamed(name string) *Pool {
	for _, p := range st.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func callKey(m *sipmsg.Message) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(m.CallID())
	return h.Sum64()
}

// firstToFront moves one target to the front, if it is there.
func firstToFront(targets []string, first string) []string {
	for i, t := range targets {
		if t == first {
			copy(targets[1:i+1], targets[:i])
			targets[0] = first
			break
		}
	}
	return targets
}

// memberOf finds the member behind an inside connection: the configured member
// whose host the certificate covers. It is a hint only: where the members share
// a name, a dialog follows its Call-ID.
func memberOf(st *State, c *conn) string {
	if c.side != Internal {
		return ""
	}
	found := ""
	for _, p := range st.Pools {
		if !p.Proves(*c.identity.Load()) {
			continue
		}
		for host, member := range st.hosts[p] {
			switch {
			case !c.identity.Load().Covers(host):
			case found != "":
				return ""
			default:
				found = member
			}
		}
	}
	return found
}

// watchPools keeps a connection to every member, so that a dead one is known
// before a request meets it, asks connections whether they are alive, and sweeps
// what is no longer used.
func (s *Server) watchPools(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		st := s.state.Load()
		for _, p := range st.Pools {
			s.watchPool(st, p)
		}
		s.links.ping(time.Now())
		s.links.sweep(time.Now())
		s.held.Sweep()
		s.metrics.heldBytes(s.held.Bytes())
		s.forgetAccepted(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) watchPool(st *State, p *Pool) {
	if len(p.Domains) == 0 {
		return
	}
	l := s.links.get(poolHop(st, p, p.Domains[0]))
	for _, status := range p.Members.Status() {
		l.ensure(status.Member)
		s.metrics.member(p.Name, status.Member, status.Up)
	}
}
