package records

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"edged/internal/config"
	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
	"edged/pkg/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is contoso.com with everything as it should be, until a test breaks it.
type world struct {
	zone   zone.Zone
	leaf   ca.Leaf // our certificate file
	signer *ca.Authority
	shows  *ca.Leaf // what the edge shows instead; nil: our certificate
	closed bool     // nothing listens
	says   string   // something else listens, and says this
	apart  bool     // branch.contoso.com has a certificate of its own, branch.crt
	branch tls.Certificate
	none   bool // there is no certificate file
	direct bool // direct TLS is configured
	now    time.Time

	addr   netip.Addr
	public *ca.Authority
}

// lastAddress counts the addresses that worlds have taken.
var lastAddress atomic.Uint32

// newWorld has an address of its own, for its ports are the usual ones.
func newWorld() *world {
	n := lastAddress.Add(2) // the next one is an old edge's
	pid := os.Getpid()
	w := &world{
		addr: netip.AddrFrom4([4]byte{127, byte(100 + pid>>8&0x7f), byte(pid), byte(n)}), public: ca.New("Public CA"),
		now: time.Now(),
	}
	w.signer = w.public
	w.leaf = ca.Leaf{DNS: []string{"sip.contoso.com", "contoso.com"}, NotBefore: w.now.Add(-24 * time.Hour), NotAfter: w.now.AddDate(0, 2, 0)}
	w.zone = zone.Zone{
		TTL: 60, NegativeTTL: 60,
		SRV: map[string][]zone.SRV{
			"_sipfederationtls._tcp.contoso.com": {{Port: 5061, Target: "sip.contoso.com"}},
			"_xmpp-server._tcp.contoso.com":      {{Port: 5269, Target: "xmpp.contoso.com"}},
		},
		A:       map[string][]netip.Addr{"sip.contoso.com": {w.addr}, "xmpp.contoso.com": {w.addr}},
		Failing: map[string]bool{},
	}
	return w
}

const contoso = `fqdn: sip.contoso.com
domains: [contoso.com%[4]s]
public_addresses: ["%[1]s"]
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}%[5]s], roots: [tls/public-ca.crt]}
secret_file: tls/edge.secret
dns: {servers: ["%[2]s"], timeout: 5s, allow_private: [127.0.0.0/8]}
sip:
  external: {listen: ["%[1]s:5061"]}
  internal: {listen: ["10.0.0.5:5061"], fqdn: edge.corp.contoso.com, certificate: {cert: tls/inside.crt, key: tls/inside.key}}
  pools: [{name: front, domains: [contoso.com%[6]s], members: ["fe1.corp.contoso.com:5061"], roots: [tls/internal-ca.crt]}]
xmpp:
  external: {listen: ["%[1]s:5269"]%[3]s}
  internal: {listen: ["10.0.0.5:5269"], authority: {mode: dialback}}
  pools: [{name: chat, domains: [contoso.com], members: ["xmpp1.corp.contoso.com:5269"], roots: [tls/internal-ca.crt]}]
`

// verify builds the world and looks at it.
func (w *world) verify(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ours := w.signer.Issue(w.leaf)
	w.files(t, dir, ours)
	shown := ours
	if w.shows != nil {
		shown = w.public.Issue(*w.shows)
	}
	switch {
	case w.closed:
	case w.says != "":
		for _, port := range []uint16{5061, 5269} {
			w.accept(t, port, func(conn net.Conn) error {
				if _, err := conn.Read(make([]byte, 1<<16)); err != nil {
					return err
				}
				_, err := io.WriteString(conn, w.says)
				return err
			})
		}
	default:
		w.listen(t, shown.TLS)
	}
	dns, err := zone.Serve(w.zone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	c, r := w.resolve(t, dir, dns.Addr())
	report := Verify(t.Context(), Options{Config: c, Resolver: r, Now: w.now, Connect: true})
	var b strings.Builder
	if err := report.Print(&b); err != nil {
		t.Fatal(err)
	}
	return w.plain(b.String(), dir, dns.Addr())
}

func (w *world) files(t *testing.T, dir string, ours ca.Cert) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	all := map[string]ca.Cert{"edge": ours, "public-ca": w.public.Cert()}
	if w.none {
		delete(all, "edge")
	}
	if w.apart {
		branch := w.leaf
		branch.DNS = []string{"sip.branch.contoso.com"}
		all["branch"] = w.signer.Issue(branch)
		w.branch = all["branch"].TLS
	}
	for base, cert := range all {
		if _, _, err := cert.WriteFiles(filepath.Join(dir, "tls"), base); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) resolve(t *testing.T, dir, dns string) (*config.Config, *discovery.Resolver) {
	t.Helper()
	direct := ""
	if w.direct {
		direct = fmt.Sprintf(", direct_tls: [\"%s:5270\"]", w.addr)
	}
	domain, pair, branch := "", "", ""
	if w.apart {
		branch = ", branch.contoso.com"
		domain, pair = ", {name: branch.contoso.com, protocols: [sip]}", ", {cert: tls/branch.crt, key: tls/branch.key}"
	}
	file := filepath.Join(dir, "edged.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, contoso, w.addr, dns, direct, domain, pair, branch), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Draft(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := discovery.New(discovery.Config{Servers: c.DNS.Servers, AllowPrivate: config.Prefixes(c.DNS.AllowPrivate)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return c, r
}

// plain puts words where each run has other values.
func (w *world) plain(text, dir, dns string) string {
	return strings.NewReplacer(
		dir+"/", "", w.addr.String(), "203.0.113.10", w.addr.Next().String(), "203.0.113.11", dns, "10.0.0.1:53",
		date(w.leaf.NotBefore), "NOT-BEFORE", date(w.leaf.NotAfter), "NOT-AFTER", date(w.now), "NOW",
	).Replace(text)
}

// listen is what stands at the address: SIP, XMPP, and XMPP with direct TLS.
func (w *world) listen(t *testing.T, cert tls.Certificate) {
	t.Helper()
	mutual := &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	mutual.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "branch.contoso.com" {
			return &w.branch, nil
		}
		return &cert, nil
	}
	asked := mutual.Clone()
	asked.ClientAuth = tls.RequestClientCert
	handshake := func(conn net.Conn, c *tls.Config) error { return tls.Server(conn, c).HandshakeContext(t.Context()) }
	w.accept(t, 5061, func(conn net.Conn) error { return handshake(conn, mutual) })
	w.accept(t, 5269, func(conn net.Conn) error {
		if err := answerStartTLS(conn); err != nil {
			return err
		}
		return handshake(conn, asked)
	})
	if w.direct {
		w.accept(t, 5270, func(conn net.Conn) error { return handshake(conn, asked) })
	}
}

// answerStartTLS is the other end of startTLS.
func answerStartTLS(conn net.Conn) error {
	if _, err := read(conn, "version='1.0'"); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "<?xml version='1.0'?><stream:stream from='contoso.com' id='1' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"+
		"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"); err != nil {
		return err
	}
	if _, err := read(conn, "<starttls"); err != nil {
		return err
	}
	_, err := io.WriteString(conn, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	return err
}

// read reads until what came in holds the text and ends an element.
func read(conn net.Conn, text string) (string, error) {
	var all strings.Builder
	b := make([]byte, 1024)
	for {
		n, err := conn.Read(b)
		all.Write(b[:n])
		if strings.Contains(all.String(), text) && strings.HasSuffix(all.String(), ">") {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
	}
}

// accept serves connections until the test ends.
func (w *world) accept(t *testing.T, port uint16, serve func(net.Conn) error) {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(w.addr, port).String())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			all.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				_ = serve(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
}

// TestWorlds breaks one thing in each world. What is said is in testdata/worlds:
// the cause, and the cure.
func TestWorlds(t *testing.T) {
	worlds := map[string]func(*world){
		"fine": func(*world) {},
		"fine-direct-tls": func(w *world) {
			w.direct = true
			w.zone.SRV[zone.XMPPS("contoso.com")] = []zone.SRV{{Port: 5270, Target: "xmpp.contoso.com"}}
		},
		"srv-missing": func(w *world) { delete(w.zone.SRV, "_sipfederationtls._tcp.contoso.com") },
		"srv-outside-the-domain": func(w *world) {
			w.zone.SRV["_sipfederationtls._tcp.contoso.com"] = []zone.SRV{{Port: 5061, Target: "edge.hoster.example"}}
		},
		"srv-of-another-port": func(w *world) {
			w.zone.SRV["_sipfederationtls._tcp.contoso.com"] = []zone.SRV{{Port: 443, Target: "sip.contoso.com"}}
		},
		"srv-not-offered": func(w *world) {
			w.zone.SRV["_xmpp-server._tcp.contoso.com"] = []zone.SRV{{Target: "."}}
		},
		"srv-of-an-old-edge-too": func(w *world) {
			w.zone.SRV["_sipfederationtls._tcp.contoso.com"] = append(w.zone.SRV["_sipfederationtls._tcp.contoso.com"], zone.SRV{Priority: 1, Port: 5061, Target: "old.contoso.com"})
			w.zone.A["sip.contoso.com"] = append(w.zone.A["sip.contoso.com"], w.addr.Next())
		},
		"srv-of-direct-tls-left-over": func(w *world) {
			w.zone.SRV[zone.XMPPS("contoso.com")] = []zone.SRV{{Port: 5270, Target: "xmpp.contoso.com"}}
		},
		"address-missing":                     func(w *world) { delete(w.zone.A, "xmpp.contoso.com") },
		"address-of-old":                      func(w *world) { w.zone.A["sip.contoso.com"] = []netip.Addr{w.addr.Next()} },
		"address-private":                     func(w *world) { w.zone.A["sip.contoso.com"] = []netip.Addr{netip.MustParseAddr("10.0.0.5")} },
		"dns-failing":                         func(w *world) { w.zone.Failing["_sipfederationtls._tcp.contoso.com"] = true },
		"certificate-without-the-name":        func(w *world) { w.leaf.DNS = []string{"www.contoso.com"} },
		"certificate-without-the-xmpp-domain": func(w *world) { w.leaf.DNS = []string{"sip.contoso.com"} },
		"certificate-with-a-wildcard":         func(w *world) { w.leaf.DNS = []string{"*.contoso.com", "contoso.com"} },
		"something-else-listens":              func(w *world) { w.says = "HTTP/1.1 400 Bad \x1b[2JRequest\r\n\r\n" },
		"expired":                             func(w *world) { w.leaf.NotAfter = w.now.Add(-time.Hour) },
		"expires-soon":                        func(w *world) { w.leaf.NotAfter = w.now.Add(10 * 24 * time.Hour) },
		"private-ca":                          func(w *world) { w.signer = ca.New("Contoso Private CA") },
		"intermediate-missing": func(w *world) {
			w.signer, w.leaf.SignedByOne = w.public.Intermediate("Public Intermediate 1"), true
		},
		"certificates-apart": func(w *world) {
			w.apart = true
			w.zone.SRV["_sipfederationtls._tcp.branch.contoso.com"] = []zone.SRV{{Port: 5061, Target: "sip.branch.contoso.com"}}
			w.zone.A["sip.branch.contoso.com"] = []netip.Addr{w.addr}
		},
		"certificate-missing": func(w *world) { w.none = true },
		"port-closed":         func(w *world) { w.closed = true },
		"clock-behind":        func(w *world) { w.now = w.leaf.NotBefore.Add(-36 * time.Hour) },
		"clock-ahead":         func(w *world) { w.now = w.leaf.NotAfter.Add(36 * time.Hour) },
		"not-reloaded": func(w *world) {
			w.shows = &ca.Leaf{DNS: w.leaf.DNS, NotBefore: w.leaf.NotBefore.AddDate(0, -1, 0), NotAfter: w.leaf.NotAfter}
		},
	}
	for name, breaks := range worlds {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			breaks(w)
			golden(t, filepath.Join("worlds", name+".txt"), w.verify(t))
		})
	}
}

// TestSilentAddress: what takes connections and says nothing costs the time of one
// place, and is told from one that refuses.
func TestSilentAddress(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the time of one place")
	}
	w := newWorld()
	w.closed = true
	silent := func(conn net.Conn) error {
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	w.accept(t, 5061, silent)
	w.accept(t, 5269, silent)
	text := w.verify(t)
	for _, want := range []string{"does not answer within 5s", "let TCP port 5061 through", "let TCP port 5269 through", "--no-connect"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
