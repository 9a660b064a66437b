package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config/configtest"
)

// minimal is the configuration that every case in testdata/bad differs from.
const minimal = "testdata/good/minimal"

// in lays folders out and makes the result the working folder, so that errors
// show the paths of want.txt.
func in(t *testing.T, folders ...string) {
	t.Helper()
	t.Chdir(configtest.Lay(t, folders...))
}

// TestBad loads every broken configuration and compares what is said about it
// with want.txt. To write a new case, leave want.txt empty and read the failure.
func TestBad(t *testing.T) {
	cases, err := filepath.Glob("testdata/bad/*")
	if err != nil || len(cases) < 34 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(dir, "want.txt"))
			if err != nil {
				t.Fatal(err)
			}
			in(t, minimal, dir)
			_, err = Load("edged.yaml")
			if err == nil {
				t.Fatal("loaded")
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestGood loads what has to be accepted, without a word.
func TestGood(t *testing.T) {
	for _, dir := range []string{minimal, "testdata/good/full", "../../configs", "../../configs/minimal"} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			in(t, dir)
			l, err := Load("edged.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if l.Policy == nil || len(l.Hash) != 12 || len(l.PolicyHash) != 12 || len(l.Warnings) > 0 {
				t.Errorf("policy %v, hashes %q %q, warnings %v", l.Policy, l.Hash, l.PolicyHash, l.Warnings)
			}
		})
	}
}

// TestOpenKeys: private keys that everybody on the host may read are told of.
func TestOpenKeys(t *testing.T) {
	dir := configtest.Lay(t, "../../configs")
	keys := []string{"tls/edge.key", "tls/inside.key", "tls/authority.key"}
	for _, key := range keys {
		if err := os.Chmod(filepath.Join(dir, key), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Load(filepath.Join(dir, "edged.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		want := key + " is open to every user of this host (mode 0644); run chmod o= on it"
		if !slices.ContainsFunc(l.Warnings, func(p Problem) bool { return strings.HasSuffix(p.Text, want) && p.Line > 1 }) {
			t.Errorf("no warning %q in %v", want, l.Warnings)
		}
	}
}

// TestLoadResolvesPaths: from the file that names them, wherever the process is.
func TestLoadResolvesPaths(t *testing.T) {
	dir := configtest.Lay(t, "testdata/good/full")
	l, err := Load(filepath.Join(dir, "edged.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := &l.Config
	got := []string{
		c.TLS.Certificates[1].Key, c.TLS.Roots[0], c.TLS.Roots[1], c.TLS.CRLs[0], c.SecretFile, c.StateDir, c.Admin.Socket,
		c.SIP.Internal.Certificate.Cert, c.SIP.Pools[0].Roots[0], c.SIP.Pools[1].Roots[0], c.XMPP.Pools[0].Roots[0], c.Policy,
		l.Source.GrantsFile, l.Source.AccessPolicies.Sites[0].UsersFile, l.Source.AllowedDomains[2].Roots[0],
	}
	want := []string{
		"tls/edge.key", System, "tls/internal-ca.crt", "tls/revoked.crl", "tls/two.secret", "state", "admin.sock",
		"tls/inside.crt", "tls/internal-ca.crt", System, "tls/internal-ca.crt", "policy/main.yaml",
		"policy/grants.csv", "policy/seoul.csv", "litware-ca.crt",
	}
	for i := range want {
		if want[i] != System {
			want[i] = filepath.Join(dir, want[i])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(l.Source.Grants) != 2 || len(l.Source.AccessPolicies.Sites[0].Users) != 2 {
		t.Errorf("grants %v, site users %v", l.Source.Grants, l.Source.AccessPolicies.Sites[0].Users)
	}
}

// TestLoadCompletes: defaults that follow from other values are filled in.
func TestLoadCompletes(t *testing.T) {
	in(t, "testdata/good/full")
	l, err := Load("edged.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range l.Config.Domains {
		got = append(got, fmt.Sprint(d.Name, d.Protocols, d.SIP, d.XMPP))
	}
	for _, p := range append(l.Config.SIP.Pools, l.Config.XMPP.Pools...) {
		got = append(got, fmt.Sprint(p.Name, " ", p.Names))
	}
	want := []string{
		"contoso.com [sip xmpp] sip.contoso.com xmpp.contoso.com",
		"xn--bcher-kva.example [sip] sip.xn--bcher-kva.example xmpp.xn--bcher-kva.example",
		"conference.contoso.com [xmpp] sip.conference.contoso.com xmpp.contoso.com",
		"front [pool.corp.contoso.com]",
		"branch [branch.corp.contoso.com]",
		"chat []",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestChecks: what others find gets its line and column, and is not looked for in
// a configuration that is bad anyway.
func TestChecks(t *testing.T) {
	in(t, minimal)
	found := func(l *Loaded) []Problem {
		return []Problem{
			{File: l.Config.Policy, Path: "allowed_domains[0].domain", Text: "no"},
			{Path: "tls.certificates[0].cert", Text: "expired"},
			{Path: "tls.crls[7]", Text: "not even there"},
			{File: "elsewhere", Line: 3, Text: "as it is"},
		}
	}
	_, err := Load("edged.yaml", func(*Loaded) []Problem { return nil }, found)
	want := "edged.yaml:4:3: tls.crls[7]: not even there\n" +
		"edged.yaml:4:25: tls.certificates[0].cert: expired\n" +
		"policy.yaml:3:14: allowed_domains[0].domain: no\n" +
		"elsewhere:3: as it is"
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
}

func TestChecksNeedAGoodConfiguration(t *testing.T) {
	in(t, minimal, "testdata/bad/12-limits-out-of-range")
	_, err := Load("edged.yaml", func(*Loaded) []Problem { t.Error("asked about a bad one"); return nil })
	if err == nil {
		t.Error("loaded")
	}
}

func TestLoadNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Load("edged.yaml"); err == nil || err.Error() != "edged.yaml: does not exist; edged init writes one, and --config names another" {
		t.Errorf("error %v", err)
	}
}

// TestDraft reads what has no files yet, and finds all other mistakes.
func TestDraft(t *testing.T) {
	in(t, minimal)
	for _, f := range []string{"tls/edge.crt", "tls/edge.key", "tls/edge.secret", "tls/internal-ca.crt", "policy.yaml"} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Draft("edged.yaml")
	if err != nil || c.Domains[0].SIP.String() != "sip.contoso.com" || c.Policy != "policy.yaml" {
		t.Fatalf("%v, %+v", err, c)
	}
	if err := os.WriteFile("bad.yaml", []byte("fqdn: sip.contoso.com\ndomains: [contoso.com]\nsecret_file: none\ntls: {certificates: [{cert: none, key: none}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Draft("bad.yaml"); err == nil || !strings.Contains(err.Error(), "sip.external.listen: missing") || strings.Contains(err.Error(), "none") {
		t.Errorf("a bad file: %v", err)
	}
	if _, err := Draft("none.yaml"); err == nil || err.Error() != "none.yaml: does not exist; edged init writes one, and --config names another" {
		t.Errorf("no file: %v", err)
	}
}
