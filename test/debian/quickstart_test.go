package debian

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edged/internal/doctest"
	"edged/internal/lab/ca"
	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
)

// newcomer is a bare Debian at the border of contoso.com, and the world around it: its
// DNS, a public authority, the server inside and a partner, all in the system's own
// network.
type newcomer struct {
	*machine
	public *ca.Authority
	dns    *zone.Server
}

// The addresses of the world. Nothing of it is private to edged, apart from what is
// inside.
const (
	newcomerOutside = "203.0.113.10"
	newcomerInside  = "10.0.0.5"
	newcomerPartner = "203.0.113.77"
	newcomerServer  = "10.0.0.21"
)

// TestQuickstart follows docs/quickstart.md on a bare Debian, word by word, and then
// types what the pages for bad nights say. What the test has to stand in for are the
// partner, the server inside, the DNS of the world, its certificate authority and the
// ACME client, and openssl, which runs outside of the system.
func TestQuickstart(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a system")
	}
	need(t, "openssl")
	deb := build(t, "v0.1.0")
	n := &newcomer{machine: boot(t), public: ca.New("Public CA")}
	n.surround(t)
	n.copy(t, deb, "/"+filepath.Base(deb)) // where commands are run
	n.page(t, "install")

	n.page(t, "init")
	n.page(t, "dns")
	n.dns.Set(func(z *zone.Zone) {
		if err := z.Add(n.run(t, "edged", "dns", "--zone")); err != nil {
			t.Error(err)
		}
	})
	n.certify(t)
	n.page(t, "outside")
	n.openssl(t)
	n.page(t, "inside")
	fe1, fabrikam := n.peers(t)
	n.page(t, "start")
	if said := n.page(t, "verify"); !strings.Contains(said, " 0 wrong, 0 warnings") {
		t.Errorf("verify: %s", said)
	}
	n.page(t, "probe")
	n.page(t, "probe-pool")
	n.message(t, fe1)
	if len(fabrikam.Desk.All()) == 0 {
		t.Error("nothing arrived at the partner")
	}
	if status := n.send(t, fabrikam, newcomerOutside, "sip.contoso.com", "sip:bob@fabrikam.com", "sip:alice@contoso.com"); status != 200 {
		t.Errorf("the partner's message is answered %d", status)
	}
	n.troubleshoot(t)
}

// troubleshoot types what docs/troubleshooting.md and docs/logging.md say, line by line.
// What a command finds is told by its status, 0 or 1; trace goes on until it is ended.
func (n *newcomer) troubleshoot(t *testing.T) {
	t.Helper()
	const found, nothing, ended = 0, 1, 124
	for _, page := range []string{"troubleshooting.md", "logging.md"} {
		lines := 0
		for _, b := range doctest.Blocks(t, top+"/docs/"+page) {
			if b.Language != "sh" {
				continue
			}
			for line := range strings.Lines(b.Text) {
				lines++
				r := n.try("timeout", "3", "sh", "-c", line)
				if r.status != found && r.status != nothing && (r.status != ended || !strings.Contains(line, "edged trace")) {
					t.Errorf("%s: %s%s", page, line, r.text())
				}
			}
		}
		if lines < 4 {
			t.Errorf("%s has %d lines to type", page, lines)
		}
	}
}

// page runs a block of the page.
func (n *newcomer) page(t *testing.T, name string) string {
	t.Helper()
	said := n.run(t, "sh", "-ec", doctest.Block(t, top+"/docs/quickstart.md", name))
	t.Logf("%s:\n%s", name, said)
	return said
}

// surround makes the world. The host's addresses come first: those that edged is to
// find.
func (n *newcomer) surround(t *testing.T) {
	t.Helper()
	n.run(t, "hostname", "edge.corp.contoso.com")
	for _, a := range []string{newcomerOutside + "/32", newcomerInside + "/24", newcomerServer + "/32", newcomerPartner + "/32"} {
		n.run(t, "ip", "address", "add", a, "dev", "lo")
	}
	host := func(a string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(a)} }
	z := zone.Zone{
		TTL: 60, NegativeTTL: 1,
		SRV: map[string][]zone.SRV{"_sipfederationtls._tcp.fabrikam.com": {{Port: 5061, Target: "sip.fabrikam.com"}}},
		A:   map[string][]netip.Addr{"sip.fabrikam.com": host(newcomerPartner), "fe1.corp.contoso.com": host(newcomerServer)},
	}
	if err := n.inside(func() (err error) {
		n.dns, err = zone.ServeAt("127.0.0.1:53", z)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.dns.Close() })
	n.write(t, "/etc/resolv.conf", "nameserver 127.0.0.1\n")
	// What the package ca-certificates would bring.
	n.write(t, "/etc/ssl/certs/ca-certificates.crt", string(n.public.Cert().PEM))
}

// certify runs the ACME client of the page: one that has what its authority would give
// it, and that apt has nothing to fetch for.
func (n *newcomer) certify(t *testing.T) {
	t.Helper()
	issued := n.public.Issue(ca.Leaf{DNS: []string{"sip.contoso.com"}})
	n.write(t, "/srv/fullchain.pem", string(issued.PEM))
	n.write(t, "/srv/privkey.pem", string(issued.KeyPEM))
	n.write(t, "/usr/local/bin/apt", "#!/bin/sh\ntest \"$*\" = 'install certbot'\n")
	n.write(t, "/usr/local/bin/certbot", `#!/bin/sh
set -e
test "$*" = 'certonly --standalone --domain sip.contoso.com'
mkdir -p /etc/letsencrypt/live/sip.contoso.com
cp /srv/*.pem /etc/letsencrypt/live/sip.contoso.com
`)
	n.run(t, "chmod", "755", "/usr/local/bin/apt", "/usr/local/bin/certbot")
	n.page(t, "acme")
}

// openssl makes the authority inside, by the commands on the page.
func (n *newcomer) openssl(t *testing.T) {
	t.Helper()
	const dir = "/etc/ssl/internal-ca"
	block := strings.ReplaceAll(doctest.Block(t, top+"/docs/quickstart.md", "authority"), dir, n.path(dir))
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", block).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// peers starts the server inside and the partner.
func (n *newcomer) peers(t *testing.T) (fe1, fabrikam *sippeer.Peer) {
	t.Helper()
	dir := n.path("/etc/ssl/internal-ca")
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "fe1.corp.contoso.com.crt"), filepath.Join(dir, "fe1.corp.contoso.com.key"))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "internal-ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := n.public.Issue(ca.Leaf{DNS: []string{"sip.fabrikam.com", "fabrikam.com"}}).TLS
	return n.peer(t, newcomerServer, "fe1.corp.contoso.com", own, pem), n.peer(t, newcomerPartner, "sip.fabrikam.com", theirs, n.public.Cert().PEM)
}

func (n *newcomer) peer(t *testing.T, at, host string, cert tls.Certificate, roots []byte) *sippeer.Peer {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	var p *sippeer.Peer
	if err := n.inside(func() (err error) {
		p, err = sippeer.New(t.Context(), sippeer.Config{Host: host, Listen: at + ":5061", Certificate: &cert, Roots: pool})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// send has a peer write one message to the edge.
func (n *newcomer) send(t *testing.T, p *sippeer.Peer, at, serverName, from, to string) (status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := n.inside(func() (err error) {
		status, err = p.Send(ctx, at+":5061", serverName, from, to)
		return err
	}); err != nil {
		t.Errorf("%s to %s: %v", from, to, err)
	}
	return status
}

// message writes to the partner while the page's trace looks on, until that has seen
// enough.
func (n *newcomer) message(t *testing.T, from *sippeer.Peer) {
	t.Helper()
	traced := make(chan result, 1)
	go func() { traced <- n.try("sh", "-ec", doctest.Block(t, top+"/docs/quickstart.md", "trace")) }()
	late := time.After(patience)
	for {
		if status := n.send(t, from, newcomerInside, "edge.corp.contoso.com", "sip:alice@contoso.com", "sip:bob@fabrikam.com"); status != 200 {
			t.Fatalf("our message is answered %d", status)
		}
		select {
		case r := <-traced:
			t.Log(r.text())
			if r.status != 0 || !strings.Contains(r.stdout, "MESSAGE alice@contoso.com -> bob@fabrikam.com: allowed") {
				t.Errorf("trace: %s", r.text())
			}
			return
		case <-late:
			t.Fatal(fmt.Errorf("trace has seen nothing within %s", patience))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
