package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"edged/internal/config/configtest"
	"edged/internal/lab/zone"
)

// process is an edged that serves, with its log in a file.
type process struct {
	dir, log string
	cmd      *exec.Cmd
}

// serve starts edged by a shell command in a folder that has edged.yaml, with
// further environment and files, which the process finds from number 3 on.
func serve(t *testing.T, dir, command string, env []string, files ...*os.File) *process {
	t.Helper()
	p := &process{dir: dir, log: filepath.Join(dir, "log")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command("sh", "-c", command)
	p.cmd.Dir, p.cmd.Stderr, p.cmd.ExtraFiles = dir, log, files
	p.cmd.Env = append(os.Environ(), env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// logged waits for a line of the log and returns the match.
func (p *process) logged(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := awaitLine(p.log, regexp.MustCompile(pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop ends the process by SIGTERM and wants status 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// manager is the service manager's end of sd_notify(3).
type manager struct{ conn *net.UnixConn }

func newManager(t *testing.T) (m manager, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return manager{conn}, path
}

// next returns the assignments of the next message, WATCHDOG=1 only if wanted.
func (m manager) next(t *testing.T, watchdog bool) []string {
	t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.TrimSuffix(string(buffer[:n]), "\n"); (text == "WATCHDOG=1") == watchdog {
			return strings.Split(text, "\n")
		}
	}
}

func (m manager) want(t *testing.T, assignments ...string) {
	t.Helper()
	if diff := cmp.Diff(assignments, m.next(t, false)); diff != "" {
		t.Errorf("notification (-want +got):\n%s", diff)
	}
}

// reloading wants what announces a reload, and returns when it was sent, in
// microseconds.
func (m manager) reloading(t *testing.T) int64 {
	t.Helper()
	got := m.next(t, false)
	if len(got) != 2 || got[0] != "RELOADING=1" {
		t.Fatalf("got %q, want RELOADING=1 with MONOTONIC_USEC", got)
	}
	usec, err := strconv.ParseInt(strings.TrimPrefix(got[1], "MONOTONIC_USEC="), 10, 64)
	if err != nil {
		t.Errorf("%q: %v", got[1], err)
	}
	return usec
}

// TestNotify: what systemd is told over a life.
func TestNotify(t *testing.T) {
	m, path := newManager(t)
	dir := configtest.Lay(t, minimal)
	raw, err := os.ReadFile(filepath.Join(dir, "edged.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "edged.yaml"), append(raw, "\nadmin: {socket: admin.sock}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, dir, "exec edged serve -c edged.yaml", []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=100000"})
	m.want(t, "READY=1", "STATUS=serving")
	m.next(t, true)

	p.signal(t, syscall.SIGHUP)
	first := m.reloading(t)
	m.want(t, "STATUS=serving")
	m.want(t, "READY=1")

	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte("federation: {enabled: perhaps}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGHUP)
	if second := m.reloading(t); second <= first {
		t.Errorf("the second reload was at %d, the first at %d", second, first)
	}
	m.want(t, "STATUS=serving with the old configuration: the last reload was refused")
	m.want(t, "READY=1")
	m.next(t, true)

	// By the admin socket: systemd knows that it reloads, if it was systemd who asked.
	if got := run1(t, dir, "reload", "-c", "edged.yaml"); got.Status != 1 || !strings.Contains(got.Stderr, `"perhaps"`) {
		t.Errorf("reload of a bad file: %+v", got)
	}
	m.want(t, "STATUS=serving with the old configuration: the last reload was refused")

	p.signal(t, syscall.SIGTERM)
	m.want(t, "STOPPING=1")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSlowReload: a reload that waits for the DNS holds neither the watchdog back
// nor the end.
func TestSlowReload(t *testing.T) {
	const service = "_sipinternaltls._tcp.contoso.com"
	names, err := zone.Serve(zone.Zone{SRV: map[string][]zone.SRV{service: {{Port: 1, Target: "fe1.corp.contoso.com"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	m, path := newManager(t)
	dir := configtest.Lay(t, minimal)
	write := func(timeout string) {
		text := strings.NewReplacer("DNS", names.Addr(), "TIMEOUT", timeout).Replace(poolBySRV)
		if err := os.WriteFile(filepath.Join(dir, "edged.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("59s")
	p := serve(t, dir, "exec edged serve -c edged.yaml", []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=100000"})
	m.want(t, "READY=1", "STATUS=serving")
	names.Set(func(z *zone.Zone) { z.Silent[service] = true })
	write("1m") // another resolver, which remembers nothing
	p.signal(t, syscall.SIGHUP)
	m.reloading(t)
	for range 3 {
		m.next(t, true)
	}
	p.signal(t, syscall.SIGTERM)
	m.want(t, "STOPPING=1")
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

const poolBySRV = `fqdn: sip.contoso.com
domains: [{name: contoso.com, protocols: [sip]}]
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}]}
secret_file: tls/edge.secret
dns: {servers: ["DNS"], timeout: TIMEOUT}
sip:
  external: {listen: ["127.0.0.1:0"]}
  internal:
    listen: ["127.0.0.1:0"]
    fqdn: edge.corp.contoso.com
    certificate: {cert: tls/inside.crt, key: tls/inside.key}
  pools:
    - name: front
      domains: [contoso.com]
      srv: _sipinternaltls._tcp.contoso.com
      names: [pool.corp.contoso.com]
      roots: [tls/internal-ca.crt]
limits: {connect_total: 1m}
`

// TestNotifyNothingWhenRefused: systemd is not told READY by what cannot start.
func TestNotifyNothingWhenRefused(t *testing.T) {
	m, path := newManager(t)
	dir := configtest.Lay(t, minimal, "testdata/bad/key-of-another-certificate")
	p := serve(t, dir, "exec edged serve -c edged.yaml", []string{"NOTIFY_SOCKET=" + path})
	if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("ended with %v, want status 1", err)
	}
	if err := m.conn.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := m.conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes of notification", n)
	}
}

const activated = `fqdn: sip.contoso.com
domains: [contoso.com]
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}]}
secret_file: tls/edge.secret
state_dir: state
sip:
  external: {listen: ["fd:outside:SIP"]}
  internal:
    listen: ["fd:pools"]
    fqdn: edge.corp.contoso.com
    certificate: {cert: tls/inside.crt, key: tls/inside.key}
  pools:
    - {name: front, domains: [contoso.com], members: ["127.0.0.1:1"], names: [fe1.corp.contoso.com], roots: [tls/internal-ca.crt]}
xmpp:
  external: {listen: ["fd:outside:XMPP"]}
  internal:
    listen: ["127.0.0.1:0"]
    authority: {mode: dialback}
    dns: {listen: "fd:dns", forward: ["127.0.0.1:1"], clients: [127.0.0.0/8]}
  pools:
    - {name: chat, domains: [contoso.com], members: ["127.0.0.1:1"], roots: [tls/internal-ca.crt]}
metrics: {listen: "fd:metrics"}
`

// layActivated is a folder whose edged.yaml takes everything from systemd but for
// XMPP's pools. The ports are those of the sockets named outside.
func layActivated(t *testing.T, sip, xmpp string) string {
	t.Helper()
	dir := configtest.Lay(t, minimal)
	text := strings.NewReplacer("SIP", sip, "XMPP", xmpp).Replace(activated)
	if err := os.WriteFile(filepath.Join(dir, "edged.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSocketActivation: systemd opens the sockets; those of one name are told apart
// by their ports and kinds, or mean the same.
func TestSocketActivation(t *testing.T) {
	addrs, handed := sockets(t, 7)
	at, datagrams := packets(t)
	_, sip, _ := net.SplitHostPort(addrs[0])
	_, xmpp, _ := net.SplitHostPort(addrs[1])
	p := serve(t, layActivated(t, sip, xmpp), "LISTEN_PID=$$ LISTEN_FDS=8 "+
		"LISTEN_FDNAMES=outside:outside:pools:pools:dns:metrics:other:dns exec edged serve -c edged.yaml", nil, append(handed, datagrams)...)
	want := fmt.Sprintf("listen=\"[%s %s %s %s ", addrs[0], addrs[2], addrs[3], addrs[1])
	p.logged(t, "msg=serving .*"+regexp.QuoteMeta(want)+".* metrics="+regexp.QuoteMeta(addrs[5])+"\n")
	p.logged(t, `level=WARN msg="socket of systemd is not used" name=other:\d+\n`)
	for _, addr := range addrs[:6] {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	answerer := dns.Client{Timeout: patience}
	for network, addr := range map[string]string{"udp": at, "tcp": addrs[4]} {
		answerer.Net = network
		answer, _, err := answerer.Exchange(new(dns.Msg).SetQuestion("_xmpp-server._tcp.jabber.example.", dns.TypeSRV), addr)
		if err != nil || len(answer.Answer) != 1 {
			t.Errorf("by %s: %v, %v", network, answer, err)
		}
	}
	p.signal(t, syscall.SIGHUP)
	p.logged(t, "msg=reloaded")
	p.stop(t)
}

// sockets opens listeners and returns where they are, and them as files. The
// files are all that is left of them here: whoever gets them has them alone.
func sockets(t *testing.T, n int) (addrs []string, handed []*os.File) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		t.Cleanup(func() { f.Close() })
		addrs, handed = append(addrs, l.Addr().String()), append(handed, f)
	}
	return addrs, handed
}

// packets opens a datagram socket as sockets opens listeners.
func packets(t *testing.T) (addr string, handed *os.File) {
	t.Helper()
	p, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if handed, err = p.File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handed.Close() })
	return p.LocalAddr().String(), handed
}

// TestSocketActivationOfThePage: the status page is for this host, whoever opens its
// socket.
func TestSocketActivationOfThePage(t *testing.T) {
	wide, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Close()
	f, err := wide.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := configtest.Lay(t, minimal)
	raw, err := os.ReadFile(filepath.Join(dir, "edged.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^admin:.*\n`).ReplaceAllString(string(raw), "") + "\nadmin: {listen: \"fd:page\"}\n"
	if err := os.WriteFile(filepath.Join(dir, "edged.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, dir, "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=page exec edged serve -c edged.yaml", nil, f)
	if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("ended with %v, want status 1", err)
	}
	p.logged(t, `admin\.listen: \[::\]:\d+ can be reached by others, for whom metrics\.listen is`)
}

// TestSocketActivationRefused: sockets that are not there, or are no listeners.
func TestSocketActivationRefused(t *testing.T) {
	_, udp := packets(t)
	_, handed := sockets(t, 1)
	no := func(field, kind, name, setting string) string {
		return fmt.Sprintf("%s: systemd passed no %s socket named %s%s", field, kind, name, setting)
	}
	stream := no("sip.external.listen[0]", "stream", "outside", " at port 1; add ListenStream=ADDRESS:1 to the socket unit with FileDescriptorName=outside")
	tests := map[string]struct {
		env   string
		files []*os.File
		want  []string
	}{
		"none": {"", nil, []string{
			stream,
			no("sip.internal.listen[0]", "stream", "pools", "; set FileDescriptorName=pools in the socket unit"),
			no("metrics.listen", "stream", "metrics", "; set FileDescriptorName=metrics in the socket unit"),
			no("xmpp.internal.dns.listen", "stream", "dns", "; set FileDescriptorName=dns in the socket unit"),
		}},
		"for another process":       {"LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=outside", handed, []string{stream}},
		"at another port":           {"LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=outside", handed, []string{stream}},
		"a datagram socket":         {"LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pools", []*os.File{udp}, []string{no("sip.internal.listen[0]", "stream", "pools", "")}},
		"no datagram socket of DNS": {"LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=dns", handed, []string{no("xmpp.internal.dns.listen", "datagram", "dns", "")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := serve(t, layActivated(t, "1", "2"), tt.env+" exec edged serve -c edged.yaml", nil, tt.files...)
			if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("ended with %v, want status 1", err)
			}
			for _, line := range tt.want {
				p.logged(t, "(?m)^"+regexp.QuoteMeta(line))
			}
		})
	}
}
