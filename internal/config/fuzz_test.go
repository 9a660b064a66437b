package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/config/configtest"
)

// loadPolicy loads the minimal configuration in dir with raw as its policy.yaml.
func loadPolicy(t testing.TB, dir string, raw []byte) (*Loaded, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(filepath.Join(dir, "edged.yaml"))
}

// FuzzLoadPolicy: no policy.yaml makes Load panic or say something without file
// and line.
func FuzzLoadPolicy(f *testing.F) {
	cases, err := filepath.Glob("testdata/*/*/policy.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(cases, "../../configs/policy.yaml") {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, s := range []string{"&a [*a]", "a: &a {b: *a}", "? [x]\n: y", "allowed_domains: &a [*a, *a]", "\"\": 1", "- - - -", "{{{{", "[[[[", "%YAML 9.9\n---\na: b"} {
		f.Add([]byte(s))
	}
	dir := configtest.Lay(f, minimal)
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := loadPolicy(t, dir, raw)
		if err == nil {
			return
		}
		var bad *Errors
		if !errors.As(err, &bad) {
			t.Fatalf("error %T: %v", err, err)
		}
		for _, p := range bad.Problems {
			// A policy may name an existing CSV file by chance, so not only policy.yaml.
			if p.File == "" || p.Line < 1 || p.Text == "" || strings.Contains(p.String(), "\n") {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

// TestAliasesCannotMultiply: what a file costs is bounded by its size, however its
// aliases are nested.
func TestAliasesCannotMultiply(t *testing.T) {
	// Each level stands for ten of the one below: 10^9 values in all.
	var nested strings.Builder
	nested.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		above, below := string(rune('1'+i)), string(rune('0'+i))
		nested.WriteString("a" + above + ": &a" + above + " [" + strings.TrimSuffix(strings.Repeat("*a"+below+", ", 10), ", ") + "]\n")
	}
	nested.WriteString("allowed_domains: *a9\n")
	// Lists of entries with lists are as deep as policy.yaml gets: 1000 entries of
	// 1000 files each.
	flat := "allowed_domains:\n  - &e {domain: a.example, roots: [" + strings.Repeat("a, ", 1000) + "a]}\n" + strings.Repeat("  - *e\n", 1000)

	dir := configtest.Lay(t, minimal)
	for name, text := range map[string]string{"nested": nested.String(), "flat": flat} {
		t.Run(name, func(t *testing.T) {
			var r report
			root, bad := parseYAML([]byte(text))
			if bad != nil {
				t.Fatal(bad)
			}
			d := newDecoder(&r, "policy.yaml", len(text))
			var into struct {
				AllowedDomains []struct {
					Roots []string `yaml:"roots"`
				} `yaml:"allowed_domains"`
			}
			d.decodeRoot(root, &into)
			values := 0
			for _, e := range into.AllowedDomains {
				values += len(e.Roots)
			}
			if values > 3*len(text) {
				t.Errorf("%d bytes became %d values", len(text), values)
			}
			if _, err := loadPolicy(t, dir, []byte(text)); err == nil {
				t.Error("loaded")
			}
		})
	}
}
