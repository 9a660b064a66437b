package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"edged/internal/config/configtest"
	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
)

// night is the edge of contoso.com among partners each of whom has something that is
// broken, where the lab's are refused by rules.
type night struct {
	t      *testing.T
	zone   zone.Zone
	public *ca.Authority
	ending sync.WaitGroup
}

const nightEdge = `fqdn: sip.contoso.com
domains: [contoso.com]
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}], roots: [tls/public-ca.crt]}
secret_file: tls/edge.secret
state_dir: state
dns: {servers: ["%s"], timeout: 2s, allow_private: [127.0.0.0/8]}
sip:
  external: {listen: ["127.0.0.1:0"]}
  internal: {listen: ["127.0.0.1:0"], fqdn: edge.corp.contoso.com, certificate: {cert: tls/inside.crt, key: tls/inside.key}}
  pools: [{name: front, domains: [contoso.com], members: ["fe1.corp.contoso.com:5061"], roots: [tls/internal-ca.crt]}]
xmpp:
  external: {listen: ["127.0.0.1:0"]}
  internal: {listen: ["127.0.0.1:0"], authority: {mode: dialback}}
  pools: [{name: chat, domains: [contoso.com], members: ["xmpp1.corp.contoso.com:5269"], roots: [tls/internal-ca.crt]}]
limits: {connect_timeout: 4s, handshake_timeout: 4s, stream_timeout: 10s, dialback_timeout: 5s}
`

const nightPolicy = `federation: {enabled: true, partner_discovery: true, xmpp_discovery: true}
allowed_domains:
  - {domain: direct.example, proxy: edge.direct.example, port: %d}
  - {domain: hosted.example}
blocked_domains: [{domain: bad.example}]
providers: [{name: Cloud, kind: hosting, proxy: sipfed.cloud.example, enabled: true}]
access_policies: {global: {federation: true, xmpp: true}}
`

// newNight starts everything and returns the folder of the edge's configuration.
func newNight(t *testing.T) (dir string) {
	t.Helper()
	n := &night{t: t, public: ca.New("Public CA"), zone: zone.Zone{
		TTL: 60, NegativeTTL: 60, SRV: map[string][]zone.SRV{}, A: map[string][]netip.Addr{}, AAAA: map[string][]netip.Addr{},
		CNAME: map[string]string{}, Failing: map[string]bool{}, Silent: map[string]bool{}, Truncated: map[string]bool{},
	}}
	t.Cleanup(n.ending.Wait) // after the listeners are closed
	n.records()
	n.certificates()
	n.servers()
	n.xmpp()
	direct := n.listen(n.sip(n.issue(ca.Leaf{DNS: []string{"direct.example"}})))
	n.host("edge.direct.example")
	cloud := n.listen(n.sip(n.issue(ca.Leaf{DNS: []string{"sipfed.cloud.example"}})))
	n.host("sipfed.cloud.example")
	for _, d := range []string{"hosted.example"} {
		n.srv(d, "sipfed.cloud.example", cloud)
	}
	dns, err := zone.Serve(n.zone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	dir = configtest.Lay(t, minimal)
	if _, _, err := n.public.Cert().WriteFiles(filepath.Join(dir, "tls"), "public-ca"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"edged.yaml": fmt.Sprintf(nightEdge, dns.Addr()), "policy.yaml": fmt.Sprintf(nightPolicy, direct),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// records are worlds that are broken in the DNS.
func (n *night) records() {
	good := func(d string) uint16 { return n.listen(n.sip(n.issue(ca.Leaf{DNS: []string{"sip." + d}}))) }
	n.partner("port-wrong.example", 1)
	n.srv("alias.example", "sip.alias.example", good("alias.example"))
	n.zone.CNAME["sip.alias.example"] = "front.elsewhere.example"
	n.host("front.elsewhere.example")
	n.partner("one-dead.example", 1)
	n.srv("one-dead.example", "sip2.one-dead.example", n.listen(n.sip(n.issue(ca.Leaf{DNS: []string{"sip2.one-dead.example"}}))))
	n.host("sip2.one-dead.example")
	n.zone.SRV["_sipfederationtls._tcp.none-offered.example"] = []zone.SRV{{Target: "."}}
	n.srv("no-host.example", "sip.no-host.example", 5061)
	n.zone.Failing["_sipfederationtls._tcp.bogus.example"] = true
	n.zone.Silent["_sipfederationtls._tcp.lame.example"] = true
	n.partner("truncated.example", good("truncated.example"))
	n.zone.Truncated["_sipfederationtls._tcp.truncated.example"] = true
	n.partner("xn--bcher-kva.example", good("xn--bcher-kva.example"))
	n.srv("split.example", "sip.split.example", 5061)
	n.zone.A["sip.split.example"] = []netip.Addr{netip.MustParseAddr("10.1.2.3")}
	n.host("no-srv.example")
}

// certificates are those whose certificate does not do.
func (n *night) certificates() {
	below := n.public.Intermediate("Public Issuing CA")
	show := func(d string, c ca.Cert) { n.partner(d, n.listen(n.sip(c.TLS))) }
	show("no-intermediate.example", below.Issue(ca.Leaf{DNS: []string{"sip.no-intermediate.example"}, SignedByOne: true}))
	show("wildcard.example", n.public.Issue(ca.Leaf{DNS: []string{"*.wildcard.example"}}))
	show("common-name.example", n.public.Issue(ca.Leaf{CN: "sip.common-name.example"}))
	show("future.example", n.public.Issue(ca.Leaf{DNS: []string{"sip.future.example"}, NotBefore: time.Now().Add(36 * time.Hour)}))
	show("usage.example", n.public.Issue(ca.Leaf{CN: "sip\x1b[2J\u009b31m.usage.example", DNS: []string{"sip.usage.example"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}))
	show("self-signed.example", ca.New("sip.self-signed.example").Cert())
	old := n.public.IntermediateUntil("Old Issuing CA", time.Now().AddDate(0, 0, -3).Add(-time.Hour))
	show("old-authority.example", old.Issue(ca.Leaf{DNS: []string{"sip.old-authority.example"}}))
}

// servers are those that do not do what they should.
func (n *night) servers() {
	tls11 := n.issue(ca.Leaf{DNS: []string{"sip.old-tls.example"}})
	n.partner("old-tls.example", n.listen(func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{tls11}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
	}))
	n.partner("plain.example", n.listen(func(c net.Conn) {
		_, _ = io.WriteString(c, "SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	}))
	n.partner("black-hole.example", n.full())
	n.partner("silent.example", n.listen(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	n.partner("slam.example", n.listen(func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<16)) }))
	website := n.issue(ca.Leaf{DNS: []string{"sip.website.example"}})
	n.partner("website.example", n.listen(n.says(website, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")))
	n.partner("unavailable.example", n.listen(n.answers(n.issue(ca.Leaf{DNS: []string{"sip.unavailable.example"}}), "503 Service \x1b[2JUnavailable")))
}

// xmpp are broken XMPP servers.
func (n *night) xmpp() {
	cert := n.issue(ca.Leaf{DNS: []string{"no-dialback.example", "after-starttls.example", "dialback-error.example", "dialback-invalid.example"}})
	n.chat("no-dialback.example", n.listen(n.stream(cert, "<stream:features/>", unsupported)))
	n.chat("after-starttls.example", n.listen(n.stream(cert, "", "")))
	const dialback = "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>"
	n.chat("dialback-error.example", n.listen(n.stream(cert, dialback, "<db:result from='dialback-error.example' to='contoso.com' type='error'>"+
		"<error type='cancel'><remote-connection-failed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>")))
	n.chat("dialback-invalid.example", n.listen(n.stream(cert, dialback, "<db:result from='dialback-invalid.example' to='contoso.com' type='invalid'/>")))
	n.chat("no-starttls.example", n.listen(n.stream(tls.Certificate{}, "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>", unsupported)))
	n.chat("clients-only.example", n.listen(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, header+"<stream:error><invalid-namespace xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	}))
}

const header = "<?xml version='1.0'?><stream:stream id='1' version='1.0' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>"

// unsupported is what a server says to what it does not know.
const unsupported = "<stream:error><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"

// stream is an XMPP server that takes STARTTLS, if it has a certificate, and then has
// these features; without any it ends. then is what it answers to whatever comes next.
func (n *night) stream(cert tls.Certificate, features, then string) func(net.Conn) {
	return func(c net.Conn) {
		buffer := make([]byte, 4096)
		if cert.Certificate != nil {
			_, _ = c.Read(buffer)
			_, _ = io.WriteString(c, header+"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>")
			_, _ = c.Read(buffer)
			_, _ = io.WriteString(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			if features == "" {
				_, _ = c.Read(buffer) // or the end would be a reset
				return
			}
			c = tls.Server(c, n.tls(cert))
		}
		_, _ = c.Read(buffer)
		_, _ = io.WriteString(c, header+features)
		_, _ = c.Read(buffer)
		_, _ = io.WriteString(c, then)
		_, _ = io.Copy(io.Discard, c)
	}
}

func (n *night) issue(l ca.Leaf) tls.Certificate { return n.public.Issue(l).TLS }

func (n *night) tls(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
}

// sip answers OPTIONS as it should.
func (n *night) sip(cert tls.Certificate) func(net.Conn) { return n.answers(cert, "200 OK") }

// answers answers every request with a status.
func (n *night) answers(cert tls.Certificate, status string) func(net.Conn) {
	return func(c net.Conn) {
		c = tls.Server(c, n.tls(cert))
		var request []string
		for in := bufio.NewScanner(c); in.Scan() && in.Text() != ""; {
			request = append(request, in.Text())
		}
		if len(request) > 0 {
			_, _ = io.WriteString(c, "SIP/2.0 "+status+"\r\n"+strings.Join(request[1:], "\r\n")+"\r\n\r\n")
		}
	}
}

// says reads something, and says the same to everybody.
func (n *night) says(cert tls.Certificate, text string) func(net.Conn) {
	return func(c net.Conn) {
		c = tls.Server(c, n.tls(cert))
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, text)
	}
}

// partner publishes what leads to a port of this host.
func (n *night) partner(d string, port uint16) {
	n.srv(d, "sip."+d, port)
	n.host("sip." + d)
}

func (n *night) srv(d, target string, port uint16) {
	name := "_sipfederationtls._tcp." + d
	n.zone.SRV[name] = append(n.zone.SRV[name], zone.SRV{Priority: uint16(len(n.zone.SRV[name])), Port: port, Target: target})
}

func (n *night) chat(d string, port uint16) {
	n.zone.SRV[zone.XMPP(d)] = []zone.SRV{{Port: port, Target: "xmpp." + d}}
	n.host("xmpp." + d)
}

func (n *night) host(name string) {
	n.zone.A[name] = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
}

// listen serves connections until the test ends, and returns the port.
func (n *night) listen(serve func(net.Conn)) uint16 {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { ln.Close() })
	n.ending.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n.ending.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				serve(c)
			})
		}
	})
	return uint16(ln.Addr().(*net.TCPAddr).Port)
}

// full is a port whose queue of connections is full, so that it drops the packets of
// others as a firewall does.
func (n *night) full() uint16 {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		n.t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		n.t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		n.t.Fatal(err)
	}
	port := at.(*syscall.SockaddrInet4).Port
	for range 2 {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 200*time.Millisecond)
		if err == nil {
			n.t.Cleanup(func() { c.Close() })
		}
	}
	return uint16(port)
}
