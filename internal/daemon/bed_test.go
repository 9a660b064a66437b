package daemon_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"go.uber.org/goleak"

	"edged/internal/admin"
	"edged/internal/daemon"
	"edged/internal/lab/ca"
	"edged/internal/lab/kit"
	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The names that tests use.
const (
	outside   = kit.Outside
	inside    = kit.Inside
	alice     = "alice@contoso.com"
	fabrikam  = "fabrikam.com"
	northwind = "northwind.example"
)

const patience = kit.Patience

// setup is what tests change in the files of a bed.
type setup struct {
	*kit.Files
	Pools      []poolSetup
	Allowed    []string
	Blocked    []string
	CRLs       string // a YAML list
	CRL        string // the mode
	Limits     string // a YAML mapping
	DNS        string // where to ask
	DNSTimeout string
	StateDir   string
	Zone       *zone.Server
	XMPP       xmppSetup
	Federation string // further switches
	Balancers  string // a YAML list
	Log        string // a YAML mapping
}

type poolSetup struct {
	Name    string
	Members []string
	SRV     string
}

var edgedYAML = template.Must(template.New("edged.yaml").Parse(`fqdn: sip.contoso.com
domains: [{name: contoso.com, protocols: [sip{{if .XMPP.On}}, xmpp{{end}}]}]
tls:
  certificates: [{cert: tls/edge.crt, key: tls/edge.key}]
  roots: [tls/public.crt]
  crls: {{.CRLs}}
  crl: {{.CRL}}
secret_file: tls/edge.secret
state_dir: {{.StateDir}}
dns: {servers: ["{{.DNS}}"], timeout: {{.DNSTimeout}}, allow_private: [127.0.0.0/8]}
sip:
  external: {listen: [{listen: "127.0.0.1:0", proxy_protocol: {{.Balancers}}}]}
  internal:
    listen: [{listen: "127.0.0.1:0", proxy_protocol: {{.Balancers}}}]
    fqdn: edge.corp.contoso.com
    certificate: {cert: tls/inside.crt, key: tls/inside.key}
  pools:
{{- range .Pools}}
    - name: {{.Name}}
      domains: [contoso.com]
      {{if .SRV}}srv: {{.SRV}}{{else}}members: [{{range $i, $m := .Members}}{{if $i}}, {{end}}"{{$m}}"{{end}}]{{end}}
      roots: [tls/private.crt]
      names: [pool.corp.contoso.com]
{{- end}}
{{.XMPP.Edged}}
limits: {{.Limits}}
log: {{.Log}}
metrics: {listen: "127.0.0.1:0"}
admin: {socket: {{.Dir}}/s, listen: "127.0.0.1:0"}
`))

var policyYAML = template.Must(template.New("policy.yaml").Parse(`federation: {enabled: true{{.XMPP.Federation}}{{.Federation}}}
allowed_domains:
{{- range .Allowed}}
  - {domain: {{.}}}
{{- end}}
blocked_domains: [{{range $i, $d := .Blocked}}{{if $i}}, {{end}}{domain: {{$d}}}{{end}}]
access_policies:
  global: {federation: true{{if .XMPP.On}}, xmpp: true{{end}}}
{{.XMPP.Policy}}
`))

// bed is an edge between partners and the members of a pool, on real sockets.
type bed struct {
	*testing.T
	*kit.Files
	setup setup // in the files as of the last write
	dns   *zone.Server
	certs map[string]ca.Cert
	peers map[string]*sippeer.Peer // by domain; members by fe1, fe2
	pool  *sippeer.Desk            // of all members
	edge  *daemon.Daemon
	log   *logbook
}

// start starts an edge with two partners, both allowed, and a pool of two
// members. The changes are made to its files before.
func start(t *testing.T, changes ...func(*setup)) *bed {
	t.Helper()
	b := &bed{
		T: t, Files: kit.New(t), certs: map[string]ca.Cert{},
		peers: map[string]*sippeer.Peer{}, pool: sippeer.NewDesk(), log: &logbook{more: make(chan struct{})},
	}
	b.startPeers()
	b.setup = setup{
		Pools: []poolSetup{{Name: "front", Members: []string{b.member("fe1"), b.member("fe2")}}}, Allowed: []string{fabrikam, northwind},
		CRLs: "[]", CRL: "optional", Balancers: "[]", Limits: "{}", Log: "{level: debug}", DNS: b.dns.Addr(), DNSTimeout: "1s", StateDir: "state", Files: b.Files, Zone: b.dns,
	}
	b.File("tls/public.crl", b.Public.CRL(time.Now().Add(-time.Minute), time.Now().Add(time.Hour)))
	b.write(changes...)
	b.again()
	t.Cleanup(b.stop)
	return b
}

// again starts the edge, once more if stop has ended it, from the files there are.
func (b *bed) again() {
	b.Helper()
	edge, err := daemon.Start(b.Context(), daemon.Options{ConfigPath: b.config(), Version: "test", LogTo: b.log})
	if err != nil {
		b.Fatal(err)
	}
	b.edge = edge
}

// config is edged.yaml.
func (b *bed) config() string { return filepath.Join(b.Dir, "edged.yaml") }

func (b *bed) startPeers() {
	b.Helper()
	z := zone.Zone{TTL: 60, NegativeTTL: 60, SRV: map[string][]zone.SRV{}, A: map[string][]netip.Addr{}}
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	for _, domain := range []string{fabrikam, northwind} {
		host := "sip." + domain
		b.peer(domain, host, b.Public, host, nil)
		z.SRV["_sipfederationtls._tcp."+domain] = []zone.SRV{{Port: b.peers[domain].Port(), Target: host}}
		z.A[host] = loopback
	}
	for _, name := range []string{"fe1", "fe2"} {
		host := name + ".corp.contoso.com"
		b.peer(name, host, b.Private, "pool.corp.contoso.com", b.pool)
		z.A[host] = loopback
	}
	dns, err := zone.Serve(z)
	if err != nil {
		b.Fatal(err)
	}
	b.dns = dns
	b.Cleanup(func() { dns.Close() })
}

// peer starts an endpoint whose certificate shows a name.
func (b *bed) peer(name, host string, signer *ca.Authority, shows string, desk *sippeer.Desk) {
	b.Helper()
	b.certs[name] = signer.Issue(ca.Leaf{CN: shows, DNS: []string{shows}})
	roots := x509.NewCertPool()
	roots.AddCert(signer.Cert().X509)
	cert := b.certs[name].TLS
	p, err := sippeer.New(b.Context(), sippeer.Config{Host: host, Listen: "127.0.0.1:0", Certificate: &cert, Roots: roots, Desk: desk})
	if err != nil {
		b.Fatal(err)
	}
	b.peers[name] = p
	b.Cleanup(p.Close)
}

func (b *bed) member(name string) string {
	return fmt.Sprintf("%s.corp.contoso.com:%d", name, b.peers[name].Port())
}

// stop ends the edge, once.
func (b *bed) stop() {
	if b.edge == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.edge.Stop(ctx); err != nil {
		b.Error(err)
	}
	b.edge = nil
	if b.Failed() {
		b.Logf("the edge's log:\n%s", b.log.text())
	}
}

// write changes the configuration files, and nothing else yet.
func (b *bed) write(changes ...func(*setup)) {
	b.Helper()
	for _, change := range changes {
		change(&b.setup)
	}
	for _, t := range []*template.Template{edgedYAML, policyYAML} {
		var text bytes.Buffer
		if err := t.Execute(&text, b.setup); err != nil {
			b.Fatal(err)
		}
		b.File(t.Name(), text.Bytes())
	}
}

// reload writes the changed files and has the edge read them.
func (b *bed) reload(changes ...func(*setup)) {
	b.Helper()
	b.write(changes...)
	if err := b.edge.Reload(b.Soon()); err != nil {
		b.Fatal(err)
	}
}

// dial opens a connection to the edge, to the inside for members of the pool.
func (b *bed) dial(name string) *sippeer.Conn {
	b.Helper()
	if strings.HasPrefix(name, "fe") {
		return b.dialAt(name, b.edge.Addr("sip.internal").String(), inside)
	}
	return b.dialAt(name, b.edge.Addr("sip.external").String(), outside)
}

// dialAt opens a connection to wherever an edge listens.
func (b *bed) dialAt(name, at, host string) *sippeer.Conn {
	b.Helper()
	conn, err := b.peers[name].Dial(b.Soon(), at, host)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// wantClosed waits for the edge to close a connection.
func (b *bed) wantClosed(conn *sippeer.Conn) {
	b.Helper()
	select {
	case <-conn.Finished():
	case <-b.Soon().Done():
		b.Fatal("the connection stays open")
	}
}

// wantOpen asks the edge itself for a sign of life on a connection, so that
// everything the edge sent before has been read.
func (b *bed) wantOpen(name string, conn *sippeer.Conn, host string) {
	b.Helper()
	o := conn.Do(b.Soon(), b.peers[name].Compose(sippeer.Request{
		Method: "OPTIONS", URI: "sip:" + host, CallID: sippeer.NewCallID(name), From: "<sip:ping@" + name + ">", To: "<sip:" + host + ">",
	}))
	if status(o) != 200 {
		b.Errorf("%s's connection does not live: %d, %v", name, status(o), o.Err)
	}
}

// message is a new MESSAGE between two users.
func (b *bed) message(name, from, to string) *sippeer.Message {
	return b.peers[name].Compose(sippeer.Request{
		Method: "MESSAGE", URI: "sip:" + to, CallID: sippeer.NewCallID(name), From: "<sip:" + from + ">", To: "<sip:" + to + ">", Body: "hello",
	})
}

// say sends a message and returns the status of its final answer.
func (b *bed) say(conn *sippeer.Conn, name, from, to string) int {
	b.Helper()
	return status(conn.Do(b.Soon(), b.message(name, from, to)))
}

// status is that of the final answer, 0 if there was none.
func status(o *sippeer.Outcome) int {
	if o.Final() == nil {
		return 0
	}
	return o.Final().Status()
}

// call is a dialog between a partner and alice.
type call struct {
	b       *bed
	partner string
	theirs  sippeer.Dialog // the partner's end
	ours    sippeer.Dialog // alice's
}

// call has a partner call alice on a connection of its own.
func (b *bed) call(partner string, conn *sippeer.Conn) *call {
	b.Helper()
	invite := b.message(partner, "bob@"+partner, alice)
	invite.Start, invite.Body = "INVITE sip:"+alice+" SIP/2.0", ""
	invite.Set("CSeq", "1 INVITE")
	invite.Fields = slices.DeleteFunc(invite.Fields, func(f sippeer.Field) bool { return f.Name == "Content-Type" })
	o := conn.Do(b.Soon(), invite)
	if status(o) != 200 {
		b.Fatalf("INVITE of %s: %d, %v", partner, status(o), o.Err)
	}
	c := &call{b: b, partner: partner, theirs: sippeer.DialogOfCaller(invite, o.Final())}
	arrived, err := b.pool.Await(b.Soon(), invite.Get("Call-ID"), "INVITE")
	if err != nil {
		b.Fatal(err)
	}
	c.ours = b.pool.DialogOfCallee(arrived)
	if err := conn.Write(b.peers[partner].Compose(c.theirs.Next("ACK")).String()); err != nil {
		b.Fatal(err)
	}
	if _, err := b.pool.Await(b.Soon(), invite.Get("Call-ID"), "ACK"); err != nil {
		b.Fatal(err)
	}
	return c
}

// theySend sends a request of the partner in the dialog; weSend one of alice.
func (c *call) theySend(conn *sippeer.Conn, method string) int {
	c.b.Helper()
	return status(conn.Do(c.b.Soon(), c.b.peers[c.partner].Compose(c.theirs.Next(method))))
}

func (c *call) weSend(conn *sippeer.Conn, method string) int {
	c.b.Helper()
	return status(conn.Do(c.b.Soon(), c.b.peers["fe1"].Compose(c.ours.Next(method))))
}

// connection is what the admin socket tells of one.
type connection struct {
	ID      uint64   `json:"id"`
	Side    string   `json:"side"`
	Dialled bool     `json:"dialled"`
	Names   []string `json:"certificate_names"`
}

// connections asks the admin socket for what is open with the holder of a name.
func (b *bed) connections(name string) []connection {
	b.Helper()
	raw, err := admin.Call(b.Soon(), filepath.Join(b.Dir, "s"), "GET", "/connections")
	if err != nil {
		b.Fatal(err)
	}
	var all []connection
	if err := json.Unmarshal(raw, &all); err != nil {
		b.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(c connection) bool { return !slices.Contains(c.Names, name) })
	slices.SortFunc(all, func(x, y connection) int { return int(x.ID) - int(y.ID) })
	return all
}

// metric returns the lines of a scrape that begin so.
func (b *bed) metric(prefix string) []string {
	b.Helper()
	return scrape(b.T, b.edge.Addr("metrics").String(), prefix)
}

func scrape(t *testing.T, addr, prefix string) []string {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile("(?m)^"+regexp.QuoteMeta(prefix)+".*$").FindAllString(string(body), -1)
}

// logbook is what the edge logs.
type logbook struct {
	mu    sync.Mutex
	lines []byte
	more  chan struct{} // closed and replaced at every line
}

// Write implements io.Writer.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, p...)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

func (l *logbook) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.lines)
}

// logged waits for what matches in the log.
func (b *bed) logged(pattern string) {
	b.Helper()
	re := regexp.MustCompile(pattern)
	ctx := b.Soon()
	for {
		b.log.mu.Lock()
		found, more := re.Match(b.log.lines), b.log.more
		b.log.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			b.Fatalf("nothing matches %s", pattern)
		}
	}
}
