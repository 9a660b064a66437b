package sipfed

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/tlsid"
)

// bed is a Server between a partner and a pool over in-memory pipes: it runs in
// a synctest bubble, where time costs nothing.
type bed struct {
	t       *testing.T
	s       *Server
	state   *State
	world   *authorities
	outside *pipes
	inside  *pipes
	members map[string]chan net.Conn // what the edge dialled, to the pool's members and to partners, by address
	changes []change                 // made to every State
	sent    int                      // messages that were made
	ours    []domain.Name            // what it speaks for
	strays  atomic.Int32             // connections dialled to anybody else
	port    atomic.Uint32            // that was dialled last
	pipe    func() (net.Conn, net.Conn)
}

// change adjusts the policy before it is compiled.
type change = func(*policy.Source, *limit.Bounds)

// authorities are made once for a test binary: keys are slow, and must be made
// outside of bubbles.
type authorities struct {
	dir              string
	public, private  *ca.Authority
	edge, inner      ca.Cert
	partner, other   ca.Cert
	member           ca.Cert
	many             ca.Cert // a partner's, for fabrikam.com and exampleDomains
	external, inside *tlsid.Side
}

var world = sync.OnceValue(func() *authorities {
	w := &authorities{public: ca.New("public"), private: ca.New("inside")}
	w.dir = must(os.MkdirTemp("", "sipfed"))
	issue := func(a *ca.Authority, name string) ca.Cert {
		return a.Issue(ca.Leaf{DNS: []string{name}})
	}
	w.edge, w.inner = issue(w.public, "sip.contoso.com"), issue(w.private, "edge.corp.contoso.com")
	w.partner, w.other = issue(w.public, "fabrikam.com"), issue(w.public, "adatum.com")
	w.many = w.public.Issue(ca.Leaf{DNS: append(exampleDomains(), "fabrikam.com")})
	w.member = issue(w.private, "pool.corp.contoso.com")
	w.external = w.side(w.edge, w.public, "")
	w.inside = w.side(w.inner, w.private, "pool:front")
	return w
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// side loads one side's keys and roots from files, as the daemon does.
func (w *authorities) side(own ca.Cert, root *ca.Authority, anchor string) *tlsid.Side {
	name := strings.ReplaceAll("side"+anchor, ":", "-")
	cert, key, err := own.WriteFiles(w.dir, name)
	if err != nil {
		panic(err)
	}
	rootFile, _, err := root.Cert().WriteFiles(w.dir, name+"-root")
	if err != nil {
		panic(err)
	}
	now := time.Now() // the bubble's clock starts in the year 2000
	trust := tlsid.TrustConfig{Roots: []string{rootFile}}
	if anchor != "" {
		trust = tlsid.TrustConfig{Anchors: map[string][]string{anchor: {rootFile}}}
	}
	trust.Now = func() time.Time { return now }
	return &tlsid.Side{
		Keys:  must(tlsid.LoadKeys([]tlsid.Pair{{Cert: cert, Key: key}}, domain.Name{})),
		Trust: must(tlsid.LoadTrust(trust)),
	}
}

// newBed starts a Server.
func newBed(t *testing.T, changes ...change) *bed {
	t.Helper()
	return newBedOver(t, net.Pipe, changes...)
}

// newBedOver starts a Server whose connections are made by pipe.
func newBedOver(t *testing.T, pipe func() (net.Conn, net.Conn), changes ...change) *bed {
	t.Helper()
	b := &bed{t: t, world: world(), outside: newPipes(), inside: newPipes(), members: make(map[string]chan net.Conn), changes: changes, ours: []domain.Name{domain.MustParse("contoso.com")}, pipe: pipe}
	for _, addr := range []string{"10.0.0.1", "10.0.0.2", partnerAddr, secondAddr} {
		b.members[addr] = make(chan net.Conn, 16)
	}
	b.state = b.newState()
	s, err := New(Config{Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug})), Dial: b.dial}, b.state)
	if err != nil {
		t.Fatal(err)
	}
	s.messages.Poison = true
	b.s = s
	go func() { _ = s.Serve(External, b.outside) }()
	go func() { _ = s.Serve(Internal, b.inside) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if left := s.held.Bytes(); left != 0 {
			t.Errorf("%d bytes count as held in the end", left)
		}
	})
	return b
}

// between starts a bed with a partner that has connected to the edge, and the
// pool that the edge has connected to. It belongs into a bubble, after world().
func between(t *testing.T) (b *bed, partner, pool *peer) {
	t.Helper()
	b = newBed(t)
	return b, b.partner(b.world.partner), b.poolServer()
}

// partnerAddr is where fabrikam.com can be dialled, and secondAddr is another place.
const partnerAddr, secondAddr = "203.0.113.7", "203.0.113.8"

// direct makes fabrikam.com a partner that needs no look-up.
func direct(src *policy.Source, _ *limit.Bounds) {
	src.AllowedDomains[0].Proxy = domain.MustParse("fabrikam.com")
}

// outward starts a bed in which a member of the pool has written to a partner,
// and returns its connection and the one that the edge has dialled.
func outward(t *testing.T, changes ...change) (b *bed, member, partner *peer) {
	t.Helper()
	b = newBed(t, append(changes, direct)...)
	member = b.client(b.inside, b.world.member)
	member.send(outgoing("MESSAGE", "first", ""))
	partner = b.serverAt(partnerAddr, b.world.partner)
	partner.send(partner.expect("MESSAGE").reply("200 OK"))
	member.expect("SIP/2.0 200")
	return b, member, partner
}

// apply replaces the State by one with these pools and further changes.
func (b *bed) apply(pools []*Pool, changes ...change) {
	b.t.Helper()
	next := b.newState(changes...)
	next.Pools = pools
	b.put(next)
}

func (b *bed) put(st *State) {
	b.t.Helper()
	if err := b.s.Apply(st); err != nil {
		b.t.Fatal(err)
	}
	b.state = st
}

// source is the policy, and the bounds, of a State with further changes.
func (b *bed) source(changes ...change) (policy.Source, limit.Bounds) {
	src := policy.Default()
	src.Federation.Enabled = true
	src.AllowedDomains = []policy.AllowedDomain{{Domain: pattern("fabrikam.com")}, {Domain: pattern("adatum.com")}}
	src.AccessPolicies.Global.Federation = true
	src.AccessPolicies.Users = []policy.UserPolicy{{Name: "none", Policy: &policy.AccessPolicy{}, Grant: []policy.User{must(policy.ParseUser("mallory@contoso.com"))}}}
	bounds := limit.DefaultBounds()
	for _, f := range slices.Concat(b.changes, changes) {
		f(&src, &bounds)
	}
	return src, bounds
}

func (b *bed) newState(changes ...change) *State {
	src, bounds := b.source(changes...)
	var local []policy.Local
	for _, d := range b.ours {
		local = append(local, policy.Local{Domain: d, SIP: true})
	}
	set, problems := policy.Compile(src, local)
	if len(problems) > 0 {
		b.t.Fatal(problems)
	}
	return &State{
		Policy: set, Bounds: bounds, Secret: Secret{Current: []byte(strings.Repeat("s", 32))},
		Realms:   []string{"SIP Communications Service"},
		Resolver: must(discovery.New(discovery.Config{Servers: []string{"127.0.0.1:1"}})),
		Faces: [2]Face{
			External: {TLS: b.world.external, Host: domain.MustParse("sip.contoso.com"), Port: 5061, Names: map[string]bool{"sip.contoso.com": true}},
			Internal: {TLS: b.world.inside, Host: domain.MustParse("edge.corp.contoso.com"), Port: 5061, Names: map[string]bool{"edge.corp.contoso.com": true}},
		},
		Pools: []*Pool{{
			Name: "front", Domains: b.ours, Anchor: "pool:front",
			Names:   []domain.Name{domain.MustParse("pool.corp.contoso.com")},
			Members: nexthop.New([]string{"10.0.0.1:5061"}, nexthop.Config{DownFor: time.Second, MaxDown: 30 * time.Second, Now: time.Now}),
		}},
	}
}

func pattern(s string) policy.Pattern { return policy.Pattern{Name: domain.MustParse(s)} }

// dial is Config.Dial: the pool is at the other end of a pipe.
func (b *bed) dial(ctx context.Context, _ Side, to netip.AddrPort) (net.Conn, error) {
	member, ok := b.members[to.Addr().String()]
	if !ok {
		b.strays.Add(1)
		return nil, fmt.Errorf("nobody is at %s", to)
	}
	b.port.Store(uint32(to.Port()))
	ours, theirs := b.pipe()
	select {
	case member <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wentNowhereElse checks that the edge has tried to reach nobody but its peers.
func (b *bed) wentNowhereElse() {
	b.t.Helper()
	if n := b.strays.Load(); n != 0 {
		b.t.Errorf("%d connections to others were tried", n)
	}
}

// partner connects to the outside listener with a certificate.
func (b *bed) partner(cert ca.Cert) *peer {
	b.t.Helper()
	return b.client(b.outside, cert)
}

func (b *bed) client(to *pipes, cert ca.Cert) *peer {
	b.t.Helper()
	p, err := b.connect(to, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &cert.TLS, nil
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// connect connects to a listener and shakes hands.
func (b *bed) connect(to *pipes, config *tls.Config) (*peer, error) {
	b.t.Helper()
	ours, theirs := b.pipe()
	addr := netip.MustParseAddrPort(partnerAddr + ":40000")
	if to == b.inside {
		addr = netip.MustParseAddrPort("10.0.0.1:40000")
	}
	to.conns <- addressed{theirs, net.TCPAddrFromAddrPort(addr)}
	sock := tls.Client(ours, config)
	return newPeer(b.t, ours, sock), sock.HandshakeContext(b.t.Context())
}

// addressed is a pipe from somewhere.
type addressed struct {
	net.Conn
	peer net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.peer }

// SyscallConn lets it be eager where it is no pipe.
func (a addressed) SyscallConn() (syscall.RawConn, error) {
	if own, ok := a.Conn.(syscall.Conn); ok {
		return own.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// poolServer takes the connection that the edge opens to its pool's first member.
func (b *bed) poolServer() *peer { return b.poolAt("10.0.0.1") }

// poolAt takes the connection that the edge opens to one member.
func (b *bed) poolAt(addr string) *peer { return b.serverAt(addr, b.world.member) }

// serverAt takes a connection that the edge opens, with a certificate.
func (b *bed) serverAt(addr string, cert ca.Cert) *peer {
	b.t.Helper()
	raw := <-b.members[addr]
	roots := x509.NewCertPool()
	sock := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert.TLS}, ClientAuth: tls.RequireAnyClientCert, ClientCAs: roots})
	if err := sock.HandshakeContext(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return newPeer(b.t, raw, sock)
}

// peer is one end of a connection, played by the test.
type peer struct {
	t    *testing.T
	raw  net.Conn
	sock *tls.Conn
	r    *bufio.Reader
}

func newPeer(t *testing.T, raw net.Conn, sock *tls.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { _ = raw.Close() })
	return &peer{t: t, raw: raw, sock: sock, r: bufio.NewReader(sock)}
}

// wire turns a message written with plain line ends into what goes over the
// wire; Content-Length is added.
func wire(text string) string {
	head, body, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n\n")
	head = strings.ReplaceAll(strings.TrimRight(head, "\n"), "\n", "\r\n")
	return fmt.Sprintf("%s\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// send sends a message written with plain line ends.
func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.sock, wire(text)); err != nil {
		p.t.Fatal("send:", err)
	}
}

// expect reads one message and checks the start of its first line.
func (p *peer) expect(start string) msg {
	p.t.Helper()
	m, err := p.read(30 * time.Minute)
	if err != nil {
		p.t.Fatalf("waiting for %q: %v", start, err)
	}
	if !strings.HasPrefix(m.first, start) {
		p.t.Fatalf("want %q, got\n%s", start, m)
	}
	return m
}

// silent checks that nothing arrives for a while.
func (p *peer) silent(d time.Duration) {
	p.t.Helper()
	if m, err := p.read(d); err == nil {
		p.t.Fatalf("want silence, got\n%s", m)
	}
}

// msg is a message as a test reads it: no part of the edge is used.
type msg struct {
	first string
	rows  []string
	body  string
	raw   string
}

func (m msg) String() string { return m.first + "\n" + strings.Join(m.rows, "\n") + "\n\n" + m.body }

// all returns the values of a header, in order.
func (m msg) all(name string) []string {
	var out []string
	for _, row := range m.rows {
		if k, v, _ := strings.Cut(row, ":"); strings.EqualFold(strings.TrimSpace(k), name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

func (m msg) one(name string) string {
	if all := m.all(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// reply makes the response to a request that a pool or partner received.
func (m msg) reply(status string, extra ...string) string {
	out := "SIP/2.0 " + status + "\n"
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq", "Record-Route"} {
		for _, v := range m.all(name) {
			if name == "To" && !strings.Contains(v, "tag=") {
				v += ";tag=there"
			}
			out += name + ": " + v + "\n"
		}
	}
	for _, e := range extra {
		out += e + "\n"
	}
	return out + "\n"
}

func (p *peer) read(within time.Duration) (msg, error) {
	_ = p.sock.SetReadDeadline(time.Now().Add(within))
	var m msg
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return m, err
		}
		m.raw += line
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "" && m.first == "":
			m.raw = ""
		case line == "":
			n, _ := strconv.Atoi(m.one("Content-Length") + m.one("l"))
			body := make([]byte, n)
			_, err := io.ReadFull(p.r, body)
			m.body = string(body)
			m.raw += m.body
			return m, err
		case m.first == "":
			m.first = line
		default:
			m.rows = append(m.rows, line)
		}
	}
}

// pipes is a listener whose connections are made by the test.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn, 16), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// testLog shows the edge's log where a test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
