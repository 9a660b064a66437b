package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// chatServer is a running XMPP server, and what it shows to others.
type chatServer struct {
	*xmpppeer.Server
	cert *tls.Certificate
}

// doors are where the edge listens for XMPP, as host:port.
type doors struct{ outside, direct, inside string }

// errNoEdge is what servers get that look for the edge before it runs.
var errNoEdge = errors.New("lab: the edge has not started yet")

// startChats starts the XMPP servers, and makes the authority by which the edge
// proves partners to our pool.
func (w *World) startChats(ctx context.Context) error {
	ours := []domain.Name{domain.MustParse("contoso.com"), domain.MustParse("kr.contoso.com")}
	var err error
	if w.mintCert, w.mintKey, err = tlsid.NewAuthorityPEM(ours, time.Now()); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	for _, c := range chats() {
		if err := w.startChat(ctx, c); err != nil {
			return fmt.Errorf("lab: %s: %w", c.name, err)
		}
	}
	return nil
}

func (w *World) startChat(ctx context.Context, c chat) error {
	cert := w.authorities[c.signer].Issue(c.leaf())
	s := &chatServer{cert: &cert.TLS, Server: xmpppeer.NewServer(xmpppeer.Config{
		Domains: c.domains, Certificates: map[string]*tls.Certificate{"": &cert.TLS}, Roots: w.chatRoots(c), Resolve: w.wayToEdge(c),
		Dialback: c.dialback, DialbackErrors: c.dialback, AvoidExternal: c.dialback,
		Management: c.name == chatPool().name, MaxBytes: c.most,
		External: c.offers, RefuseExternal: c.refuses,
	})}
	w.chats[c.name] = s
	w.undo = append(w.undo, s.Close)
	if c.mute {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return err
	}
	w.ports[c.name] = at.Port()
	s.Serve(l)
	return nil
}

// leaf is the server's certificate.
func (c chat) leaf() ca.Leaf {
	l := ca.Leaf{DNS: c.shows}
	if l.DNS == nil {
		l.DNS = c.domains
	}
	if c.state == expired {
		l.NotBefore = time.Now().AddDate(-1, 0, 0)
		l.NotAfter = time.Now().AddDate(0, 0, -1)
	}
	return l
}

// chatRoots are who must have signed what the edge shows to a server.
func (w *World) chatRoots(c chat) *x509.CertPool {
	roots := x509.NewCertPool()
	if c.name == chatPool().name {
		roots.AppendCertsFromPEM(w.mintCert)
	} else {
		roots.AddCert(w.authorities[public].Cert().X509)
	}
	return roots
}

// wayToEdge is where a server finds everybody else: to partners the edge is
// contoso.com, to our pool it is the world.
func (w *World) wayToEdge(c chat) func(context.Context, string) (xmpppeer.Hop, error) {
	return func(context.Context, string) (xmpppeer.Hop, error) {
		at := w.doors.Load()
		switch {
		case at == nil:
			return xmpppeer.Hop{}, errNoEdge
		case c.name == chatPool().name:
			return xmpppeer.Hop{Addr: at.inside}, nil
		case c.direct:
			return xmpppeer.Hop{Addr: at.direct, Direct: true}, nil
		}
		return xmpppeer.Hop{Addr: at.outside}, nil
	}
}

// addChats publishes the XMPP servers.
func (w *World) addChats(z *zone.Zone) {
	for _, c := range chats() {
		if c.mute {
			continue
		}
		z.A[c.host()] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		for _, d := range c.domains {
			service := zone.XMPP(d)
			if c.direct {
				service = zone.XMPPS(d)
			}
			z.SRV[service] = []zone.SRV{{Port: w.ports[c.name], Target: c.host()}}
		}
	}
}

// dialChat opens an XMPP stream from a server of the cast to the edge by hand, up to
// a step: as the domain from, to the domain to.
func (w *World) dialChat(ctx context.Context, name string, o xmpppeer.DialOptions) (*xmpppeer.Stream, net.Addr, error) {
	at := w.doors.Load().outside
	if name == chatPool().name {
		at = w.doors.Load().inside
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, nil, err
	}
	o.Certificate = w.chats[name].cert
	s, err := xmpppeer.Dial(ctx, conn, o)
	return s, conn.LocalAddr(), err
}
