package interop

import (
	"context"
	"crypto/tls"
	"slices"
	"testing"

	"edged/internal/lab/sippeer"
)

// stand is a world in which the test itself speaks, through scripted peers that
// record what reaches them: what Kamailio would never send.
type stand struct {
	*world
	front    *sippeer.Peer // the only member of our pool
	fabrikam *sippeer.Peer // an allowed partner's edge
	config   string        // edged's
	edge     *process
}

func newStand(t *testing.T) stand {
	t.Helper()
	w := newWorld(t)
	w.startDNS(t)
	inside := w.issue(t, w.inside, "fe1.corp.contoso.com", "pool.corp.contoso.com")
	outside := w.issue(t, w.roots, "sip.fabrikam.com")
	s := stand{
		world:    w,
		front:    w.peer(t, "fe1.corp.contoso.com", &inside.TLS, w.inside),
		fabrikam: w.peer(t, "sip.fabrikam.com", &outside.TLS, w.roots),
	}
	s.config = w.configure(t, edgeSpec{})
	s.edge = w.runEdge(t, s.config)
	return s
}

// peer starts a scripted peer where the zone says that the host is.
func (w *world) peer(t testing.TB, host string, cert *tls.Certificate, trusts authority) *sippeer.Peer {
	t.Helper()
	p, err := sippeer.New(t.Context(), sippeer.Config{
		Host: host, Listen: w.place(host).String(), Certificate: cert, Roots: trusts.pool,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// caller is a peer that only dials, with a certificate for the names.
func (w *world) caller(t testing.TB, signer authority, names ...string) *sippeer.Peer {
	t.Helper()
	cert := signer.Issue(leaf(names...)).TLS
	return w.callerWith(t, names[0], &cert)
}

func (w *world) callerWith(t testing.TB, host string, cert *tls.Certificate) *sippeer.Peer {
	t.Helper()
	p, err := sippeer.New(t.Context(), sippeer.Config{Host: host, Certificate: cert, Roots: w.roots.pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// dialEdge connects to edged's outside.
func (w *world) dialEdge(t testing.TB, p *sippeer.Peer) *sippeer.Conn {
	t.Helper()
	c, err := p.Dial(soon(t), w.place("sip.contoso.com").String(), "sip.contoso.com")
	if err != nil {
		t.Fatalf("dial edged: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// dialInside connects to edged's inside, as the pool does.
func (s stand) dialInside(t testing.TB) *sippeer.Conn {
	t.Helper()
	c, err := s.front.Dial(soon(t), s.place("edge.corp.contoso.com").String(), "edge.corp.contoso.com")
	if err != nil {
		t.Fatalf("dial edged's inside: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// message is an ordinary MESSAGE from a user to one of ours.
func message(p *sippeer.Peer, from, to string) *sippeer.Message {
	return p.Compose(sippeer.Request{
		Method: "MESSAGE", URI: "sip:" + to, From: "<sip:" + from + ">", To: "<sip:" + to + ">",
		CallID: sippeer.NewCallID("interop.test"), Body: "hello",
	})
}

// status sends a request and returns the status of its final answer, 0 for none.
func status(t testing.TB, c *sippeer.Conn, m *sippeer.Message) int {
	t.Helper()
	o := c.Do(soon(t), m)
	if final := o.Final(); final != nil {
		return final.Status()
	}
	t.Logf("no final answer to %s: %v", m.Start, o.Err)
	return 0
}

// wantRefused sends a request and checks what it is answered, and that the pool
// has seen nothing of it.
func (s stand) wantRefused(t testing.TB, c *sippeer.Conn, m *sippeer.Message, want ...int) {
	t.Helper()
	if got := status(t, c, m); !slices.Contains(want, got) {
		t.Errorf("%s answered with %d, want one of %v", m.Start, got, want)
	}
	if arrived := s.front.Desk.Arrived(m.Get("Call-ID")); len(arrived) > 0 {
		t.Errorf("the pool received:\n%s", arrived[len(arrived)-1])
	}
}

// wantWorking checks that an honest request still passes on the connection, and
// with it that whatever was sent before has been dealt with.
func (s stand) wantWorking(t testing.TB, c *sippeer.Conn) {
	t.Helper()
	if got := status(t, c, message(s.fabrikam, "bob@fabrikam.com", "carol@contoso.com")); got != 200 {
		t.Errorf("an honest request afterwards is answered with %d, want 200", got)
	}
}

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
