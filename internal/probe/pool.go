package probe

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"edged/pkg/domain"
	"edged/pkg/nexthop"
	"edged/pkg/sipfed"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
	"edged/pkg/xmpp"
)

// sipPool walks to every member of the pool that serves a domain of ours.
func (w *walk) sipPool(ctx context.Context, ours domain.Name) {
	i := slices.IndexFunc(w.SIP.Pools, func(p *sipfed.Pool) bool { return slices.Contains(p.Domains, ours) })
	if i < 0 {
		w.noPool(ours)
		return
	}
	pool := w.SIP.Pools[i]
	for _, member := range w.members(pool.Name, pool.Members) {
		w.each(ctx, member, func(ctx context.Context, raw net.Conn) bool { return w.sipMember(ctx, raw, member, pool, ours) })
	}
}

func (w *walk) noPool(ours domain.Name) {
	w.step(time.Time{}, "pool", Failed, "no pool serves %s by %s", ours, w.protocol)
	w.find(verdict.PoolDown, fmt.Sprintf("no pool serves %s", ours), fmt.Sprintf("add it to the domains of a pool in %s.pools", w.protocol))
}

func (w *walk) members(name string, pool *nexthop.Pool) []string {
	var all []string
	for _, s := range pool.Status() {
		all = append(all, s.Member)
	}
	if all == nil {
		w.step(time.Time{}, "pool", Failed, "pool %s has no members", name)
		w.find(verdict.PoolDown, fmt.Sprintf("pool %s has no members", name), "see whether the SRV record in its srv exists, or list members")
		return nil
	}
	w.step(time.Time{}, "pool", OK, "pool %s: %s", name, strings.Join(all, ", "))
	return all
}

func (w *walk) sipMember(ctx context.Context, raw net.Conn, member string, pool *sipfed.Pool, ours domain.Name) bool {
	face := w.SIP.Faces[sipfed.Internal]
	host, _, _ := net.SplitHostPort(member)
	name, _ := domain.ParseWire(host) // an address is asked for by no name
	sock := w.secure(ctx, raw, member, tlsid.ClientConfig(face.TLS, name, ours, nil), face.TLS)
	if sock == nil {
		return false
	}
	id, err := tlsid.PeerIdentity(face.TLS, sock.ConnectionState())
	if err != nil {
		return false // never: the handshake has asked
	}
	if !pool.Proves(id) {
		w.step(time.Time{}, "identity", Failed, "the certificate is not that of a member of %s", pool.Name)
		w.find(verdict.CertificateRefused, fmt.Sprintf("the certificate of %s names %s, signed under %s; pool %s wants one of %s under its own roots",
			member, namesIn(id.Leaf), rootsOf(id.Anchors), pool.Name, joined(pool.Names)),
			"correct names or roots of the pool in edged.yaml, or the certificate of "+member)
		return false
	}
	w.step(time.Time{}, "identity", OK, "the certificate is that of a member of %s", pool.Name)
	return w.options(sock, member, face.Host.String(), face.Host.String(), ours.String())
}

func joined(names []domain.Name) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = n.String()
	}
	return strings.Join(all, ", ")
}

// xmppPool opens a stream to every member of the pool that serves a domain of ours, in
// the name of a partner's.
func (w *walk) xmppPool(ctx context.Context, ours, theirs domain.Name) {
	i := slices.IndexFunc(w.XMPP.Pools, func(p *xmpp.Pool) bool { return slices.Contains(p.Domains, ours) })
	if i < 0 {
		w.noPool(ours)
		return
	}
	w.members(w.XMPP.Pools[i].Name, w.XMPP.Pools[i].Members)
	st := *w.XMPP
	w.streams(ctx, &st, xmpp.Internal, ours, theirs)
}
