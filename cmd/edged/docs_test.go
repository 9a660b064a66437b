package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/config/configtest"
	"edged/internal/doctest"
)

// shell runs a block of a page in a folder and returns what it says on both outputs.
func shell(t *testing.T, dir, block string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", block)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s\n%s", err, block, out)
	}
	return string(out)
}

// TestMigrationPage imports what the tests of internal/migrate import, by the command
// on the page.
func TestMigrationPage(t *testing.T) {
	dir := configtest.Lay(t, "../../internal/config/testdata/good/minimal", "../../internal/migrate/testdata/lync")
	if err := os.Remove(filepath.Join(dir, "policy.yaml")); err != nil {
		t.Fatal(err)
	}
	report := shell(t, dir, doctest.Block(t, "../../docs/migration.md", "import"))
	for _, want := range []string{"written  policy.yaml\n", "\nNot carried, so that more is allowed than before:\n", "\nNot carried:\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
	file := filepath.Join(dir, "edged.yaml")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "[contoso.com]", "[contoso.com, kr.contoso.com, contoso.example]")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	shell(t, dir, "edged check -c edged.yaml")
}
