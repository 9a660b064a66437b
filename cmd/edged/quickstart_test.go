package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"edged/internal/config/configtest"
	"edged/internal/doctest"
	"edged/internal/lab/ca"
	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
)

// stage is the host of docs/quickstart.md, and the world around it: what the page
// calls /etc lies in a folder, every host has a loopback address, and what
// is published goes into the test's own DNS.
type stage struct {
	dir    string // in place of /
	hosts  map[string]netip.Addr
	public *ca.Authority
	dns    *zone.Server
	bin    string // holds `edged`, which knows where its configuration is
}

// newStage has the partner's part of the world ready.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir(), hosts: make(map[string]netip.Addr), public: ca.New("Public CA")}
	for i, name := range []string{"outside", "edge.corp.contoso.com", "fe1.corp.contoso.com", "sip.fabrikam.com"} {
		s.hosts[name] = netip.AddrFrom4([4]byte{127, byte(1 + os.Getpid()>>8&0x3f), byte(os.Getpid()), byte(1 + i)})
	}
	z := zone.Zone{
		TTL: 60, NegativeTTL: 1, A: make(map[string][]netip.Addr),
		SRV: map[string][]zone.SRV{"_sipfederationtls._tcp.fabrikam.com": {{Port: 5061, Target: "sip.fabrikam.com"}}},
	}
	for name, addr := range s.hosts {
		z.A[name] = []netip.Addr{addr}
	}
	var err error
	if s.dns, err = zone.Serve(z); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.dns.Close() })
	if _, _, err := s.public.Cert().WriteFiles(s.dir, "public-ca"); err != nil {
		t.Fatal(err)
	}
	s.wrap(t)
	return s
}

// wrap puts a program before edged that adds what the page leaves to the host.
func (s *stage) wrap(t *testing.T) {
	t.Helper()
	edged, err := exec.LookPath("edged")
	if err != nil {
		t.Fatal(err)
	}
	s.bin = filepath.Join(s.dir, "bin")
	script := fmt.Sprintf(`#!/bin/sh
command=$1; shift
case $command in
init) exec %[1]s init --dir %[2]s/etc/edged --external %[3]s --internal %[4]s --internal-fqdn edge.corp.contoso.com "$@" ;;
*) exec %[1]s $command --config %[2]s/etc/edged/edged.yaml "$@" ;;
esac
`, edged, s.dir, s.hosts["outside"], s.hosts["edge.corp.contoso.com"])
	if err := os.Mkdir(s.bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.bin, "edged"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}

// command is a block of the page, with the places of this stage.
func (s *stage) command(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	block := strings.NewReplacer(
		"/etc/", s.dir+"/etc/",
		"-o root -g edged ", "", // needs root, and the package
		"systemctl enable --now edged", "# serve runs without systemd",
	).Replace(doctest.Block(t, "../../docs/quickstart.md", name))
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", block)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"))
	return cmd
}

// run runs a block, which has to succeed, and returns what it prints.
func (s *stage) run(t *testing.T, name string) string {
	t.Helper()
	out, err := s.command(t, name).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// edit changes edged.yaml as an operator on a stage like this one has to.
func (s *stage) edit(t *testing.T, oldnew ...string) {
	t.Helper()
	file := filepath.Join(s.dir, "etc/edged/edged.yaml")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i < len(oldnew); i += 2 {
		if strings.Count(text, oldnew[i]) != 1 {
			t.Fatalf("edged.yaml does not say %q once:\n%s", oldnew[i], text)
		}
		text = strings.Replace(text, oldnew[i], oldnew[i+1], 1)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// publish puts a zone file into the DNS.
func (s *stage) publish(t *testing.T, file string) {
	t.Helper()
	s.dns.Set(func(z *zone.Zone) {
		if err := z.Add(file); err != nil {
			t.Error(err)
		}
	})
}

// serve runs the daemon until the test ends, and waits until it is ready.
func (s *stage) serve(t *testing.T) {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(s.bin, "edged"), "serve")
	cmd.Dir, cmd.Stderr = s.dir, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("log:\n%s", text)
		}
		log.Close()
	})
	eventually(t, "the daemon is ready", func() bool {
		answer, err := http.Get("http://" + s.hosts["outside"].String() + ":9061/-/ready")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// eventually asks again and again.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if done() {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// peer is a SIP server at one of the hosts.
func (s *stage) peer(t *testing.T, host string, cert tls.Certificate, roots *x509.CertPool) *sippeer.Peer {
	t.Helper()
	p, err := sippeer.New(t.Context(), sippeer.Config{
		Host: host, Listen: s.hosts[host].String() + ":5061", Certificate: &cert, Roots: roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestQuickstart does what docs/quickstart.md says, from an empty folder to a message
// that crosses in each direction.
func TestQuickstart(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil && os.Getenv("CI") == "" {
		t.Skip("there is no openssl")
	}
	s := newStage(t)
	outside := s.hosts["outside"].String()

	// 2. Write the configuration.
	if said := s.run(t, "init"); !strings.Contains(said, "written  "+s.dir+"/etc/edged/edged.yaml") {
		t.Errorf("init said:\n%s", said)
	}
	s.edit(t,
		"servers: [system]", fmt.Sprintf("servers: [%q]", s.dns.Addr()), "allow_private: []", "allow_private: [127.0.0.0/8]",
		"roots: [system]", "roots: ["+s.dir+"/public-ca.crt]", "# public_addresses: [203.0.113.10]", "public_addresses: ["+outside+"]",
		`"127.0.0.1:9061"`, `"`+outside+`:9061"`)

	// 3. Publish: exactly what is printed.
	if table := s.run(t, "dns"); !strings.Contains(table, "sip.contoso.com") {
		t.Errorf("dns said:\n%s", table)
	}
	zoneFile, err := exec.CommandContext(t.Context(), filepath.Join(s.bin, "edged"), "dns", "--zone").Output()
	if err != nil {
		t.Fatal(err)
	}
	s.publish(t, string(zoneFile))

	// 4. Certificates: the public authority is the test's own.
	live := filepath.Join(s.dir, "etc/letsencrypt/live/sip.contoso.com")
	if err := os.MkdirAll(live, 0o700); err != nil {
		t.Fatal(err)
	}
	issued := s.public.Issue(ca.Leaf{DNS: []string{"sip.contoso.com"}})
	for name, pem := range map[string][]byte{"fullchain.pem": issued.PEM, "privkey.pem": issued.KeyPEM} {
		if err := os.WriteFile(filepath.Join(live, name), pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, "outside")
	s.run(t, "authority")
	s.run(t, "inside")

	// 5. Start.
	s.run(t, "start")
	fabrikam := s.peer(t, "sip.fabrikam.com", s.public.Issue(ca.Leaf{DNS: []string{"sip.fabrikam.com", "fabrikam.com"}}).TLS, pool(t, s.dir, "public-ca.crt"))
	own, err := tls.LoadX509KeyPair(filepath.Join(s.dir, "etc/ssl/internal-ca/fe1.corp.contoso.com.crt"), filepath.Join(s.dir, "etc/ssl/internal-ca/fe1.corp.contoso.com.key"))
	if err != nil {
		t.Fatal(err)
	}
	fe1 := s.peer(t, "fe1.corp.contoso.com", own, pool(t, s.dir, "etc/ssl/internal-ca/internal-ca.crt"))
	s.serve(t)

	// 6. Look at it from outside.
	if said := s.run(t, "verify"); !strings.Contains(said, " 0 wrong, 0 warnings\n") || !strings.Contains(said, "answers with") {
		t.Errorf("verify said:\n%s", said)
	}
	for _, block := range []string{"probe", "probe-pool"} {
		t.Logf("%s:\n%s", block, s.run(t, block))
	}

	// 7. A message, and one back.
	s.follow(t, func(ctx context.Context) error {
		status, err := fe1.Send(ctx, s.hosts["edge.corp.contoso.com"].String()+":5061", "edge.corp.contoso.com", "sip:alice@contoso.com", "sip:bob@fabrikam.com")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	if n := len(fabrikam.Desk.All()); n == 0 {
		t.Error("nothing arrived at the partner")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := fabrikam.Send(ctx, outside+":5061", "sip.contoso.com", "sip:bob@fabrikam.com", "sip:alice@contoso.com")
	if err != nil || status != 200 {
		t.Errorf("from the partner: %d, %v", status, err)
	}
}

// TestQuickstartXMPP: the end of the page writes what check accepts, too.
func TestQuickstartXMPP(t *testing.T) {
	s := newStage(t)
	s.run(t, "xmpp-init")
	from := configtest.Lay(t)
	for _, name := range []string{"edge.crt", "edge.key", "inside.crt", "inside.key", "internal-ca.crt"} {
		raw, err := os.ReadFile(filepath.Join(from, "tls", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, "etc/edged/tls", name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said := s.run(t, "start"); !strings.Contains(said, "edged.yaml: good") {
		t.Errorf("check said:\n%s", said)
	}
}

// pool is a root that a peer trusts.
func pool(t *testing.T, dir, name string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", name)
	}
	return roots
}

// follow lets messages be written while the page's trace looks on, until it has seen
// what it waits for, and compares that with what the page shows.
func (s *stage) follow(t *testing.T, write func(context.Context) error) {
	t.Helper()
	trace := s.command(t, "trace")
	var out strings.Builder
	trace.Stdout, trace.Stderr = &out, &out
	if err := trace.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- trace.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if err := write(ctx); err != nil {
			t.Fatalf("to the partner: %v", err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("trace: %v\n%s", err, &out)
			}
			t.Logf("trace:\n%s", &out)
			for line := range strings.Lines(doctest.Block(t, "../../docs/quickstart.md", "traced")) {
				shown := regexp.MustCompile(`(?m)^\S+ +` + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(line)), " ", " +"))
				if !shown.MatchString(out.String()) {
					t.Errorf("the page shows %q, the trace:\n%s", line, &out)
				}
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
