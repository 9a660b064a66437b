package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/config/configtest"
)

// large lays out a configuration with 100,000 allowed domains and 1,000,000
// grants.
func large(b *testing.B) string {
	b.Helper()
	dir := configtest.Lay(b, minimal)
	var domains, grants strings.Builder
	domains.WriteString("federation: {enabled: true}\nallowed_domains:\n")
	for i := range 100_000 {
		fmt.Fprintf(&domains, "  - {domain: partner%d.example}\n", i)
	}
	domains.WriteString("access_policies:\n  users:\n    - {name: sales, policy: {federation: true}}\ngrants_file: grants.csv\n")
	grants.WriteString("user,policy\n")
	for i := range 1_000_000 {
		fmt.Fprintf(&grants, "user%d@contoso.com,sales\n", i)
	}
	for name, text := range map[string]string{"policy.yaml": domains.String(), "grants.csv": grants.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkLoad is a whole reload of a large organisation. Budget: 2 s.
func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(large(b), "edged.yaml")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGrants is the reading of 1,000,000 rows alone. Budget: 1 s.
func BenchmarkGrants(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join(large(b), "grants.csv"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		var r report
		if got := len(newUserReader(&r).grants("grants.csv", raw)); got != 1_000_000 || !r.empty() {
			b.Fatal(got, r.err())
		}
	}
}
