package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/doctest"
)

// The tests run what the pages about pools tell operators: their fenced blocks have
// names behind their languages.

// poolPage is the page that has a block: the server's own, or the overview.
func poolPage(block string) string {
	server, _, _ := strings.Cut(block, "-")
	switch server {
	case "kamailio", "prosody", "ejabberd":
		return "pool-" + server + ".md"
	}
	return "pools.md"
}

// poolBlock returns the block of that name, with the old strings replaced. Every
// one of them must be there: a page that has changed must not pass unnoticed.
func poolBlock(t *testing.T, name string, oldnew ...string) string {
	t.Helper()
	page := poolPage(name)
	block := doctest.Block(t, filepath.Join("..", "..", "docs", page), name)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(block, oldnew[i]) {
			t.Fatalf("the block %q of docs/%s says nothing about %q:\n%s", name, page, oldnew[i], block)
		}
	}
	return strings.NewReplacer(oldnew...).Replace(block)
}

// probePool runs the command by which a server's page ends, with that edged.yaml.
func probePool(t *testing.T, server, config string) {
	t.Helper()
	command := poolBlock(t, server+"-probe", "edged probe", os.Getenv("EDGED_UNDER_TEST")+" probe -c "+config)
	if out, err := exec.Command("sh", "-e", "-c", command).CombinedOutput(); err != nil {
		t.Errorf("%s%v\n%s", command, err, out)
	}
}
