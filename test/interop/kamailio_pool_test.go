package interop

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"edged/internal/lab/sippeer"
)

// The servers of docs/pool-kamailio.md, and edged as they see it.
const (
	sip1    = "sip1.corp.contoso.com"
	sip2    = "sip2.corp.contoso.com"
	sipEdge = "edge.corp.contoso.com"
)

// stockPool is edged between partners and the pool of docs/pool-kamailio.md: Debian's
// own configuration of Kamailio, with what the page adds. A phone is registered at
// each server.
type stockPool struct {
	*world
	hosts       []string // the servers of the pool
	config      string   // edged's
	servers     map[string]*process
	carol, dave *agent // at sip1, at sip2
}

func newStockPool(t *testing.T, hosts ...string) *stockPool {
	t.Helper()
	t.Parallel()
	s := &stockPool{world: newWorld(t), hosts: hosts}
	s.startDNS(t)
	s.startAll(t)
	return s
}

func (s *stockPool) startAll(t *testing.T) {
	t.Helper()
	findBinary(t, "patch")
	if out, err := exec.Command(findBinary(t, "kamailio"), "-v").Output(); err != nil || !strings.Contains(string(out), "kamailio 5.6.") {
		missing(t, fmt.Sprintf("the page is about Kamailio 5.6, here is %s", out))
	}
	s.servers = make(map[string]*process)
	members := make([]string, len(s.hosts))
	for i, host := range s.hosts {
		s.servers[host] = s.startStock(t, host)
		members[i] = fmt.Sprintf("%q", fmt.Sprintf("%s:%d", host, s.place(host).Port()))
	}
	s.config = s.configure(t, edgeSpec{sip: func(inside credential) string {
		return poolBlock(t, "kamailio-limits") + poolBlock(t, "kamailio-edged",
			"203.0.113.10:5061", s.place("sip.contoso.com").String(), "10.0.0.5:5061", s.place(sipEdge).String(),
			"tls/inside.crt", inside.certFile, "tls/inside.key", inside.keyFile, "tls/internal-ca.crt", s.inside.file,
			fmt.Sprintf("%q, %q", sip1+":5061", sip2+":5061"), strings.Join(members, ", "))
	}})
	s.runEdge(t, s.config)
	s.carol, s.dave = s.phone(t, "carol", sip1, false), s.phone(t, "dave", s.hosts[len(s.hosts)-1], true)
}

// startStock runs one server of the pool.
func (s *stockPool) startStock(t *testing.T, host string) *process {
	t.Helper()
	bin := findBinary(t, "kamailio")
	dir := s.stockFiles(t, host)
	// Its resolver asks port 53 of what resolv.conf says; libc's knows the hosts file.
	file, names := hostsFile(t, dir, s.knowsAll()), "/etc/hosts"
	if s.port53 {
		file, names = filepath.Join(dir, "resolv.conf"), "/etc/resolv.conf"
	}
	namespace := mountNamespace(t)
	args := append(namespace[1:], "sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec "$@"`, "sh", file, names)
	args = append(args, bin, "-DD", "-E", "-m", "64", "-M", "8", "-w", dir, "-Y", dir, "-f", filepath.Join(dir, "kamailio.cfg"))
	p := s.start(t, "kamailio-"+host, namespace[0], args...)
	p.awaitListening(t, s.place(host))
	awaitPong(t, s.place("users."+host))
	return p
}

// stockFiles writes what /etc/kamailio holds on that server.
func (s *stockPool) stockFiles(t *testing.T, host string) string {
	t.Helper()
	dir := filepath.Join(s.dir, host)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stock, err := os.ReadFile("/etc/kamailio/kamailio.cfg")
	if err != nil {
		t.Fatal(err)
	}
	write("kamailio.cfg", strings.ReplaceAll(string(stock), "/etc/kamailio/tls.cfg", filepath.Join(dir, "tls.cfg")))
	cert := s.issue(t, s.inside, host)
	write("tls.cfg", poolBlock(t, "kamailio-tls", "/etc/kamailio/tls/sip1.crt", cert.certFile,
		"/etc/kamailio/tls/sip1.key", cert.keyFile, "/etc/kamailio/tls/internal-ca.crt", s.inside.file))
	write("kamailio-local.cfg", poolBlock(t, "kamailio-local",
		"10.0.0.21:5060", s.place("users."+host).String(), "10.0.0.21:5061", s.place(host).String())+
		s.subscribers(t, dir)+"auto_aliases=no\n"+map[bool]string{false: "use_dns_cache=off\n"}[s.port53])
	write("resolv.conf", "nameserver "+s.place("ns.test").Addr().String()+"\n")
	write("edge.cfg", s.edgeFile(t, host))
	write("edge.diff", poolBlock(t, "kamailio-cfg"))
	command := exec.Command("sh", "-e", "-c", poolBlock(t, "kamailio-patch", "/etc/kamailio", dir, "kamailio -c", "true"))
	if out, err := command.CombinedOutput(); err != nil || strings.Contains(string(out), "fuzz") {
		t.Fatalf("docs/pool-kamailio.md, block kamailio-patch: %v\n%s", err, out)
	}
	return dir
}

// edgeFile is edge.cfg of that server.
func (s *stockPool) edgeFile(t *testing.T, host string) string {
	t.Helper()
	other := map[string]string{sip1: sip2, sip2: sip1}[host]
	inside := []string{}
	for _, place := range slices.Concat(s.hosts, []string{"carol." + sip1, "dave." + s.hosts[len(s.hosts)-1]}) {
		inside = append(inside, s.place(place).Addr().String())
	}
	text := poolBlock(t, "kamailio-edge", `"`+sip2+`"`, `"`+other+`"`, "10.0.1.0/24,10.0.0.21,10.0.0.22", strings.Join(inside, ","))
	for _, name := range []string{"EDGE", "OTHER"} {
		at := s.place(map[string]string{"EDGE": sipEdge, "OTHER": other}[name])
		text = strings.ReplaceAll(text, name+` + ":5061`, fmt.Sprintf(`%s + ":%d`, name, at.Port()))
	}
	if len(s.hosts) == 1 {
		text = strings.Replace(text, fmt.Sprintf("#!define OTHER %q\n", other), "", 1)
	}
	return text
}

// subscribers is where the server keeps its users: files, in place of a database.
func (s *stockPool) subscribers(t *testing.T, dir string) string {
	t.Helper()
	db := filepath.Join(dir, "db")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"version", "subscriber"} {
		text, err := os.ReadFile(filepath.Join("/usr/share/kamailio/dbtext/kamailio", table))
		if err != nil {
			t.Fatal(err)
		}
		if table == "subscriber" {
			for i, user := range []string{"carol", "dave"} {
				text = fmt.Appendf(text, "%d:%s:contoso.com:%s:-:-\n", i+1, user, password)
			}
		}
		if err := os.WriteFile(filepath.Join(db, table), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("loadmodule \"db_text.so\"\n#!define DBURL \"text://%s\"\n", db)
}

// phone is a user's agent at a server of the pool, with a certificate that proves no
// server, or without TLS.
func (s *stockPool) phone(t *testing.T, user, host string, plain bool) *agent {
	t.Helper()
	place := user + "." + host
	spec := agentSpec{
		host: place, user: user, domain: "contoso.com", edge: host,
		cred: s.issue(t, s.inside, place), trusts: s.inside, plain: plain,
	}
	if plain {
		spec.edge = "users." + host
	}
	a := s.newAgent(t, spec)
	a.register(t)
	return a
}

// digest proves a user to the pool.
func (a *agent) digest() sipgo.DigestAuth {
	return sipgo.DigestAuth{Username: a.user.User, Password: password}
}

// register tells the pool where the agent is.
func (a *agent) register(t *testing.T) {
	t.Helper()
	registrar := sip.Uri{Scheme: "sip", Host: a.user.Host}
	req := a.request(sip.REGISTER, &agent{user: registrar})
	req.AppendHeader(&sip.ToHeader{Address: a.user})
	req.AppendHeader(&sip.ContactHeader{Address: a.contact()})
	resp, err := a.client.Do(soon(t), req)
	if err == nil && resp.StatusCode == 401 {
		resp, err = a.client.DoDigestAuth(soon(t), req, resp, a.digest())
	}
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("REGISTER of %s: %v, %v", a.user.User, resp, err)
	}
}

// TestStockKamailio sends messages and calls each way, to phones at both servers.
func TestStockKamailio(t *testing.T) {
	s := newStockPool(t, sip1, sip2)
	bob := s.fabrikamAgent(t)
	for i := range 3 { // Call-IDs spread over the members
		for name, user := range map[string]*agent{"carol": s.carol, "dave": s.dave} {
			t.Run(fmt.Sprintf("message in, %s, %d", name, i), func(t *testing.T) { bob.sendMessage(t, user) })
			t.Run(fmt.Sprintf("message out, %s, %d", name, i), func(t *testing.T) { user.sendMessage(t, bob) })
			t.Run(fmt.Sprintf("call in, %s, %d", name, i), func(t *testing.T) { bob.call(t, user) })
			t.Run(fmt.Sprintf("call out, %s, %d", name, i), func(t *testing.T) { user.call(t, bob) })
		}
	}
	probePool(t, "kamailio", s.config)
	t.Run("inside", func(t *testing.T) { s.carol.call(t, s.dave) })
	t.Run("to nobody", func(t *testing.T) { bob.wantRefused(t, "nobody", 404) })
	s.servers[sip2].stop()
	for i := range 4 {
		t.Run(fmt.Sprintf("with one server, %d", i), func(t *testing.T) { bob.call(t, s.carol) })
	}
	t.Run("to nobody, with one server", func(t *testing.T) { bob.wantRefused(t, "nobody", 480) })
}

// TestStockKamailioAlone has a pool of one server.
func TestStockKamailioAlone(t *testing.T) {
	s := newStockPool(t, sip1)
	bob := s.fabrikamAgent(t)
	bob.call(t, s.carol)
	s.dave.call(t, bob)
	s.carol.call(t, s.dave)
	bob.wantRefused(t, "nobody", 404)
}

// TestStockKamailioRelaysNoFurther sends requests in a real dialog, which lead on to a
// third party.
func TestStockKamailioRelaysNoFurther(t *testing.T) {
	s := newStockPool(t, sip1, sip2)
	stranger := s.tripwire(t, "sip.unlisted.example")
	third := "sip:dan@" + stranger.at.String() + ";transport="
	cert := s.issue(t, s.roots, "sip.fabrikam.com")
	fabrikam := s.peer(t, "sip.fabrikam.com", &cert.TLS, s.roots)
	c := s.dialEdge(t, fabrikam)
	invite := invitation(fabrikam)
	final := c.Do(soon(t), invite).Final()
	if final == nil || final.Status() != 200 {
		t.Fatalf("INVITE answered with %v, want 200", final)
	}
	dialog := sippeer.DialogOfCaller(invite, final)
	for name, change := range map[string]func(r *sippeer.Request){
		"Request-URI, TLS":  func(r *sippeer.Request) { r.URI = third + "tls" },
		"Request-URI, UDP":  func(r *sippeer.Request) { r.URI = third + "udp" },
		"Request-URI, name": func(r *sippeer.Request) { r.URI = "sip:dan@sip.unlisted.example" },
		"one Route more":    func(r *sippeer.Request) { r.Routes = append(slices.Clone(r.Routes), "<"+third+"tcp;lr>") },
		"another Route":     func(r *sippeer.Request) { r.Routes = []string{r.Routes[0], "<" + third + "tcp;lr>"} },
		"a strict Route":    func(r *sippeer.Request) { r.Routes = append(slices.Clone(r.Routes), "<"+third+"tcp>") },
	} {
		t.Run(name, func(t *testing.T) {
			r := dialog.Next("INFO")
			change(&r)
			if got := status(t, c, fabrikam.Compose(r)); got != 403 && got != 404 {
				t.Errorf("answered with %d, want 403 or 404", got)
			}
			stranger.wantUntouched(t)
		})
	}
	r := dialog.Next("MESSAGE")
	r.Body = "hello"
	if got := status(t, c, fabrikam.Compose(r)); got != 200 {
		t.Errorf("an honest request is answered with %d, want 200", got)
	}
}

// TestStockKamailioBelievesTheEdgeOnly has a user of ours write in a partner's name.
func TestStockKamailioBelievesTheEdgeOnly(t *testing.T) {
	s := newStockPool(t, sip1, sip2)
	forged := func(a *agent) *sip.Request {
		bob := agent{user: sip.Uri{Scheme: "sip", User: "bob", Host: "fabrikam.com"}, via: a.via, edge: a.edge}
		req := bob.request(sip.MESSAGE, s.dave)
		req.SetBody([]byte("hello"))
		return req
	}
	resp, err := s.carol.client.Do(soon(t), forged(s.carol))
	if err != nil || resp.StatusCode != 403 {
		t.Errorf("a user in a partner's name: %v, %v, want 403", resp, err)
	}
	impostor := s.issue(t, s.litware, sipEdge).TLS
	conn, err := tls.Dial("tcp", s.place(sip1).String(), &tls.Config{
		RootCAs: s.inside.pool, ServerName: sip1,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &impostor, nil },
	})
	if err == nil {
		defer conn.Close()
		_, _ = io.WriteString(conn, "\r\n\r\n") // the read says how it went
		_, err = io.ReadFull(conn, make([]byte, 2))
	}
	if err == nil {
		t.Error("a certificate of the edge's name by another authority is taken")
	}
	select {
	case got := <-s.dave.body:
		t.Errorf("the user has received %q", got)
	default:
	}
}

// wantRefused writes to a user of contoso.com.
func (a *agent) wantRefused(t *testing.T, user string, want int) {
	t.Helper()
	resp, err := a.client.Do(soon(t), a.request(sip.MESSAGE, &agent{user: sip.Uri{Scheme: "sip", User: user, Host: "contoso.com"}}))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want {
		t.Errorf("a MESSAGE to %s is answered with %s, want %d", user, resp.StartLine(), want)
	}
}

// TestStockKamailioFindsAnotherEdge has a second host behind the edge's name, which is
// down and comes first.
func TestStockKamailioFindsAnotherEdge(t *testing.T) {
	t.Parallel()
	s := &stockPool{world: newWorld(t), hosts: []string{sip1, sip2}}
	dead := s.place("ns.test").Addr().String() // the lowest address, so the first in an answer
	l, err := net.ListenPacket("udp", net.JoinHostPort(dead, "53"))
	if err != nil {
		missing(t, fmt.Sprintf("a name server for Kamailio needs port 53: %v", err))
	}
	l.Close()
	s.port53 = true
	s.serveZone(t, "world.zone", "ns.test")
	s.startAll(t)
	bob := s.fabrikamAgent(t)
	s.carol.sendMessage(t, bob)
	s.dave.call(t, bob)
	bob.call(t, s.dave)
}

// TestStockKamailioLongMessages sends what Kamailio takes, and more: the edge refuses
// that, and the connection to the pool stays.
func TestStockKamailioLongMessages(t *testing.T) {
	s := newStockPool(t, sip1, sip2)
	cert := s.issue(t, s.roots, "sip.fabrikam.com")
	fabrikam := s.peer(t, "sip.fabrikam.com", &cert.TLS, s.roots)
	for _, size := range []int{40 << 10, 41 << 10, 1000} {
		want := 200
		if size > 40<<10 {
			want = 413
		}
		m := message(fabrikam, "bob@fabrikam.com", "carol@contoso.com")
		m.Body = strings.Repeat("x", size)
		if got := status(t, s.dialEdge(t, fabrikam), m); got != want {
			t.Errorf("%d bytes are answered with %d, want %d", size, got, want)
		} else if got == 200 {
			<-s.carol.body
		}
	}
	for host, p := range s.servers {
		text, err := os.ReadFile(p.log)
		if err != nil || strings.Contains(string(text), "ERROR") {
			t.Errorf("%s complains, see above (%v)", host, err)
		}
	}
}
