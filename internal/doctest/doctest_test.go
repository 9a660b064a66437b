package doctest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBlocks(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	text := "# A page\n\n```sh first one\na\n  b\n```\nText with ```code``` inside.\n\n1. A step:\n\n   ```text\n   c\n     d\n   ```\n```\n```\n"
	if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []Example{{"sh", "first one", "a\n  b\n"}, {"text", "", "c\n  d\n"}, {"", "", ""}}
	if diff := cmp.Diff(want, Blocks(t, page)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Block(t, page, "first one"); got != "a\n  b\n" {
		t.Errorf("the block is %q", got)
	}
}

func TestRows(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	text := "## One\n\n| a | b |\n|---|---|\n| `c` | d |\n\n### Below\n\n| e |\n|---|\n| f |\n\n## Two\n\n| g |\n|---|\n| h |\n"
	if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"c", "d"}, {"f"}}, Rows(t, page, "## One")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
