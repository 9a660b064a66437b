package records

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config"
	"edged/internal/doctest"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), or run with -update:\n%s", file, diff)
	}
}

// draft reads a configuration whose files are not there.
func draft(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "edged.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Draft(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestForms prints what the example wants published, in every form.
func TestForms(t *testing.T) {
	c, err := config.Draft("../../configs/edged.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := New(c)
	for name, form := range map[string]func(io.Writer) error{"table.txt": p.Table, "zone.txt": p.Zone, "plan.json": p.JSON} {
		var b strings.Builder
		if err := form(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

const small = `fqdn: sip.contoso.com
domains: DOMAINS
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}]}
secret_file: tls/edge.secret
sip:
  external: {listen: LISTEN}
  internal: {listen: ["10.0.0.5:5061"], fqdn: edge.corp.contoso.com, certificate: {cert: tls/inside.crt, key: tls/inside.key}}
  pools: [{name: front, domains: POOL, members: ["fe1.corp.contoso.com:5061"], roots: [tls/internal-ca.crt]}]
`

// TestPlan is what the forms above do not show.
func TestPlan(t *testing.T) {
	tests := map[string]struct{ domains, pool, listen, records, notes string }{
		"socket of the service manager": {
			"[contoso.com]", "[contoso.com]", `["fd:sip-external"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5061 sip.contoso.com.", "public_addresses is not set",
		},
		"such a socket with its port, and another port": {
			"[contoso.com]", "[contoso.com]", `["fd:sip-external:5063", "203.0.113.10:5062"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5063 sip.contoso.com.; sip.contoso.com A 203.0.113.10", "",
		},
		"every address": {
			"[contoso.com]", "[contoso.com]", `[":5063"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5063 sip.contoso.com.", "public_addresses is not set",
		},
		"a private address alone": {
			"[contoso.com]", "[contoso.com]", `["192.168.7.10:5061"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5061 sip.contoso.com.", "public_addresses is not set",
		},
		"a host in another domain": {
			"[{name: contoso.com, sip: sip.contoso.example}]", "[contoso.com]", `["203.0.113.10:5061"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5061 sip.contoso.example.; sip.contoso.example A 203.0.113.10; sip.contoso.com A 203.0.113.10",
			"domains[0].sip: sip.contoso.example does not lie directly in contoso.com",
		},
		"a host below the domain's own": {
			"[{name: contoso.com, sip: sip.eu.contoso.com}]", "[contoso.com]", `["203.0.113.10:5061"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5061 sip.eu.contoso.com.; sip.eu.contoso.com A 203.0.113.10; sip.contoso.com A 203.0.113.10",
			"domains[0].sip: sip.eu.contoso.com does not lie directly in contoso.com",
		},
		"XMPP alone, which is not served": {
			"[contoso.com, {name: chat.contoso.com, protocols: [xmpp]}]", "[contoso.com]", `["203.0.113.10:5061"]`,
			"_sipfederationtls._tcp.contoso.com SRV 0 0 5061 sip.contoso.com.; sip.contoso.com A 203.0.113.10", "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := New(draft(t, strings.NewReplacer("DOMAINS", tt.domains, "POOL", tt.pool, "LISTEN", tt.listen).Replace(small)))
			var got []string
			for _, r := range p.Records() {
				got = append(got, r.Name+" "+r.Type+" "+r.Data)
			}
			if diff := cmp.Diff(tt.records, strings.Join(got, "; ")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			var notes strings.Builder
			for _, n := range p.Notes {
				notes.WriteString(n.Text)
			}
			if !strings.HasPrefix(notes.String(), tt.notes) || (notes.Len() > 0) != (tt.notes != "") {
				t.Errorf("notes %q, want %q", notes.String(), tt.notes)
			}
		})
	}
}

// TestReportAsJSON: programs read states as words and the counts.
func TestReportAsJSON(t *testing.T) {
	var r Report
	r.add(OK, "a", "is", "")
	r.add(Warning, "b", "is old", "renew")
	r.add(Wrong, "c", "is not", "make")
	r.add(Unknown, "d", "nobody knows", "ask")
	var b strings.Builder
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"wrong": 2.0, "warnings": 1.0, "findings": []any{
		map[string]any{"state": "ok", "about": "a", "text": "is"},
		map[string]any{"state": "warning", "about": "b", "text": "is old", "cure": "renew"},
		map[string]any{"state": "wrong", "about": "c", "text": "is not", "cure": "make"},
		map[string]any{"state": "unknown", "about": "d", "text": "nobody knows", "cure": "ask"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPage compares the examples of docs/dns.md with what is printed.
func TestPage(t *testing.T) {
	const page = "../../docs/dns.md"
	contains(t, "testdata/zone.txt", doctest.Block(t, page, "zone"))
	worlds := 0
	for _, b := range doctest.Blocks(t, page) {
		if name, ok := strings.CutPrefix(b.Name, "world "); ok {
			contains(t, "testdata/worlds/"+name+".txt", b.Text)
			worlds++
		}
	}
	if worlds == 0 {
		t.Errorf("%s shows no findings", page)
	}
	var r Report
	r.add(Wrong, "sip.contoso.com A/AAAA", "there is no such record", "publish: sip.contoso.com. 3600 IN A 203.0.113.10")
	var printed strings.Builder
	if err := r.JSON(&printed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doctest.Block(t, page, "report"), printed.String()); diff != "" {
		t.Errorf("%s, as JSON (-page +got):\n%s", page, diff)
	}
}

func contains(t *testing.T, file, text string) {
	t.Helper()
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(all), text) {
		t.Errorf("%s does not hold this example:\n%s", file, text)
	}
}
