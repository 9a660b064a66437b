package sipfed

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/serve"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// dialTarget opens one connection to a target, host:port: look-up, TCP, TLS and
// the proof of who answers, together within limits.connect_timeout. Every
// address is tried in turn (RFC 3263 §4.3).
func (s *Server) dialTarget(ctx context.Context, l *link, h hop, target string) (*conn, *refusal) {
	st := h.state
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.ConnectTimeout)
	defer cancel()
	addrs, name, refused := resolveTarget(ctx, st, target)
	if refused != nil {
		return nil, refused
	}
	if !h.serverName.IsZero() {
		name = h.serverName
	}
	if h.key.side == External {
		s.makeRoom(st.mayDial())
	}
	last := refuse(verdict.ConnectFailed, "%s has no address", target)
	for i, addr := range addrs {
		if h.key.side == External {
			if err := st.Resolver.CheckAddr(addr.Addr()); err != nil {
				last = refuse(verdict.TargetPrivate, "%s: %v", target, err)
				continue
			}
		}
		c, refused := s.dialAddress(ctx, l, h, name, target, addr, len(addrs)-i)
		if refused == nil {
			return c, nil
		}
		last = refused
	}
	return nil, last
}

// makeRoom lets there be no more connections that were dialled outside than so many, with
// the one to come: the port, and in a dialog the host, is a partner's choice. The one that
// was used longest ago ends, as soon as nothing is owed on it.
func (s *Server) makeRoom(most int) {
	n, oldest := 0, (*conn)(nil)
	for _, c := range s.group.All() {
		if c.dialled && c.side == External && c.usable() {
			n++
			if oldest == nil || c.lastUsed().Before(oldest.lastUsed()) {
				oldest = c
			}
		}
	}
	if oldest != nil && n >= most {
		oldest.retire(errCrowded)
	}
}

// resolveTarget turns host:port into addresses.
func resolveTarget(ctx context.Context, st *State, target string) ([]netip.AddrPort, domain.Name, *refusal) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, domain.Name{}, refuse(verdict.DNSNoAddress, "%v", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, domain.Name{}, refuse(verdict.DNSNoAddress, "%v", err)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, uint16(port))}, domain.Name{}, nil
	}
	name, err := domain.ParseWire(host)
	if err != nil {
		return nil, domain.Name{}, refuse(verdict.DNSNoAddress, "%v", err)
	}
	ips, err := st.Resolver.Addresses(ctx, name)
	if err != nil {
		return nil, name, undialled(noAddress(err), target, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip, uint16(port))
	}
	return addrs, name, nil
}

// noAddress is the reason for an error of the look-up: that there is no address, or
// that the DNS failed and nobody knows.
func noAddress(err error) verdict.Reason {
	if discovery.Reason(err) == verdict.DNSFailed {
		return verdict.DNSFailed
	}
	return verdict.DNSNoAddress
}

// undialled is why a target cannot be reached: it is not to blame if this process
// has no descriptors left.
func undialled(reason verdict.Reason, target string, err error) *refusal {
	if serve.Exhausted(err) {
		reason = verdict.Overloaded
	}
	return refuse(reason, "%s: %v", target, err)
}

// dialAddress connects to one address and judges who answers, in its share of
// the time: a silent address must not take that of the others.
func (s *Server) dialAddress(ctx context.Context, l *link, h hop, name domain.Name, target string, addr netip.AddrPort, left int) (*conn, *refusal) {
	if by, ok := ctx.Deadline(); ok {
		share, cancel := context.WithTimeout(ctx, time.Until(by)/time.Duration(left))
		defer cancel()
		ctx = share
	}
	raw, err := s.dial(ctx, h.key.side, addr)
	if err != nil {
		return nil, undialled(verdict.ConnectFailed, target, err)
	}
	var id tlsid.Identity
	sock := tls.Client(&socket{Conn: raw}, tlsid.ClientConfig(h.tls, name, h.ours, &id))
	if refused := s.prove(ctx, sock, &id, h, target); refused != nil {
		_ = raw.Close()
		return nil, refused
	}
	c := newConn(s, h.key.side, sock, addr, id)
	c.dialled, c.link, c.target, c.shown, c.shownFor = true, l, target, h.key, h.ours
	if !s.register(c) {
		_ = raw.Close()
		return nil, refuse(verdict.ShuttingDown, "this edge is stopping")
	}
	s.recheckSince(h.state, c)
	return c, nil
}

// prove completes the handshake, which fills in id, and asks whether the certificate
// is the next hop's: not a byte of SIP leaves before.
func (s *Server) prove(ctx context.Context, sock *tls.Conn, id *tlsid.Identity, h hop, target string) *refusal {
	err := sock.HandshakeContext(ctx)
	s.metrics.handshake(h.key.side, "dialled", tlsid.HandshakeResult(err))
	_, refusedByUs := tlsid.Refusal(err)
	switch {
	case refusedByUs:
		return refuse(verdict.CertificateRefused, "%s: %v", target, err)
	case err != nil:
		return refuse(verdict.TLSFailed, "%s: %v", target, err)
	case !h.proven(*id):
		return refuse(verdict.CertificateRefused, "%s: the certificate proves %v, which does not cover %s", target, id.Names, h.key.hop)
	}
	return nil
}
