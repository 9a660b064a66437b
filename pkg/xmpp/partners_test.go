package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
)

// publish puts a partner's server into the DNS, at an address on loopback.
func (b *bed) publish(name, addr string, direct bool) {
	_, text, _ := net.SplitHostPort(addr)
	port := must(strconv.ParseUint(text, 10, 16))
	b.zone.Set(func(z *zone.Zone) {
		service := zone.XMPP(name)
		if direct {
			service = zone.XMPPS(name)
		}
		z.SRV[service] = append(z.SRV[service], zone.SRV{Port: uint16(port), Target: "xmpp." + name})
		z.A["xmpp."+name] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
}

// alias lets a domain be served where another one is.
func (b *bed) alias(name, other string) {
	b.zone.Set(func(z *zone.Zone) { z.SRV[zone.XMPP(name)] = z.SRV[zone.XMPP(other)] })
}

// partner starts the server of a partner's domain; to it the edge is everybody else,
// and others are where the test says.
func (b *bed) partner(name string, change ...func(*xmpppeer.Config)) *xmpppeer.Server {
	b.t.Helper()
	return b.partnerAt(name, false, change...)
}

func (b *bed) partnerAt(name string, direct bool, change ...func(*xmpppeer.Config)) *xmpppeer.Server {
	b.t.Helper()
	l := listen(b.t)
	b.publish(name, l.Addr().String(), direct)
	cert := b.cert(name)
	c := xmpppeer.Config{
		Domains: []string{name}, Certificates: map[string]*tls.Certificate{"": cert}, Roots: x509.NewCertPool(),
		Resolve: func(context.Context, string) (xmpppeer.Hop, error) {
			return xmpppeer.Hop{Addr: b.outside, Direct: direct}, nil
		},
	}
	c.Roots.AddCert(b.world.public.Cert().X509)
	for _, f := range change {
		f(&c)
	}
	p := xmpppeer.NewServer(c)
	p.Serve(l)
	b.t.Cleanup(p.Close)
	return p
}

// cert is one that the public authority has signed.
func (b *bed) cert(names ...string) *tls.Certificate {
	c := b.world.public.Issue(ca.Leaf{DNS: names})
	return &c.TLS
}

// in is the bed for a subtest.
func (b *bed) in(t *testing.T) *bed {
	t.Helper()
	sub := *b
	sub.t = t
	return &sub
}

// dial opens a stream to the edge by hand, as the domain from, up to a step.
func (b *bed) dial(from string, cert *tls.Certificate, until xmpppeer.Step) *xmpppeer.Stream {
	b.t.Helper()
	return b.dialWith(xmpppeer.DialOptions{From: from, To: ours, Certificate: cert, Until: until})
}

func (b *bed) dialWith(o xmpppeer.DialOptions) *xmpppeer.Stream {
	b.t.Helper()
	s, err := xmpppeer.Dial(b.ctx, b.connect(), o)
	if err != nil {
		b.t.Fatalf("dial as %s: %v", o.From, err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return s
}

// connect opens a TCP connection to the outside of the edge.
func (b *bed) connect() net.Conn {
	b.t.Helper()
	return b.connectTo(b.outside)
}

func (b *bed) connectTo(addr string) net.Conn {
	b.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// receive waits for what comes next for a user.
func (b *bed) receive(u *xmpppeer.User) *xmpppeer.Element {
	b.t.Helper()
	e, err := u.Receive(b.ctx)
	if err != nil {
		b.t.Fatalf("%s waits in vain: %v", u.Address, err)
	}
	return e
}

// chat sends a message and waits for it at the other end.
func (b *bed) chat(from, to *xmpppeer.User, text string) *xmpppeer.Element {
	b.t.Helper()
	if _, err := from.Message(b.ctx, to.Address, text); err != nil {
		b.t.Fatalf("%s sends: %v", from.Address, err)
	}
	e := b.receive(to)
	if e.Body() != text {
		b.t.Fatalf("%s got %s, want the text %q", to.Address, e, text)
	}
	return e
}

// send sends a stanza as it is.
func (b *bed) send(from *xmpppeer.User, st xmpppeer.Stanza) {
	b.t.Helper()
	if err := from.Send(b.ctx, st); err != nil {
		b.t.Fatalf("%s sends: %v", from.Address, err)
	}
}

// ended waits for the stream error that ends a stream, and its closing tag.
func (b *bed) ended(s *xmpppeer.Stream, condition string) {
	b.t.Helper()
	e, err := s.AwaitError(b.ctx)
	if err != nil || e.Condition != condition {
		b.t.Fatalf("the stream ended with %v, %v; want the error %s", e, err, condition)
	}
	if err := s.AwaitEnd(b.ctx); !errors.Is(err, xmpppeer.ErrEnd) {
		b.t.Errorf("after the error: %v, want a closing tag", err)
	}
}

// isError checks an error stanza of the edge: what it answers, and how (RFC 6120 §8.3).
func (b *bed) isError(e *xmpppeer.Element, sent xmpppeer.Stanza, condition, kind, by string) {
	b.t.Helper()
	name := sent.Kind
	if name == "" {
		name = "message"
	}
	fault := e.Child("error", xmpppeer.NSServer)
	if fault == nil || len(fault.Children) != 1 || len(e.Children) != 1 {
		b.t.Fatalf("got %s, want an error with one condition", e)
	}
	want := []string{name, "error", sent.To, sent.From, sent.ID, condition, kind, by}
	got := []string{e.Name, e.Attr("type"), e.Attr("from"), e.Attr("to"), e.Attr("id"), e.Condition(), fault.Attr("type"), fault.Attr("by")}
	if !slices.Equal(got, want) {
		b.t.Errorf("got  %q\nwant %q", got, want)
	}
}

// happened waits for an event of a server.
func (b *bed) happened(s *xmpppeer.Server, what, text string) {
	b.t.Helper()
	_, err := s.AwaitEvent(b.ctx, func(e xmpppeer.Event) bool { return e.What == what && strings.Contains(e.Text, text) })
	if err != nil {
		b.t.Fatalf("%s %s never happened, but %v", what, text, s.Events())
	}
}
