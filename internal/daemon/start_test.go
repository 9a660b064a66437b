package daemon_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config"
	"edged/internal/config/configtest"
	"edged/internal/daemon"
	"edged/internal/lab/ca"
)

// TestStartRefused: what could be opened is closed again, and nothing runs on
// (TestMain sees to that): the next start gets everything.
func TestStartRefused(t *testing.T) {
	b := start(t)
	taken := b.edge.Addr("metrics").String()
	options := daemon.Options{ConfigPath: filepath.Join(b.Dir, "edged.yaml"), LogTo: b.log}
	for range 2 {
		if _, err := daemon.Start(t.Context(), options); err == nil || !strings.Contains(err.Error(), "is edged running already?") {
			t.Errorf("a second edge: %v", err)
		}
	}
	b.stop()
	l, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	l.Close()
	again, err := daemon.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	b.edge = again
	if got := b.say(b.dial(fabrikam), fabrikam, "bob@"+fabrikam, alice); got != 200 {
		t.Errorf("after another start: %d", got)
	}
}

// TestCheckWarns: with the words that a person reads.
func TestCheckWarns(t *testing.T) {
	t.Chdir(configtest.Lay(t, "../config/testdata/good/minimal", "testdata/warnings"))
	ended := time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC)
	cert := ca.New("Old").Issue(ca.Leaf{CN: "sip.contoso.com", NotBefore: ended.AddDate(0, -1, 0), NotAfter: ended})
	if _, _, err := cert.WriteFiles("tls", "edge"); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := daemon.Check("edged.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"tls/edge.crt: our certificate expired on 2020-02-01T00:00:00Z: partners refuse it, renew it now",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCheckExamples: what is shown to everybody is accepted.
func TestCheckExamples(t *testing.T) {
	for folder, want := range map[string]int{"../../configs": 0, "../../configs/minimal": 0} {
		dir := configtest.Lay(t, folder)
		if _, warnings, err := daemon.Check(filepath.Join(dir, "edged.yaml")); err != nil || len(warnings) != want {
			t.Errorf("%s: %v, warnings %q, want %d", folder, err, warnings, want)
		}
	}
}

// TestRefresh: certificates and revocation lists are read again every hour,
// although nobody asks, and the configuration files are not.
func TestRefresh(t *testing.T) {
	b := start(t, func(s *setup) { s.CRLs = "[tls/public.crl]" })
	list := func(revoked ...ca.Cert) {
		b.File("tls/public.crl", b.Public.CRL(time.Now().Add(-time.Minute), time.Now().Add(time.Hour), revoked...))
	}
	conn, other := b.dial(fabrikam), b.dial(northwind)
	b.wantOpen(fabrikam, conn, outside)
	fresh := b.Issue("edge", b.Public, outside, "contoso.com").X509.SerialNumber.String()
	list(b.certs[fabrikam])
	b.write(block(northwind))
	b.edge.Refresh()
	b.wantClosed(conn)
	if got := b.served(); got != fresh {
		t.Errorf("certificate %s is served, want %s", got, fresh)
	}
	if got := b.say(other, northwind, "nina@"+northwind, alice); got != 200 {
		t.Errorf("the policy was read too: %d", got)
	}

	b.File("tls/public.crl", []byte("no list"))
	b.edge.Refresh()
	b.logged(`level=ERROR msg="certificates not refreshed, the old ones stay in use"`)
	if got := b.metric("edged_config_last_reload_successful"); got[0] != "edged_config_last_reload_successful 0" {
		t.Errorf("metric %q", got)
	}
	if got := b.say(other, northwind, "nina@"+northwind, alice); got != 200 {
		t.Errorf("a message after it: %d", got)
	}
	list()
	b.edge.Refresh()
	if got := b.metric("edged_config_last_reload_successful"); got[0] != "edged_config_last_reload_successful 1" {
		t.Errorf("metric %q", got)
	}
}

// TestRefreshDoesNotHideARefusedReload: reading the certificates again is no sign that
// the files on disk are good; nor is a failure shown when it is over.
func TestRefreshDoesNotHideARefusedReload(t *testing.T) {
	b := start(t)
	since := b.edge.Running().LoadedAt
	good := func(want string) {
		t.Helper()
		if got := b.metric("edged_config_last_reload_successful"); got[0] != "edged_config_last_reload_successful "+want {
			t.Errorf("metric %q, want %s", got, want)
		}
	}
	b.write(func(s *setup) { s.Limits = "{connections: none}" })
	if err := b.edge.Reload(b.Soon()); err == nil {
		t.Fatal("a bad file was taken")
	}
	b.edge.Refresh()
	good("0")
	if now := b.edge.Running().LoadedAt; !now.Equal(since) {
		t.Errorf("the configuration is said to be of %v, it is of %v", now, since)
	}
	b.write(func(s *setup) { s.Limits = "{}" })
	key, err := os.ReadFile(filepath.Join(b.Dir, "tls/edge.key"))
	if err != nil {
		t.Fatal(err)
	}
	b.File("tls/edge.key", []byte("no key"))
	b.edge.Refresh()
	if last := b.edge.Status().Reloads[0]; last.What != "refresh" || !strings.Contains(last.Err, "edge.key") {
		t.Errorf("a key that cannot be read: %+v", last)
	}
	b.File("tls/edge.key", key)
	b.edge.Refresh()
	good("0")
	if last := b.edge.Status().Reloads[0]; last.What != "refresh" || last.Err != "" {
		t.Errorf("once it can be read again: %+v", last)
	}
	n := len(b.edge.Status().Reloads)
	b.edge.Refresh()
	if now := len(b.edge.Status().Reloads); now != n {
		t.Errorf("%d entries, %d before a refresh that changes nothing", now, n)
	}
	b.reload()
	good("1")
}

// TestCheckWarnsOfDANE: where it is on, and nobody says which records are signed.
func TestCheckWarnsOfDANE(t *testing.T) {
	const (
		far     = `dns: {servers: ["192.0.2.53:53"]}`
		near    = `dns: {servers: ["127.0.0.53:53"]}`
		trusted = `dns: {servers: ["192.0.2.53:53"], trust_ad: [192.0.2.53]}`
		partner = "federation: {enabled: true}\nxmpp_partners: [{domain: jabber.example, type: federated, tls: required, sasl: required, dialback: false%s}]\n"
	)
	for name, tt := range map[string]struct {
		dns, policy string
		warned      bool
	}{
		"a partner":               {far, fmt.Sprintf(partner, ", dane: true"), true},
		"every partner":           {far, strings.Replace(fmt.Sprintf(partner, ""), "true}", "true, dane: true}", 1), true},
		"nobody":                  {far, fmt.Sprintf(partner, ""), false},
		"every one but this":      {far, strings.Replace(fmt.Sprintf(partner, ", dane: false"), "true}", "true, dane: true}", 1), false},
		"strangers":               {far, "federation: {enabled: true, xmpp_discovery: true, dane: true}\n", true},
		"strangers, not let in":   {far, "federation: {enabled: true, dane: true}\n", false},
		"strangers alone":         {far, "federation: {enabled: true, xmpp_discovery: true}\nxmpp_default: {dane: true}\n", true},
		"a resolver on this host": {near, fmt.Sprintf(partner, ", dane: true"), false},
		"a trusted resolver":      {trusted, fmt.Sprintf(partner, ", dane: true"), false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := configtest.Lay(t, "../config/testdata/good/minimal", "testdata/warnings")
			path := filepath.Join(dir, "edged.yaml")
			edged, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, append(edged, "\n"+tt.dns+"\n"...), 0o600)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(tt.policy), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, warnings, err := daemon.Check(path)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.ContainsFunc(warnings, func(w string) bool {
				return strings.Contains(w, "dane is on for XMPP") && strings.Contains(w, "dns.trust_ad")
			})
			if got != tt.warned {
				t.Errorf("warnings %q; of DANE: %v, want %v", warnings, got, tt.warned)
			}
		})
	}
}

// TestFewDescriptors: no side accepts more than the process can hold beside what
// it opens itself.
func TestFewDescriptors(t *testing.T) {
	for _, tt := range []struct {
		configuration string
		files, want   int
	}{
		{"minimal", 65536, 4096}, // SIP: two sides, and what is dialled
		{"minimal", 5464, 1878},
		{"minimal", 3, 1},
		{"full", 65536, 8192}, // XMPP too
		{"full", 1024, 176},
	} {
		l, err := config.Load(filepath.Join(configtest.Lay(t, "../config/testdata/good/"+tt.configuration), "edged.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		b, warning := daemon.Bounds(&l.Config, tt.files)
		few := tt.want < l.Config.Limits.Connections
		if b.Connections != tt.want || b.ConnectionsPerAddress > tt.want || few != strings.Contains(warning, fmt.Sprintf("on each side %d connections", tt.want)) {
			t.Errorf("%s with %d files: %d connections, %d for one address; %s", tt.configuration, tt.files, b.Connections, b.ConnectionsPerAddress, warning)
		}
	}
}
