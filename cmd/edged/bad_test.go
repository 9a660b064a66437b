package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config/configtest"
)

// TestBadConfigurations runs check and serve on every broken configuration: those
// of package config, and those in testdata/bad, where the mistake is in a file
// that only the daemon reads. Both say the same, exactly what want.txt holds, and
// leave nothing behind. To write a new case, leave want.txt empty and read the
// failure.
func TestBadConfigurations(t *testing.T) {
	for folder, atLeast := range map[string]int{"../../internal/config/testdata/bad": 50, "testdata/bad": 9} {
		cases, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(cases) < atLeast {
			t.Fatalf("%s: %d cases, %v", folder, len(cases), err)
		}
		for _, c := range cases {
			t.Run(filepath.Base(c), func(t *testing.T) {
				t.Parallel()
				want, err := os.ReadFile(filepath.Join(c, "want.txt"))
				if err != nil {
					t.Fatal(err)
				}
				dir := configtest.Lay(t, minimal, c)
				before := files(t, dir)
				for _, command := range []string{"check", "serve"} {
					if diff := cmp.Diff(refusedText(string(want)), run1(t, dir, command, "-c", "edged.yaml")); diff != "" {
						t.Errorf("%s (-want +got):\n%s", command, diff)
					}
				}
				if diff := cmp.Diff(before, files(t, dir)); diff != "" {
					t.Errorf("files (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// result is how a program ended.
type result struct {
	Status         int
	Stdout, Stderr string
}

func refusedText(stderr string) result { return result{Status: 1, Stderr: stderr} }

// run1 runs edged once, in dir.
func run1(t *testing.T, dir string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "edged", args...)
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// files lists what is in a folder, with the kind of each.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		all = append(all, fmt.Sprint(path, " ", e.Type()))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestNothingIsOpenedForABadConfiguration: the addresses of a bad configuration
// are taken by others, and nobody notices; those of a good one are all complained
// about at once.
func TestNothingIsOpenedForABadConfiguration(t *testing.T) {
	var taken []any
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		taken = append(taken, l.Addr())
	}
	dir := configtest.Lay(t, minimal)
	write := func(secret string) {
		text := fmt.Sprintf(strings.NewReplacer("SECRET", secret).Replace(listensThere), taken...)
		if err := os.WriteFile(filepath.Join(dir, "edged.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("none")
	if diff := cmp.Diff(refusedText("edged.yaml:4:14: secret_file: none does not exist; edged init writes one, or copy that of the edge pool's other hosts\n"), run1(t, dir, "serve", "-c", "edged.yaml")); diff != "" {
		t.Errorf("bad (-want +got):\n%s", diff)
	}
	write("tls/edge.secret")
	want := fmt.Sprintf("sip.external.listen[0]: listen tcp %s: bind: address already in use\n"+
		"sip.internal.listen[0]: listen tcp %s: bind: address already in use\n"+
		"metrics.listen: listen tcp %s: bind: address already in use\n", taken...)
	if diff := cmp.Diff(refusedText(want), run1(t, dir, "serve", "-c", "edged.yaml")); diff != "" {
		t.Errorf("good (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "admin.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("admin.sock stayed behind: %v", err)
	}
}

const listensThere = `fqdn: sip.contoso.com
domains: [contoso.com]
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}]}
secret_file: SECRET
sip:
  external: {listen: ["%s"]}
  internal:
    listen: ["%s"]
    fqdn: edge.corp.contoso.com
    certificate: {cert: tls/inside.crt, key: tls/inside.key}
  pools:
    - {name: front, domains: [contoso.com], members: ["fe1.corp.contoso.com:5061"], roots: [tls/internal-ca.crt]}
metrics: {listen: "%s"}
admin: {socket: admin.sock}
`
