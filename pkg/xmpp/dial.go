package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/serve"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// purpose is what a stream is opened for.
type purpose uint8

const (
	toRelay  purpose = iota // stanzas: authenticated
	toVerify                // one dialback question: that needs no authentication (XEP-0220 §2.2)
)

// place is one server of the next hop.
type place struct {
	name   string // host:port, for logs and a pool's health
	host   domain.Name
	addr   netip.Addr // instead of host
	port   uint16
	direct bool   // TLS from the first byte (XEP-0368)
	member string // of a pool: the one that is meant, or that has sent us here
	tlsa   []tlsid.TLSA
}

// What one attempt to reach a partner dials at most: a domain's DNS is in the hands of
// whoever has the domain, and may name anybody.
const (
	maxPlaces    = 8
	maxAddresses = 8 // of each
)

// plan is where the next hop may be reached, best first.
type plan struct {
	places []place
	report func(name string, up bool) // tells a pool's health; nil for partners
}

// open opens a stream that carries a link's stanzas.
func (s *Server) open(ctx context.Context, l *link) (*conn, *refusal) {
	c, refused := s.connectCounted(ctx, l.key.side, l.key.pair)
	if refused == nil {
		c.log.Info("stream opened", slog.Bool("dialled", true), slog.String("target", c.target),
			slog.String("proof", c.proof.String()), slog.String("tls", c.tlsVersion()))
	}
	return c, refused
}

// connectCounted opens a stream that carries stanzas. It needs a place among those
// first: nobody outside can have certificates made for nothing, and nobody inside can
// have any number of places dialled at once by writing to ever more domains.
func (s *Server) connectCounted(ctx context.Context, side Side, p pair) (*conn, *refusal) {
	st, most := s.state.Load(), 0
	if side == External {
		most = st.terms(side, p, true).limit
	}
	a := accountOf(side, st.entry(p), p.theirs)
	if refused := s.accounts.reserve(st, a, most); refused != nil {
		return nil, refused
	}
	c, refused := s.connect(ctx, side, p, toRelay)
	s.accounts.give(c, a)
	return c, refused
}

// connect opens a stream to the next hop of a pair: the places in turn, the
// addresses of each in turn, all within limits.connect_total as far as TCP and TLS go
// and within limits.stream_timeout as a whole.
func (s *Server) connect(ctx context.Context, side Side, p pair, why purpose) (*conn, *refusal) {
	st := s.state.Load()
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.StreamTimeout)
	defer cancel()
	plan, refused := s.plan(ctx, st, side, p)
	if refused != nil {
		return nil, refused
	}
	last := refuse(verdict.ConnectFailed, "%s has no server", p.peer(side))
	connectBy := time.Now().Add(st.Bounds.ConnectTotal)
	for hops := 0; len(plan.places) > 0; {
		next := plan.places[0]
		plan.places = plan.places[1:]
		if time.Now().After(connectBy) {
			return nil, last
		}
		c, refused := s.connectTo(ctx, st, side, p, why, next)
		if plan.report != nil && (refused == nil || unreachable(refused.reason)) {
			plan.report(next.name, refused == nil)
		}
		if refused == nil {
			return c, nil
		}
		last = refused
		if other, ok := seeOther(refused); ok && hops < maxHops { // RFC 6120 §4.9.3.19
			hops++
			other.member = next.member
			plan.places = append([]place{other}, plan.places...)
		}
	}
	return nil, last
}

// unreachable lists what says something about a place itself. Everything else may be
// about the partner in whose name we came, who must not take a pool's member away from
// the others.
func unreachable(reason verdict.Reason) bool {
	switch reason {
	case verdict.ConnectFailed, verdict.TLSFailed, verdict.NoAnswer, verdict.ConnectionLost,
		verdict.DNSFailed, verdict.DNSNoRecord, verdict.DNSNoAddress:
		return true
	default:
		return false
	}
}

// plan lists where the next hop of a pair is.
func (s *Server) plan(ctx context.Context, st *State, side Side, p pair) (plan, *refusal) {
	if side == Internal {
		return planPool(st, p)
	}
	return s.planPartner(ctx, st, p)
}

// connectTo tries one place.
func (s *Server) connectTo(ctx context.Context, st *State, side Side, p pair, why purpose, at place) (*conn, *refusal) {
	dialling, cancel := context.WithTimeout(ctx, st.Bounds.ConnectTimeout)
	defer cancel()
	addrs, refused := at.addresses(dialling, st)
	if refused != nil {
		return nil, refused
	}
	last := refuse(verdict.DNSNoAddress, "%s has no address", at.name)
	for i, addr := range addrs {
		if refused := st.mayDial(side, addr); refused != nil {
			last = refused
			continue
		}
		raw, err := s.dialAddress(dialling, side, addr, len(addrs)-i)
		if err != nil {
			last = undialled(verdict.ConnectFailed, at.name, err)
			continue
		}
		c, refused := s.initiate(ctx, st, newConn(s, side, true, raw, addr), p, why, at)
		if refused == nil {
			return c, nil
		}
		c.abort(refused)
		last = refused
	}
	return nil, last
}

// undialled is why a place cannot be reached: it is not to blame if this process has no
// descriptors left.
func undialled(reason verdict.Reason, where string, err error) *refusal {
	if serve.Exhausted(err) {
		reason = verdict.Overloaded
	}
	return refuse(reason, "%s: %v", where, err)
}

// addresses of a place, as the DNS has them.
func (at place) addresses(ctx context.Context, st *State) ([]netip.AddrPort, *refusal) {
	ips := []netip.Addr{at.addr}
	if !at.addr.IsValid() {
		var err error
		if ips, err = st.Resolver.Addresses(ctx, at.host); err != nil {
			return nil, undialled(discovery.Reason(err), at.name, err)
		}
	}
	ips = ips[:min(len(ips), maxAddresses)]
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), at.port)
	}
	return addrs, nil
}

// mayDial refuses addresses that no partner has: private ones, and our own.
func (st *State) mayDial(side Side, addr netip.AddrPort) *refusal {
	if side == Internal {
		return nil
	}
	if st.Own[addr] {
		return refuse(verdict.LoopDetected, "%s is this edge", addr)
	}
	if err := st.Resolver.CheckAddr(addr.Addr()); err != nil {
		return refuse(verdict.TargetPrivate, "%v", err)
	}
	return nil
}

// dialAddress connects to one address in its share of the time: a silent one must
// not take that of the others.
func (s *Server) dialAddress(ctx context.Context, side Side, addr netip.AddrPort, left int) (net.Conn, error) {
	if by, ok := ctx.Deadline(); ok {
		share, cancel := context.WithTimeout(ctx, time.Until(by)/time.Duration(left))
		defer cancel()
		ctx = share
	}
	return s.dial(ctx, side, addr)
}

// initiate negotiates on a fresh connection, as the initiating entity. The conn is
// returned in any case.
func (s *Server) initiate(ctx context.Context, st *State, c *conn, p pair, why purpose, at place) (*conn, *refusal) {
	stop := context.AfterFunc(ctx, func() { c.abort(ctx.Err()) })
	defer stop()
	c.self, c.peer, c.target, c.tlsa, c.host = p.self(c.side), p.peer(c.side), at.name, at.tlsa, at.host
	c.member = at.member
	c.shown = st.shown(c.side, c.self)
	c.named()
	refused := c.negotiate(ctx, st, why, at.direct)
	if refused == nil && !stop() {
		refused = refuse(verdict.NoAnswer, "%s: not ready within limits.stream_timeout", at.name)
	}
	if refused != nil && ctx.Err() != nil && refused.reason == verdict.ConnectionLost {
		refused = refuse(verdict.NoAnswer, "%s: not ready within limits.stream_timeout: %s", at.name, refused.detail)
	}
	return c, refused
}

// secure encrypts a stream that we have opened (RFC 6120 §5.4.3.3): SNI names the
// domain, not the host (XEP-0368 §4), and our certificate is always shown.
func (c *conn) secure(ctx context.Context, st *State, direct bool) *refusal {
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.HandshakeTimeout)
	defer cancel()
	cert, err := st.certificate(c.side, c.self)
	if err != nil {
		return refuse(verdict.CertificateRefused, "our certificate: %v", err)
	}
	config := tlsid.XMPPClientConfig(cert, c.peer)
	if direct {
		config.NextProtos = []string{alpn}
	}
	sock := tls.Client(c.raw, config)
	if err := sock.SetDeadline(time.Time{}); err != nil { // those of the clear are over; ctx has one
		return refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
	}
	err = sock.HandshakeContext(ctx)
	c.srv.metrics.handshake(c.side, true, err)
	if err != nil {
		return refuse(verdict.TLSFailed, "%s: %v", c.target, err)
	}
	c.secured(st, sock)
	c.reader.Reset(timedReader{c}, false)
	return nil
}

// maxHops is how often a server may send us elsewhere.
const maxHops = 2

// elsewhere is a refusal by a server that names another one.
type elsewhere struct{ host string }

func (e elsewhere) Error() string { return "see " + e.host }

// seeOther returns the place that a server has named instead of itself. The domain
// to be proven stays the same.
func seeOther(r *refusal) (place, bool) {
	var e elsewhere
	if !errors.As(r.cause, &e) {
		return place{}, false
	}
	host, port := e.host, "5269"
	if h, p, err := net.SplitHostPort(e.host); err == nil {
		host, port = h, p
	}
	at, err := placeAt(strings.Trim(host, "[]"), port)
	return at, err == nil
}

// placeAt makes a place of a host or address and a port as they are written.
func placeAt(host, port string) (place, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return place{}, fmt.Errorf("%q is no port", port)
	}
	at := place{name: net.JoinHostPort(host, port), port: uint16(n)}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return place{}, fmt.Errorf("%q is an address of this host's neighbours", host)
		}
		at.addr = ip.Unmap()
		return at, nil
	}
	name, err := domain.ParseWire(host)
	at.host = name
	return at, err
}

// sasl reports whether we may authenticate by certificate.
func (t *terms) allowsSASL() bool { return t.sasl != policy.NotSupported }
