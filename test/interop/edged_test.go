package interop

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// TestMain builds the daemon once, before the tests, where they find it.
func TestMain(m *testing.M) {
	flag.Parse() // before testing.Short
	if testing.Short() {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "edged-interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin := filepath.Join(dir, "edged")
	// Tests of the bed alone run without it; the others say what is missing.
	if out, err := exec.Command("go", "build", "-o", bin, "edged/cmd/edged").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build edged: %v\n%s", err, out)
	}
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler)) // sipgo's own remarks
	os.Setenv("EDGED_UNDER_TEST", bin)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// edgeSpec is what differs between the edges of the tests.
type edgeSpec struct {
	members   []string // of the pool; fe1.corp.contoso.com if empty
	discovery bool     // partners may be found by SRV alone
	// sip is the section of that name; the template's own if nil. It gets edged's
	// certificate inside.
	sip func(inside credential) string
}

// startEdge runs edged as contoso.com's edge and waits until it is ready.
func (w *world) startEdge(t *testing.T, spec edgeSpec) *process {
	t.Helper()
	return w.runEdge(t, w.configure(t, spec))
}

// runEdge runs edged with a configuration file.
func (w *world) runEdge(t *testing.T, config string) *process {
	t.Helper()
	bin := os.Getenv("EDGED_UNDER_TEST")
	if _, err := os.Stat(bin); err != nil {
		t.Fatal("edged could not be built, see above")
	}
	p := w.start(t, "edged", bin, "serve", "--config", config)
	await(t, "edged to be ready", func() bool {
		if p.ended() {
			t.Fatalf("edged ended: %v", p.err)
		}
		return w.edgeReady(t.Context())
	})
	return p
}

// configure writes edged.yaml and all it names.
func (w *world) configure(t *testing.T, spec edgeSpec) string {
	t.Helper()
	if len(spec.members) == 0 {
		spec.members = []string{"fe1.corp.contoso.com"}
	}
	secret, state := filepath.Join(w.dir, "edge.secret"), filepath.Join(w.dir, "state")
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	outside := w.issue(t, w.roots, "sip.contoso.com", "contoso.com")
	inside := w.issue(t, w.inside, "edge.corp.contoso.com")
	w.render(t, "policy.yaml", "policy.yaml", map[string]any{
		"Discovery": spec.discovery, "LitwareRoots": w.litware.file,
	})
	section := ""
	if spec.sip != nil {
		section = spec.sip(inside)
	}
	return w.render(t, "edged.yaml", "edged.yaml", map[string]any{
		"OutsideCert": outside.certFile, "OutsideKey": outside.keyFile,
		"InsideCert": inside.certFile, "InsideKey": inside.keyFile,
		"Roots": w.roots.file, "InsideRoots": w.inside.file,
		"Secret": secret, "State": state, "Members": spec.members, "SIP": section,
	})
}

func (w *world) edgeReady(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.place("metrics.test").String()+"/-/ready", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
