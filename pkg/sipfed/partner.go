package sipfed

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// defaultPort is where SIP over TLS listens (RFC 3261 §18.1.1).
const defaultPort = 5061

// plan names the link and the targets of an admitted request.
func (s *Server) plan(st *State, adm *admission, m *sipmsg.Message) (*link, []string, *refusal) {
	if adm.inward {
		return s.planPool(st, adm, m)
	}
	return s.planPartner(st, adm, m)
}

// planPartner leads to the partner that policy has decided for. A new request
// goes to the pinned proxy or to the domain's SRV targets (spec-sip L10); one
// inside a dialog where its route set says, if whoever answers there proves
// the partner.
func (s *Server) planPartner(st *State, adm *admission, m *sipmsg.Message) (*link, []string, *refusal) {
	h := partnerHop(st, adm)
	targets := partnerTargets(adm)
	if explicit, ok := explicitTarget(adm, m); ok {
		targets = []string{explicit}
	}
	if len(targets) == 0 {
		return nil, nil, refuse(verdict.TargetOutsideDomain, "no SRV target of %s counts", adm.remote())
	}
	return s.links.get(h), targets, nil
}

// partnerHop says how the next hop outside is named and proven.
func partnerHop(st *State, adm *admission) hop {
	p, remote, facts := adm.decision.Partner, adm.remote(), adm.question.Facts
	face := st.Faces[External].TLS
	ours := adm.local().Domain
	h := hop{tls: face, state: st, ours: ours, serverName: remote}
	h.key = linkKey{side: External, ours: st.keyFingerprint(External, ours), hop: "domain:" + remote.String() + "/" + p.Anchor}
	switch p.Kind {
	case policy.Direct:
		h.key.hop, h.serverName = "proxy:"+p.Proxy.String()+"/"+p.Anchor, p.Proxy
	case policy.HostingProvider, policy.PublicProvider:
		h.key.hop, h.serverName = "provider:"+p.Name+"/"+p.Proxy.String()+"/"+p.Anchor, p.Proxy
	default:
	}
	h.proven = func(id tlsid.Identity) bool {
		f := facts // dials run at the same time
		f.Names, f.Anchors = id.Names, id.Anchors
		return st.Policy.Covers(p, remote, f)
	}
	return h
}

// partnerTargets lists where the partner may be reached, best first.
func partnerTargets(adm *admission) []string {
	p := adm.decision.Partner
	switch p.Kind {
	case policy.Direct:
		return []string{targetName(p.Proxy, orDefault(p.Port))}
	case policy.HostingProvider, policy.PublicProvider:
		return srvTargets(adm.answer.Only(p.Proxy))
	default:
		return srvTargets(adm.answer.DirectlyIn(adm.remote()))
	}
}

func srvTargets(a discovery.Answer) []string {
	ordered := a.Ordered(rand.IntN)
	targets := make([]string, len(ordered))
	for i, t := range ordered {
		targets[i] = targetName(t.Host, t.Port)
	}
	return targets
}

// explicitTarget is the next hop that the inside names: the Route that follows
// ours, or inside a dialog the Request-URI (RFC 3261 §16.6 step 6). A Request-URI
// that is the partner's domain itself goes by federation routing.
func explicitTarget(adm *admission, m *sipmsg.Message) (string, bool) {
	uri := m.URI()
	if adm.next != nil {
		parsed, err := sipmsg.ParseURI(adm.next)
		if err != nil {
			return "", false
		}
		uri = parsed
	} else if !adm.dialog {
		return "", false
	}
	if d, err := domain.ParseWire(string(uri.Host)); err == nil && d == adm.remote() {
		return "", false
	}
	return net.JoinHostPort(string(uri.Host), strconv.Itoa(int(orDefault(uri.Port)))), true
}

func orDefault(port uint16) uint16 {
	if port == 0 {
		return defaultPort
	}
	return port
}

// lookups hold outward requests whose domain's SRV record is being asked for:
// one look-up for each domain, and only that domain's requests wait, in order.
type lookups struct {
	srv     *Server
	running atomic.Int32 // look-ups under way: where there are none, nobody takes the lock
	mu      sync.Mutex
	waiting map[domain.Name][]*transaction
}

// behind queues a decided transaction, whose lock is held, if others to its
// domain still wait for a look-up: it must not overtake them.
func (q *lookups) behind(tx *transaction) bool {
	if q.running.Load() == 0 {
		return false
	}
	d := tx.adm.remote()
	q.mu.Lock()
	defer q.mu.Unlock()
	queue, running := q.waiting[d]
	if !running || len(queue) >= tx.st.Bounds.QueueMessages {
		return false
	}
	q.waiting[d] = append(queue, tx)
	return true
}

// wait queues a transaction, whose lock is held.
func (q *lookups) wait(tx *transaction) {
	d := tx.adm.remote()
	q.mu.Lock()
	queue, running := q.waiting[d]
	if len(queue) >= tx.st.Bounds.QueueMessages {
		q.mu.Unlock()
		tx.fail(refuse(verdict.QueueFull, "limits.queue_messages reached for the look-up of %s", d))
		return
	}
	q.waiting[d] = append(queue, tx)
	if !running {
		q.running.Add(1)
	}
	q.mu.Unlock()
	if running {
		return
	}
	if !q.srv.start(func(ctx context.Context) { q.resolve(ctx, tx.st, d) }) {
		tx.fail(refuse(verdict.ShuttingDown, "this edge is stopping"))
	}
}

// resolve asks for a domain's record and lets go on what waited for it.
func (q *lookups) resolve(ctx context.Context, st *State, d domain.Name) {
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.ConnectTotal)
	defer cancel()
	answer, err := st.Resolver.SRV(ctx, discovery.SIPFederation, d)
	for {
		q.mu.Lock()
		queue := q.waiting[d]
		if len(queue) == 0 {
			delete(q.waiting, d)
			q.running.Add(-1)
			q.mu.Unlock()
			return
		}
		q.waiting[d] = nil
		q.mu.Unlock()
		for _, tx := range queue {
			tx.resolved(answer, err)
		}
	}
}

// resolved takes the decision that waited for the DNS.
func (tx *transaction) resolved(answer discovery.Answer, err error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.phase != connecting {
		return // cancelled or timed out meanwhile
	}
	if refused := tx.srv.decideWithSRV(tx.st, tx.req, tx.adm, answer, err); refused != nil {
		tx.fail(refused)
		return
	}
	tx.route()
}
