package daemon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/admin"
	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// The XMPP names that tests use. Jabber is listed as federated, public as
// public_unverified, stranger not at all.
const (
	jabber   = "jabber.example"
	public   = "public.example"
	stranger = "stranger.example"
	ours     = "contoso.com"
)

// xmppSetup is what tests of XMPP change in the files.
type xmppSetup struct {
	On         bool
	Members    []string // of the pool chat
	SRV        string   // instead
	DNS        string   // a YAML mapping, xmpp.internal.dns
	Federation string   // further switches
	Jabber     string   // further settings of its entry
	Blocked    bool     // jabber.example, instead of the entry
	Default    string   // a YAML mapping, xmpp_default
	Balancers  string   // a YAML list
}

// Edged is the section xmpp of edged.yaml.
func (x xmppSetup) Edged() string {
	if !x.On {
		return ""
	}
	members := fmt.Sprintf("members: [%q]", strings.Join(x.Members, `", "`))
	if x.SRV != "" {
		members = "srv: " + x.SRV
	}
	listen := `"127.0.0.1:0"`
	if x.Balancers != "" {
		listen = fmt.Sprintf(`{listen: "127.0.0.1:0", proxy_protocol: %s}`, x.Balancers)
	}
	answerer := ""
	if x.DNS != "" {
		answerer = "dns: " + x.DNS
	}
	return fmt.Sprintf(`xmpp:
  external: {listen: [%[1]s], direct_tls: [%[1]s]}
  internal:
    listen: [%[1]s]
    authority: {mode: mint, ca_cert: tls/mint.crt, ca_key: tls/mint.key, sources: [127.0.0.0/8]}
    %[2]s
  pools: [{name: chat, domains: [contoso.com], roots: [tls/chat.crt], %[3]s}]`, listen, answerer, members)
}

// Policy are the sections about XMPP of policy.yaml.
func (x xmppSetup) Policy() string {
	const entry = "  - {domain: %s, type: %s, tls: required, sasl: required, dialback: false%s}\n"
	if !x.On {
		return ""
	}
	partners := "xmpp_partners:\n" + fmt.Sprintf(entry, public, "public_unverified", "")
	if !x.Blocked {
		partners += fmt.Sprintf(entry, jabber, "federated", x.Jabber)
	}
	if x.Default != "" {
		partners += "xmpp_default: " + x.Default + "\n"
	}
	return partners
}

// xmppBed is a bed whose edge speaks XMPP too.
type xmppBed struct {
	*bed
	inner           *ca.Authority // signs the pool's certificate
	mint            *x509.CertPool
	outside, inside atomic.Value // where the edge listens now
	chat            *xmpppeer.Server
}

// startXMPP starts an edge with both protocols, and the server of contoso.com.
func startXMPP(t *testing.T, changes ...func(*setup)) *xmppBed {
	t.Helper()
	x := &xmppBed{inner: ca.New("Chat")}
	l := listenTCP(t)
	x.bed = start(t, append([]func(*setup){func(s *setup) {
		s.XMPP = xmppSetup{On: true, Members: []string{l.Addr().String()}}
		early := &bed{T: t, Files: s.Files}
		early.File("tls/chat.crt", x.inner.Cert().PEM)
		x.mint = early.mint()
	}}, changes...)...)
	x.located()
	x.chat = x.server(l)
	return x
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// mint writes a new authority that proves partners to the pool, and returns what the
// pool trusts.
func (b *bed) mint() *x509.CertPool {
	b.Helper()
	cert, key, err := tlsid.NewAuthorityPEM([]domain.Name{domain.MustParse(ours)}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.File("tls/mint.crt", cert)
	b.File("tls/mint.key", key)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// located tells peers where the edge listens.
func (x *xmppBed) located() {
	x.outside.Store(x.edge.Addr("xmpp.external").String())
	x.inside.Store(x.edge.Addr("xmpp.internal").String())
}

// again starts the edge once more, from the same files.
func (x *xmppBed) again() {
	x.Helper()
	x.bed.again()
	x.located()
}

// server is one of contoso.com; to it the edge is everybody else.
func (x *xmppBed) server(l net.Listener) *xmpppeer.Server {
	cert := x.inner.Issue(ca.Leaf{DNS: []string{ours}}).TLS
	return x.serve(l, xmpppeer.Config{
		Domains: []string{ours}, Certificates: map[string]*tls.Certificate{"": &cert}, Roots: x.mint,
		Resolve: func(context.Context, string) (xmpppeer.Hop, error) {
			return xmpppeer.Hop{Addr: x.inside.Load().(string)}, nil
		},
	})
}

// partner starts the server of a partner's domain, by default with a certificate that
// proves it.
func (x *xmppBed) partner(name string, cert *tls.Certificate) *xmpppeer.Server {
	x.Helper()
	if cert == nil {
		issued := x.Public.Issue(ca.Leaf{DNS: []string{name}}).TLS
		cert = &issued
	}
	l := listenTCP(x.T)
	x.dns.Set(func(z *zone.Zone) {
		z.SRV[zone.XMPP(name)] = []zone.SRV{{Port: portOf(l), Target: "xmpp." + name}}
		z.A["xmpp."+name] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	roots := x509.NewCertPool()
	roots.AddCert(x.Public.Cert().X509)
	return x.serve(l, xmpppeer.Config{
		Domains: []string{name}, Certificates: map[string]*tls.Certificate{"": cert}, Roots: roots,
		Resolve: func(context.Context, string) (xmpppeer.Hop, error) {
			return xmpppeer.Hop{Addr: x.outside.Load().(string)}, nil
		},
	})
}

func (x *xmppBed) serve(l net.Listener, c xmpppeer.Config) *xmpppeer.Server {
	s := xmpppeer.NewServer(c)
	s.Serve(l)
	x.Cleanup(s.Close)
	return s
}

func portOf(l net.Listener) uint16 {
	_, text, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.ParseUint(text, 10, 16) // a listener has a port
	return uint16(n)
}

// message sends one without waiting for it, and returns its id.
func (x *xmppBed) message(from, to *xmpppeer.User) string {
	x.Helper()
	id, err := from.Message(x.Soon(), to.Address, "hello")
	if err != nil {
		x.Fatalf("%s sends: %v", from.Address, err)
	}
	return id
}

// arrives sends a message that has to arrive.
func (x *xmppBed) arrives(from, to *xmpppeer.User) {
	x.Helper()
	id := x.message(from, to)
	if e := x.next(to); e.Body() != "hello" || e.Attr("id") != id {
		x.Fatalf("%s got %s, want the message of %s", to.Address, e, from.Address)
	}
}

// refused sends a message that has to come back.
func (x *xmppBed) refused(from, to *xmpppeer.User, condition string) {
	x.Helper()
	id := x.message(from, to)
	if e := x.next(from); e.Attr("type") != "error" || e.Condition() != condition || e.Attr("id") != id {
		x.Fatalf("%s got %s, want %s for the message to %s", from.Address, e, condition, to.Address)
	}
}

// next waits for what comes next for a user.
func (x *xmppBed) next(u *xmpppeer.User) *xmpppeer.Element {
	x.Helper()
	e, err := u.Receive(x.Soon())
	if err != nil {
		x.Fatalf("%s waits in vain: %v", u.Address, err)
	}
	return e
}

// consents asks the admin socket for pairs, "local remote" each.
func (x *xmppBed) consents(filter string) []string {
	x.Helper()
	raw, err := admin.Call(x.Soon(), filepath.Join(x.Dir, "s"), "GET", admin.ListConsentPath(filter, 10))
	if err != nil {
		x.Fatal(err)
	}
	var all []admin.Consent
	if err := json.Unmarshal(raw, &all); err != nil {
		x.Fatal(err)
	}
	pairs := []string{}
	for _, c := range all {
		pairs = append(pairs, c.Local+" "+c.Remote)
	}
	return pairs
}
