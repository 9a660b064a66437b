package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/config"
	"edged/internal/config/configtest"
)

// FuzzImport: whatever is in a file, an import fails, or makes a policy that the gateway
// accepts for the domains that it found.
func FuzzImport(f *testing.F) {
	files, err := filepath.Glob("testdata/lync/*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, seed := range []string{
		`[{"Domain": "a.example", "ProxyFqdn": "sip.b.example", "Comment": "x", "VerificationLevel": "AlwaysVerifiable"}]`,
		`{"Domain": "a.example", "Comment": null}{"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": "Sales"}`,
		`[{"Identity": "Tag:Sales", "EnableFederationAccess": true}, {"Identity": "Site:X", "EnableFederationAccess": "maybe"}]`,
		`{"Identity": "P", "ProxyFqdn": "a.example", "IsLocal": false, "Enabled": "True"}{"Domain": "a.example", "TlsNegotiation": "Optional", "AdditionalDomains": ["b.example", "a.example"]}`,
		"\"Domain\",\"ProxyFqdn\",\"Comment\"\n\"a.example\",\"\",\"x\"\n",
		"Identity,EnableFederationAccess,Description\n\"Site:a\nb\",True,\"x\u2028y\"\nTag:,True,\n",
	} {
		f.Add([]byte(seed))
	}
	dir := configtest.Lay(f, "../config/testdata/good/minimal")
	edged, err := os.ReadFile(filepath.Join(dir, "edged.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := decode(raw)
		if err != nil {
			return
		}
		im := newImporter()
		if im.take("x", text) != nil {
			return
		}
		im.carry()
		if err := im.compiles(); err != nil {
			t.Fatal(err)
		}
		for _, made := range im.print("policy.yaml", []string{"x"}) {
			if err := os.WriteFile(filepath.Join(dir, made.Name), made.Content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var domains []string
		for d := range im.ours {
			domains = append(domains, d.String())
		}
		if domains == nil {
			domains = []string{"ours.test"}
		}
		pools := strings.ReplaceAll(string(edged), "domains: [contoso.com]", "domains: ["+strings.Join(domains, ", ")+"]")
		if err := os.WriteFile(filepath.Join(dir, "edged.yaml"), []byte(pools), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(filepath.Join(dir, "edged.yaml")); err != nil && strings.Contains(err.Error(), "policy.yaml") {
			t.Errorf("%v, of %q", err, text)
		}
	})
}
