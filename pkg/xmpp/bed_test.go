package xmpp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/tlsid"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ours   = "contoso.com"
	theirs = "jabber.example"
	bob    = "bob@contoso.com"
	alice  = "alice@jabber.example"
)

// bed is a Server on loopback between a pool for contoso.com and whatever partners a
// test starts. The pool finds everybody at the edge, the edge finds partners by DNS.
type bed struct {
	t               *testing.T
	ctx             context.Context // the test's, with a deadline
	s               *Server
	state           *State
	world           *authorities
	zone            *zone.Server
	pool            *xmpppeer.Server
	outside, inside string // where the edge listens
}

// setup is what a test may change before a bed starts.
type setup struct {
	policy   policy.Source
	bounds   limit.Bounds
	config   Config
	pool     xmpppeer.Config
	dialback bool // the pool is told by dialback who is there, not by certificate
	noPool   bool // the pool's only member is where nobody listens
}

// authorities are made once for a test binary.
type authorities struct {
	dir             string
	public, private *ca.Authority
	member          ca.Cert
	mint            *tlsid.Authority
	mintRoots       *x509.CertPool
	external        *tlsid.Side
	inside          *tlsid.Trust
}

var world = sync.OnceValue(func() *authorities {
	w := &authorities{public: ca.New("public"), private: ca.New("inside")}
	w.dir = must(os.MkdirTemp("", "xmpp"))
	defer os.RemoveAll(w.dir)
	w.member = w.private.Issue(ca.Leaf{DNS: []string{ours}})
	file := func(a *ca.Authority, name string) []string {
		path, _, err := a.Cert().WriteFiles(w.dir, name)
		return []string{must(path, err)}
	}
	cert, key, err := w.public.Issue(ca.Leaf{DNS: []string{ours, "*." + ours}}).WriteFiles(w.dir, "edge")
	must(cert, err)
	w.external = &tlsid.Side{
		Keys:  must(tlsid.LoadKeys([]tlsid.Pair{{Cert: cert, Key: key}}, domain.Name{})),
		Trust: must(tlsid.LoadTrust(tlsid.TrustConfig{Roots: file(w.public, "public")})),
	}
	w.inside = must(tlsid.LoadTrust(tlsid.TrustConfig{Anchors: map[string][]string{"pool:front": file(w.private, "private")}}))
	w.loadMint()
	return w
})

func (w *authorities) loadMint() {
	own := []domain.Name{domain.MustParse(ours)}
	certPEM, keyPEM, err := tlsid.NewAuthorityPEM(own, time.Now())
	must(certPEM, err)
	cert, key := w.dir+"/mint.crt", w.dir+"/mint.key"
	must(0, errors.Join(os.WriteFile(cert, certPEM, 0o600), os.WriteFile(key, keyPEM, 0o600)))
	w.mint = must(tlsid.LoadAuthority(tlsid.AuthorityConfig{Cert: cert, Key: key, Ours: own, CacheSize: 100, Rate: 100}))
	w.mintRoots = x509.NewCertPool()
	w.mintRoots.AppendCertsFromPEM(certPEM)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// listed is a partner's entry, of type federated.
func listed(name string, s policy.XMPPSettings) policy.XMPPPartner {
	s.Type, s.ConnectionLimit = policy.Federated, 1000
	return policy.XMPPPartner{Domain: domain.MustParse(name), XMPPSettings: s}
}

// The settings of partners that tests have most.
func byCertificate() policy.XMPPSettings {
	return policy.XMPPSettings{TLS: policy.Required, SASL: policy.Required, Dialback: policy.Off}
}

func byEither() policy.XMPPSettings {
	return policy.XMPPSettings{TLS: policy.Required, SASL: policy.Optional, Dialback: policy.On}
}

// entry replaces the entry of jabber.example.
func entry(s policy.XMPPSettings) func(*setup) {
	return func(c *setup) { c.policy.XMPPPartners[0] = listed(theirs, s) }
}

// newBed starts a Server and its pool. Change adjusts them before.
func newBed(t *testing.T, change ...func(*setup)) *bed {
	t.Helper()
	b := &bed{t: t, world: world()}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	b.ctx = ctx
	b.zone = must(zone.Serve(zone.Zone{TTL: 60, NegativeTTL: 30}))
	t.Cleanup(func() { _ = b.zone.Close() })
	c := b.defaults()
	for _, f := range change {
		f(c)
	}
	outside, inside, pool := listen(t), listen(t), listen(t)
	b.outside, b.inside = outside.Addr().String(), inside.Addr().String()
	b.state = b.newState(c, pool.Addr().String())
	if c.noPool {
		_ = pool.Close()
	}
	b.s = New(c.config, b.state)
	b.serve(External, outside)
	b.serve(Internal, inside)
	b.startPool(c, pool)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b.s.Shutdown(ctx)
		if left := b.s.held.Bytes(); left != 0 {
			t.Errorf("%d bytes count as held in the end", left)
		}
		b.state.Resolver.Close()
	})
	return b
}

func (b *bed) defaults() *setup {
	c := &setup{policy: policy.Default(), bounds: limit.DefaultBounds()}
	c.policy.Federation.Enabled = true
	c.policy.XMPPPartners = []policy.XMPPPartner{listed(theirs, byCertificate()), listed("other.example", byEither())}
	c.policy.BlockedDomains = []policy.BlockedDomain{{Domain: domain.MustParse("blocked.example")}}
	c.policy.AccessPolicies.Global = policy.AccessPolicy{Federation: true, XMPP: true}
	c.policy.AccessPolicies.Users = []policy.UserPolicy{{Name: "none", Policy: &policy.AccessPolicy{}, Grant: []policy.User{must(policy.ParseUser("mallory@contoso.com"))}}}
	c.config.Log = slog.New(slog.NewTextHandler(testLog{b.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return c
}

func (b *bed) newState(c *setup, member string) *State {
	b.t.Helper()
	set, problems := policy.Compile(c.policy, []policy.Local{{Domain: domain.MustParse(ours), SIP: true, XMPP: true}})
	if len(problems) > 0 {
		b.t.Fatal(problems)
	}
	st := &State{
		Policy: set, Bounds: c.bounds, Secret: Secret{Current: bytes.Repeat([]byte{'s'}, 32)}, Host: domain.MustParse("edge." + ours),
		Outside: b.world.external, Inside: b.world.inside,
		Resolver: must(discovery.New(discovery.Config{
			Servers: []string{b.zone.Addr()}, Timeout: 600 * time.Millisecond, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		})),
		Own: map[netip.AddrPort]bool{netip.MustParseAddrPort(b.outside): true},
		Pools: []*Pool{{
			Name: "front", Domains: []domain.Name{domain.MustParse(ours)}, Anchor: "pool:front",
			Members: nexthop.New([]string{member}, nexthop.Config{DownFor: time.Second, MaxDown: 30 * time.Second, Now: time.Now}),
		}},
	}
	if !c.dialback {
		st.Authority = b.world.mint
	}
	return st
}

func (b *bed) serve(side Side, l net.Listener) {
	done := make(chan error)
	go func() { done <- b.s.Serve(side, Either, l) }()
	b.t.Cleanup(func() {
		if err := <-done; err != nil {
			b.t.Errorf("Serve: %v", err)
		}
	})
}

// startPool starts the server of contoso.com; to it the edge is everybody else.
func (b *bed) startPool(c *setup, l net.Listener) {
	p := &c.pool
	p.Domains = []string{ours}
	if p.Certificates == nil {
		p.Certificates = map[string]*tls.Certificate{"": &b.world.member.TLS}
	}
	p.Resolve = func(context.Context, string) (xmpppeer.Hop, error) { return xmpppeer.Hop{Addr: b.inside}, nil }
	p.Roots, p.Dialback = b.world.mintRoots, c.dialback
	b.pool = xmpppeer.NewServer(*p)
	b.pool.Serve(l)
	b.t.Cleanup(b.pool.Close)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// testLog shows the edge's log where a test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
