package records

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"edged/internal/config"
)

// dialTimeout bounds the look at one place: connection, and TLS.
const dialTimeout = 5 * time.Second

// place is one of our listeners as the DNS shows it.
type place struct {
	*Service
	at netip.AddrPort

	shown  []*x509.Certificate
	failed error
}

// listeners looks at all places at once, and reports them in order.
func (v *verifier) listeners(ctx context.Context) {
	var places []*place
	for _, s := range v.published {
		for _, a := range v.addresses[s.Target] {
			if v.Resolver.CheckAddr(a) == nil {
				places = append(places, &place{Service: s, at: netip.AddrPortFrom(a, s.Port)})
			}
		}
	}
	var all sync.WaitGroup
	for _, p := range places {
		all.Go(func() { p.failed = v.visit(ctx, p) })
	}
	all.Wait()
	for _, p := range places {
		v.visited(p)
	}
}

// visit connects as a partner would, and keeps what certificate it was shown.
func (v *verifier) visit(ctx context.Context, p *place) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.at.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if !p.Direct {
		if err := startTLS(conn, p.Domain); err != nil {
			return err
		}
	}
	err = tls.Client(conn, v.client(p)).HandshakeContext(ctx)
	if len(p.shown) > 0 {
		return nil // whether it likes our certificate is another question
	}
	return err
}

// client asks for the domain, as partners do (RFC 5922 §7.8, RFC 6120 §13.7.2).
func (v *verifier) client(p *place) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: p.Domain.String(),
		InsecureSkipVerify: true, //nolint:gosec // what is shown is compared with our own file
		VerifyConnection: func(cs tls.ConnectionState) error {
			p.shown = cs.PeerCertificates
			return nil
		},
	}
	if p.Protocol == config.XMPPProtocol && p.Direct {
		c.NextProtos = []string{"xmpp-server"}
	}
	if v.keys.ring != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return v.ours(p), nil }
	}
	return c
}

// ours is the certificate that a partner should be shown there.
func (v *verifier) ours(p *place) *tls.Certificate {
	if p.Protocol == config.XMPPProtocol {
		return v.keys.ring.ForXMPP(p.Domain)
	}
	return v.keys.ring.For(p.Domain)
}

// visited reports what was found at a place.
func (v *verifier) visited(p *place) {
	about := fmt.Sprintf("%s (%s, %s)", p.at, p.Target, p.Owner())
	switch err := p.failed; {
	case err == nil && v.keys.ring == nil:
		v.add(OK, about, "answers with a certificate for "+namesOf(p.shown[0]), "")
	case err == nil && same(p.shown, v.ours(p)):
		v.add(OK, about, "answers with "+v.keys.fileOf(v.ours(p)), "")
	case err == nil:
		v.add(Wrong, about, fmt.Sprintf("shows a certificate that is not %s: it is valid until %s, for %s", v.keys.fileOf(v.ours(p)), date(p.shown[0].NotAfter), namesOf(p.shown[0])),
			"edged reload, if the file has been renewed; otherwise see what else answers there")
	case errors.Is(err, syscall.ECONNREFUSED):
		v.add(Wrong, about, "refuses connections", v.start(p))
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		v.add(Wrong, about, fmt.Sprintf("does not answer within %s", dialTimeout),
			fmt.Sprintf("let TCP port %d through the firewall, and behind NAT forward it\n", p.at.Port())+
				"from inside, NAT often hides our own public address: then try from outside, or --no-connect")
	default:
		v.add(Wrong, about, "TLS does not come about: "+err.Error(), "see what answers there, and edged's log of that moment")
	}
}

// start says how to have somebody listen at a place.
func (v *verifier) start(p *place) string {
	if ours := publicAddresses(v.Config); len(ours) > 0 && !slices.Contains(ours, p.at.Addr()) {
		return "start the edge that has this address, or remove the address from the DNS"
	}
	return "start edged, or see whether it listens there: " + p.setting()
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// setting is where edged.yaml says where to listen.
func (s *Service) setting() string {
	switch {
	case s.Protocol == config.SIPProtocol:
		return "sip.external.listen"
	case s.Direct:
		return "xmpp.external.direct_tls"
	}
	return "xmpp.external.listen"
}
