// Package faults tests what edged does when something around it breaks. The edge
// is the built program in a process of its own, between partners, pools and a
// DNS that the tests kill, freeze, slow down and let lie. See README.md.
package faults

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"text/template"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/kit"
	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
)

// The names that tests use.
const (
	outside   = kit.Outside
	inside    = kit.Inside
	alice     = "alice@contoso.com"
	fabrikam  = "fabrikam.com"
	northwind = "northwind.example"
	bob       = "bob@" + fabrikam
	nina      = "nina@" + northwind
)

const patience = kit.Patience

// settings are what a test changes in the files of an edge.
type settings struct {
	Address    string // of every listener
	Secret     string // its file
	StateDir   string
	DNS        string // whom to ask
	DNSTimeout string
	Members    []string // of the pool
	Limits     string   // a YAML mapping
	Level      string   // of the log
	Policy     string   // its file
	Federation string   // further switches of its first section
	Allowed    []string // domains
	Blocked    []string
	Refused    []string // users of ours who may not federate
	XMPP       string   // the section, if the edge speaks it
}

// server is one endpoint of a partner or a member of the pool, with a cable
// between it and the edge. Addresses lead to the cable.
type server struct {
	*sippeer.Peer
	cable *cable
	cert  tls.Certificate
	roots *x509.CertPool // who signs the edge on this side
}

// place is where the configuration finds the server.
func (s *server) place() string { return fmt.Sprintf("%s:%d", s.Host(), s.cable.port()) }

// bed is what an edge needs around it: files, DNS, partners and a pool. Fabrikam
// has two servers, the first of which is preferred; the pool has two members.
type bed struct {
	*testing.T
	*kit.Files
	settings settings
	dns      *zone.Server
	current  string             // secret
	servers  map[string]*server // by host
	asked    []*ask
}

// The hosts of all servers.
const (
	first  = "sip1." + fabrikam
	second = "sip2." + fabrikam
	north  = "sip." + northwind
	fe1    = "fe1.corp.contoso.com"
	fe2    = "fe2.corp.contoso.com"
)

// newBed lays out everything but the edge.
func newBed(t *testing.T) *bed {
	t.Helper()
	needEdge(t)
	b := &bed{
		T: t, Files: kit.New(t), servers: map[string]*server{},
	}
	b.serve()
	b.settings = settings{
		Address: ownAddress().String(), Secret: "tls/edge.secret", StateDir: "state", DNS: b.dns.Addr(), DNSTimeout: "1s",
		Members: []string{b.servers[fe1].place(), b.servers[fe2].place()}, Limits: "{}", Level: "info", Policy: "policy.yaml", Allowed: []string{fabrikam, northwind},
	}
	b.secret(kit.NewSecret())
	b.write("edged.yaml")
	t.Cleanup(b.nothingTwice)
	return b
}

// ownAddress is a loopback address that nobody else is likely to have, so that
// an edge may listen there on the ports that it has in production.
func ownAddress() netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(10 + mathrand.IntN(240)), byte(mathrand.IntN(256)), byte(1 + mathrand.IntN(250))})
}

// serve starts partners, pool and DNS.
func (b *bed) serve() {
	b.Helper()
	z := zone.Zone{TTL: 5, NegativeTTL: 5, SRV: map[string][]zone.SRV{}, A: map[string][]netip.Addr{}}
	for _, host := range []string{first, second, north} {
		b.server(host, b.Public, host)
	}
	for _, host := range []string{fe1, fe2} {
		b.server(host, b.Private, "pool.corp.contoso.com")
	}
	for host := range b.servers {
		z.A[host] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	z.SRV[record(fabrikam)] = []zone.SRV{b.target(first, 1), b.target(second, 2)}
	z.SRV[record(northwind)] = []zone.SRV{b.target(north, 1)}
	dns, err := zone.Serve(z)
	if err != nil {
		b.Fatal(err)
	}
	b.dns = dns
	b.Cleanup(func() { dns.Close() })
}

// record is the owner of a domain's federation record.
func record(domain string) string { return "_sipfederationtls._tcp." + domain }

// target is a server in an SRV answer.
func (b *bed) target(host string, priority uint16) zone.SRV {
	return zone.SRV{Priority: priority, Port: b.servers[host].cable.port(), Target: host}
}

// server starts an endpoint whose certificate shows a name.
func (b *bed) server(host string, signer *ca.Authority, shows string) {
	b.Helper()
	cert, roots := signer.Issue(ca.Leaf{CN: shows, DNS: []string{shows}}).TLS, x509.NewCertPool()
	roots.AddCert(signer.Cert().X509)
	p, err := sippeer.New(b.Context(), sippeer.Config{Host: host, Listen: "127.0.0.1:0", Certificate: &cert, Roots: roots})
	if err != nil {
		b.Fatal(err)
	}
	b.servers[host] = &server{Peer: p, cable: newCable(b.T, p.Addr()), cert: cert, roots: roots}
	b.Cleanup(p.Close)
}

// secret writes the secret file: the current secret, then the previous.
func (b *bed) secret(lines ...string) {
	b.Helper()
	b.current = lines[0]
	b.Secret(lines...)
}

// write changes the settings and writes them into a file, and the policy beside
// it. What runs does not know yet.
func (b *bed) write(name string, changes ...func(*settings)) {
	b.Helper()
	for _, change := range changes {
		change(&b.settings)
	}
	for template, file := range map[string]string{"edged.yaml": name, "policy.yaml": b.settings.Policy} {
		b.File(file, render(b.T, template, b.settings))
	}
}

func render(t *testing.T, name string, data any) []byte {
	t.Helper()
	tmpl, err := template.ParseFiles(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := tmpl.Execute(&text, data); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// pause waits, for what nobody announces.
func pause(d time.Duration) { <-time.After(d) }

// await looks again and again whether something is so that nobody announces.
func (b *bed) await(what string, within time.Duration, done func() bool) {
	b.Helper()
	late := time.Now().Add(within)
	for !done() {
		if time.Now().After(late) {
			b.Fatalf("waited %v for %s", within, what)
		}
		pause(20 * time.Millisecond)
	}
}
