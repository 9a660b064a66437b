package debian

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.yaml.in/yaml/v4"

	"edged/internal/config/configtest"
	"edged/internal/doctest"
)

const (
	outside = "203.0.113.10:5061"
	inside  = "10.0.0.5:5061"
	manual  = top + "/docs/systemd.md"
)

// TestPackage is the life of the package on one system, in the order in which things
// happen to it.
func TestPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a system")
	}
	deb, later := build(t, "v0.1.0"), build(t, "v0.2.0")
	m := boot(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"package", with(checkPackage, deb)},
		{"install", with(m.install, deb)},
		{"verify", m.verify},
		{"configure", m.configure},
		{"start", m.start},
		{"sandbox", m.sandbox},
		{"reload", m.reload},
		{"renewal", m.renewal},
		{"log", m.log},
		{"watchdog", m.watchdog},
		{"never give up", m.neverGiveUp},
		{"sockets", m.sockets},
		{"restart under load", m.restart},
		{"upgrade", with(m.upgrade, later)},
		{"remove and purge", m.purge},
	} {
		if !t.Run(step.name, step.run) {
			return
		}
	}
}

// with is a step that needs a package.
func with(step func(*testing.T, string), deb string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		step(t, deb)
	}
}

// install installs the package on a system that has never seen it, and, since nothing
// was configured, removes it and installs it again: nothing runs, and nobody but root and
// the service reads its folder.
func (m *machine) install(t *testing.T, deb string) {
	t.Helper()
	m.copy(t, deb, "/tmp/edged.deb")
	m.run(t, "dpkg", "--install", "/tmp/edged.deb")
	m.run(t, "dpkg", "--remove", "edged")
	m.run(t, "dpkg", "--install", "/tmp/edged.deb")
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"install ok installed 0.1.0", []string{"dpkg-query", "--show", "--showformat=${Status} ${Version}", "edged"}},
		{"root:edged 750", []string{"stat", "-c", "%U:%G %a", "/etc/edged"}},
		{"root:edged 750", []string{"stat", "-c", "%U:%G %a", "/etc/edged/tls"}},
		{"/var/lib/edged /usr/sbin/nologin", []string{"sh", "-c", "getent passwd edged | cut -d: -f6,7 | tr : ' '"}},
		{"inactive", []string{"sh", "-c", "systemctl is-active edged.service || true"}},
		{"disabled", []string{"sh", "-c", "systemctl is-enabled edged.service || true"}},
		{"v0.1.0", []string{"sh", "-c", "edged version | cut -d' ' -f2"}},
	} {
		if got := m.run(t, tt.args...); got != tt.want {
			t.Errorf("%s: %q, want %q", strings.Join(tt.args, " "), got, tt.want)
		}
	}
}

// verify lets systemd read the units where they are installed.
func (m *machine) verify(t *testing.T) {
	t.Helper()
	units := []string{"edged.service", "edged.socket", "edged-internal.socket"}
	if r := m.try(append([]string{"systemd-analyze", "verify", "--man=no"}, units...)...); r.status != 0 || r.stdout+r.stderr != "" {
		t.Errorf("verify: %s", r.text())
	}
	checkExposure(t, m.run(t, "systemd-analyze", "security", "--offline=yes", "/lib/systemd/system/edged.service"))
}

// configure lays out configs/ with what it names, as an operator has it, apart from
// the answerer, whose port needs sockets. The host gets the addresses in it.
func (m *machine) configure(t *testing.T) {
	t.Helper()
	dir := configtest.Lay(t, top+"/configs")
	if err := os.CopyFS(m.path("/etc/edged"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	m.run(t, "sh", "-ec", `cd /etc/edged
		chown -R root:edged . && chmod -R u=rwX,g=rX,o= .
		chown root:root tls/edge.secret tls/authority.key && chmod 600 tls/edge.secret tls/authority.key
		ip address add 203.0.113.10/32 dev lo
		ip address add 2001:db8::10/128 dev lo nodad
		ip address add 10.0.0.5/32 dev lo
		echo 'nameserver 10.0.0.1' >/etc/resolv.conf`)
	m.edit(t, func(c map[string]any) {
		delete(c["xmpp"].(map[string]any)["internal"].(map[string]any), "dns")
		c["tls"].(map[string]any)["roots"] = []string{"tls/internal-ca.crt"} // a bare system trusts nobody
		c["limits"] = map[string]any{"connections": 3000, "connections_per_address": 3000, "drain_timeout": "1s"}
	})
	if got := m.run(t, "edged", "check"); !strings.HasPrefix(got, "/etc/edged/edged.yaml: good") {
		t.Error(got)
	}
}

const edgedYAML = "/etc/edged/edged.yaml"

// edit changes edged.yaml.
func (m *machine) edit(t *testing.T, change func(map[string]any)) {
	t.Helper()
	c := m.yaml(t, edgedYAML)
	change(c)
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, edgedYAML, string(text))
}

func (m *machine) yaml(t *testing.T, name string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(m.path(name))
	if err != nil {
		t.Fatal(err)
	}
	c := make(map[string]any)
	if err := yaml.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// property asks systemd about the service.
func (m *machine) property(t *testing.T, name string) string {
	t.Helper()
	return m.run(t, "systemctl", "show", "--property="+name, "--value", "edged.service")
}

// start starts the service, which is ready when systemctl returns.
func (m *machine) start(t *testing.T) {
	t.Helper()
	m.run(t, "systemctl", "start", "edged.service")
	if got := m.property(t, "StatusText"); got != "serving" {
		t.Errorf("status %q, want serving", got)
	}
	for _, addr := range []string{outside, inside, "203.0.113.10:5269", "10.0.0.5:5269", "127.0.0.1:9061"} {
		conn, err := m.dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
}

// sandbox looks at the process that runs.
func (m *machine) sandbox(t *testing.T) {
	t.Helper()
	pid := m.property(t, "MainPID")
	status := m.run(t, "cat", "/proc/"+pid+"/status")
	for _, line := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, line+"\n") {
			t.Errorf("%q is not in:\n%s", line, status)
		}
	}
	if got := m.run(t, "stat", "-c", "%U:%G", "/proc/"+pid); got != "edged:edged" {
		t.Errorf("runs as %s", got)
	}
	in := []string{"nsenter", "--target", pid, "--mount", "--"} // as the process sees the files
	for _, denied := range []string{"touch /etc/edged/x", "touch /usr/x", "touch /var/lib/x", "ls /proc/1/fd", "ls -d /home/*", "ls /dev/rtc0 /dev/kmsg"} {
		if r := m.try(append(in, "setpriv", "--reuid=edged", "--regid=edged", "--clear-groups", "sh", "-c", denied)...); r.status == 0 {
			t.Errorf("%s: %s", denied, r.text())
		}
	}
	m.run(t, append(in, "setpriv", "--reuid=edged", "--regid=edged", "--clear-groups", "sh", "-c", "touch /var/lib/edged/x /var/log/edged/x /run/edged/x && rm /var/lib/edged/x /var/log/edged/x /run/edged/x && grep -q . /run/credentials/edged.service/edge.secret")...)
	// Go reads net.core.somaxconn, which ProcSubset=pid would hide.
	if got := m.run(t, "ss", "--listening", "--tcp", "--numeric", "--no-header", "sport = 5061"); !strings.Contains(got, " 4096 ") {
		t.Errorf("backlog:\n%s", got)
	}
}

// journal is what the service has said since a moment that mark returned.
func (m *machine) journal(t *testing.T, since string) string {
	t.Helper()
	return m.run(t, "journalctl", "--no-pager", "--output=cat", "--unit=edged.service", "--after-cursor="+since)
}

func (m *machine) mark(t *testing.T) string {
	t.Helper()
	_, cursor, _ := strings.Cut(m.run(t, "journalctl", "--no-pager", "--lines=1", "--output=cat", "--show-cursor"), "-- cursor: ")
	return cursor
}

// reload puts a good configuration in force; a bad one fails where it was asked for,
// says why, and changes nothing.
func (m *machine) reload(t *testing.T) {
	t.Helper()
	pid, since := m.property(t, "MainPID"), m.mark(t)
	m.write(t, "/etc/edged/policy.yaml", "federation: {enabled: true}\nallowed_domains: [{domain: adatum.example}]\n")
	m.run(t, "systemctl", "reload", "edged.service")
	if got := m.journal(t, since); !strings.Contains(got, "msg=reloaded ") {
		t.Errorf("journal:\n%s", got)
	}
	good, err := os.ReadFile(m.path(edgedYAML))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"edged.yaml:1:7: fqdn: ": "fqdn: 192.0.2.1\n", "edged.yaml:2:1: YAML syntax: ": "{\n",
	} {
		since = m.mark(t)
		m.write(t, edgedYAML, text)
		if r := m.try("systemctl", "reload", "edged.service"); r.status == 0 {
			t.Errorf("a bad file was reloaded: %s", r.text())
		}
		// Once from the command, for whoever asked, once from the service, for the log.
		if got := m.journal(t, since); strings.Count(got, name) != 2 {
			t.Errorf("journal has %q not twice:\n%s", name, got)
		}
		if got := m.property(t, "StatusText"); !strings.Contains(got, "the last reload was refused") {
			t.Errorf("status %q", got)
		}
	}
	m.write(t, edgedYAML, string(good))
	m.run(t, "systemctl", "reload", "edged.service")
	if got := m.property(t, "MainPID") + " " + m.property(t, "StatusText"); got != pid+" serving" {
		t.Errorf("process and status %q, want %q", got, pid+" serving")
	}
}

// serial is that of the certificate that partners see.
func (m *machine) serial(t *testing.T) string {
	t.Helper()
	conn, err := m.dial("tcp", outside)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "sip.contoso.com"}) // it is looked at, not trusted
	_ = c.Handshake()                                                                           // which edged refuses, after it has shown its own
	chain := c.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		t.Fatal("no certificate")
	}
	return chain[0].SerialNumber.String()
}

// renewal runs the hook of the manual. The certificate of another service on the host is
// not taken for the edge's.
func (m *machine) renewal(t *testing.T) {
	t.Helper()
	before, pid := m.serial(t), m.property(t, "MainPID")
	dir := configtest.Lay(t)
	m.write(t, "/tmp/hook", doctest.Block(t, manual, "renewal"))
	for _, lineage := range []string{"/etc/letsencrypt/live/www.contoso.com", "/etc/letsencrypt/live/sip.contoso.com"} {
		if now := m.serial(t); now != before {
			t.Error("the certificate of another service is in use")
		}
		m.copy(t, filepath.Join(dir, "tls/edge.crt"), lineage+"/fullchain.pem")
		m.copy(t, filepath.Join(dir, "tls/edge.key"), lineage+"/privkey.pem")
		m.run(t, "env", "RENEWED_LINEAGE="+lineage, "sh", "/tmp/hook")
	}
	if after := m.serial(t); after == before {
		t.Error("the old certificate is in use")
	}
	if got := m.property(t, "MainPID"); got != pid {
		t.Error("another process runs")
	}
}

// log lets the journal have fields, and the audit stream a file of its own. What the
// manual shows of journalctl works.
func (m *machine) log(t *testing.T) {
	t.Helper()
	m.edit(t, func(c map[string]any) {
		c["log"] = map[string]any{"format": "journald", "audit": "/var/log/edged/audit.log"}
	})
	m.run(t, "systemctl", "reload", "edged.service")
	m.serial(t) // a handshake without a certificate
	eventually(t, "the journal has it", func() error {
		got := m.run(t, "journalctl", "--no-pager", "--output=cat", "--unit=edged.service", "EDGED_EVENT=handshake failed", "EDGED_SIDE=external", "EDGED_PROTO=sip")
		if !strings.Contains(got, "handshake failed proto=sip side=external peer_addr=203.0.113.10:") || strings.Contains(got, "time=") {
			return errors.New(got)
		}
		return nil
	})
	m.write(t, "/tmp/journal", doctest.Block(t, top+"/docs/logging.md", "journal"))
	m.run(t, "sh", "-e", "/tmp/journal")
	m.run(t, "mv", "/var/log/edged/audit.log", "/var/log/edged/audit.log.1") // as logrotate does
	m.run(t, "systemctl", "reload", "edged.service")
	if got := m.run(t, "stat", "-c", "%U:%G %a", "/var/log/edged", "/var/log/edged/audit.log"); got != "edged:edged 750\nedged:edged 600" {
		t.Errorf("the audit file: %q", got)
	}
}

// dropIn adds lines to a unit, as `systemctl edit` does.
func (m *machine) dropIn(t *testing.T, unit, name, text string) {
	t.Helper()
	m.write(t, "/etc/systemd/system/"+unit+".d/"+name+".conf", text)
	m.run(t, "systemctl", "daemon-reload")
}

// watchdog stops the process without ending it: systemd notices, and starts another.
func (m *machine) watchdog(t *testing.T) {
	t.Helper()
	m.dropIn(t, "edged.service", "test", "[Service]\nWatchdogSec=1s\nRestartSec=100ms\n")
	m.run(t, "systemctl", "restart", "edged.service")
	pid, since := m.property(t, "MainPID"), m.mark(t)
	m.run(t, "sh", "-c", "kill -STOP "+pid)
	m.eventuallyServes(t, pid)
	if got := m.property(t, "NRestarts"); got != "1" {
		t.Errorf("%s restarts, want 1", got)
	}
	if got := m.journal(t, since); !strings.Contains(got, "Watchdog timeout") {
		t.Errorf("journal:\n%s", got)
	}
}

// eventuallyServes waits for a process other than the one that was there.
func (m *machine) eventuallyServes(t *testing.T, before string) {
	t.Helper()
	eventually(t, "another process serves", func() error {
		pid, state := m.property(t, "MainPID"), m.property(t, "ActiveState")
		if pid == before || pid == "0" || state != "active" {
			return fmt.Errorf("process %s, before it %s, %s", pid, before, state)
		}
		return nil
	})
}

// neverGiveUp leaves the service without its secret for more starts than systemd's
// default bound, five. It says what is missing, and runs when that is back.
func (m *machine) neverGiveUp(t *testing.T) {
	t.Helper()
	since := m.mark(t)
	m.run(t, "mv", "/etc/edged/tls/edge.secret", "/tmp/edge.secret")
	if r := m.try("systemctl", "restart", "edged.service"); r.status == 0 {
		t.Error("it starts without a secret")
	}
	eventually(t, "it has been started again and again", func() error {
		if n, err := strconv.Atoi(m.property(t, "NRestarts")); err != nil || n < 7 {
			return fmt.Errorf("%d times, %w", n, err)
		}
		return nil
	})
	if got := m.journal(t, since); !strings.Contains(got, "secret_file: /etc/edged/tls/edge.secret does not exist") {
		t.Errorf("journal:\n%s", got)
	}
	m.run(t, "mv", "/tmp/edge.secret", "/etc/edged/tls/edge.secret")
	m.eventuallyServes(t, "0")
}

// sockets follows the manual: systemd listens, edged is handed what it listens on.
func (m *machine) sockets(t *testing.T) {
	t.Helper()
	m.dropIn(t, "edged.socket", "override", doctest.Block(t, manual, "external"))
	m.dropIn(t, "edged-internal.socket", "override", doctest.Block(t, manual, "internal"))
	block := make(map[string]any)
	if err := yaml.Unmarshal([]byte(doctest.Block(t, manual, "sockets")), &block); err != nil {
		t.Fatal(err)
	}
	example := m.yaml(t, "/usr/share/doc/edged/examples/edged.yaml")["xmpp"].(map[string]any)["internal"].(map[string]any)["dns"]
	m.edit(t, func(c map[string]any) {
		c["xmpp"].(map[string]any)["internal"].(map[string]any)["dns"] = example
		delete(c["xmpp"].(map[string]any)["external"].(map[string]any), "direct_tls")
		merge(c, block)
	})
	since := m.mark(t)
	m.write(t, "/tmp/enable", doctest.Block(t, manual, "enable"))
	m.run(t, "sh", "-e", "/tmp/enable")
	if got := m.property(t, "StatusText"); got != "serving" {
		t.Errorf("status %q", got)
	}
	m.steers(t)
	if got := m.run(t, "sh", "-c", "systemctl is-enabled edged.socket edged-internal.socket"); got != "enabled\nenabled" {
		t.Errorf("enabled: %q", got)
	}
	if got := m.journal(t, since); strings.Contains(got, "is not used") {
		t.Errorf("sockets that nobody uses:\n%s", got)
	}
}

// merge puts the values of one mapping over those of another.
func merge(into, from map[string]any) {
	for k, v := range from {
		above, ok := into[k].(map[string]any)
		if below, both := v.(map[string]any); ok && both {
			merge(above, below)
			continue
		}
		into[k] = v
	}
}

// steers asks the inside answerer, on port 53, which systemd has opened for a process
// without any capability.
func (m *machine) steers(t *testing.T) {
	t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		conn, err := m.dial(network, "10.0.0.5:53")
		if err != nil {
			t.Fatal(err)
		}
		c := dns.Conn{Conn: conn}
		err = c.WriteMsg(new(dns.Msg).SetQuestion("_xmpp-server._tcp.jabber.example.", dns.TypeSRV))
		answer, readErr := c.ReadMsg()
		if err := errors.Join(err, readErr); err != nil || len(answer.Answer) != 1 {
			t.Errorf("%s: %v, %v", network, answer, err)
		}
		conn.Close()
	}
}

// upgrade replaces the package while its service runs: the new version serves, and
// what the operator has changed stays.
func (m *machine) upgrade(t *testing.T, deb string) {
	t.Helper()
	const setting = "GOMAXPROCS=2\n"
	m.write(t, "/etc/default/edged", setting)
	before := m.sums(t)
	pid := m.property(t, "MainPID")
	m.copy(t, deb, "/tmp/edged.deb")
	m.run(t, "dpkg", "--install", "/tmp/edged.deb")
	m.eventuallyServes(t, pid)
	if diff := cmp.Diff(before, m.sums(t)); diff != "" {
		t.Errorf("configuration (-before +after):\n%s", diff)
	}
	pid = m.property(t, "MainPID")
	if got := m.run(t, "sh", "-c", "/proc/"+pid+"/exe version; tr '\\0' '\\n' </proc/"+pid+"/environ | grep ^GOMAXPROCS"); !regexp.MustCompile(`^edged v0\.2\.0 .*\nGOMAXPROCS=2$`).MatchString(got) {
		t.Errorf("what runs: %s", got)
	}
	m.steers(t)
}

// sums are those of the files that belong to the operator.
func (m *machine) sums(t *testing.T) string {
	t.Helper()
	return m.run(t, "sh", "-c", "cd /etc && find edged default/edged -type f | sort | xargs sha256sum && stat -c '%n %U:%G %a' edged edged/tls edged/tls/*")
}

// purge takes it all away again, but for what is the operator's.
func (m *machine) purge(t *testing.T) {
	t.Helper()
	before := m.sums(t)
	m.run(t, "dpkg", "--remove", "edged")
	if r := m.try("systemctl", "is-active", "edged.service", "edged.socket", "edged-internal.socket"); strings.Contains(r.stdout, "\nactive") || strings.HasPrefix(r.stdout, "active") {
		t.Errorf("still there: %s", r.text())
	}
	if _, err := m.dial("tcp", outside); err == nil {
		t.Error("somebody listens")
	}
	if diff := cmp.Diff(before, m.sums(t)); diff != "" {
		t.Errorf("configuration (-before +after):\n%s", diff)
	}
	if got := m.run(t, "dpkg", "--purge", "edged"); !strings.Contains(got, "/etc/edged stays") {
		t.Error(got)
	}
	for _, gone := range []string{"/var/lib/edged", "/var/log/edged", "/etc/default/edged", "/etc/logrotate.d/edged", "/usr/bin/edged", "/usr/share/doc/edged", "/etc/systemd/system/sockets.target.wants/edged.socket"} {
		if _, err := os.Lstat(m.path(gone)); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	if _, err := os.Lstat(m.path("/etc/edged/tls/authority.key")); err != nil {
		t.Error(err)
	}
}
