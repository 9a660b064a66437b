package debian

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const top = "../.."

// build makes the package of a version, and returns where it is.
func build(t *testing.T, version string) string {
	t.Helper()
	need(t, "dpkg-deb")
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "make", "-s", "-C", top, "deb", "BIN="+bin, "VERSION="+version)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all, err := filepath.Glob(filepath.Join(bin, "*.deb"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%q, %v\n%s", all, err, out)
	}
	return all[0]
}

// TestVersions: what git calls a commit, as Debian writes versions. Later ones come
// after earlier ones.
func TestVersions(t *testing.T) {
	need(t, "dpkg")
	var before string
	for _, tt := range []struct{ git, want string }{
		{"0a1b2c3", "0~g0a1b2c3"},
		{"v0.9.0", "0.9.0"},
		{"v0.9.0-3-g0a1b2c3", "0.9.0+3.g0a1b2c3"},
		{"v0.9.0-12-g0a1b2c3-dirty", "0.9.0+12.g0a1b2c3.dirty"},
		{"v0.10.0", "0.10.0"},
		{"v1.0.0-rc1", "1.0.0~rc1"},
		{"v1.0.0", "1.0.0"},
	} {
		out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(top, "packaging/version.sh"), tt.git).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.git, got, err, tt.want)
		}
		if before != "" && exec.CommandContext(t.Context(), "dpkg", "--compare-versions", before, "lt", tt.want).Run() != nil {
			t.Errorf("%s is not before %s", before, tt.want)
		}
		before = tt.want
	}
}

// TestUnits reads the units as they are in the source, without a system to run them.
func TestUnits(t *testing.T) {
	need(t, "systemd-analyze")
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=yes", filepath.Join(top, "systemd/edged.service"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkExposure(t, string(out))
}

// checkExposure reads what systemd-analyze says.
func checkExposure(t *testing.T, report string) {
	t.Helper()
	m := regexp.MustCompile(`Overall exposure level for edged.service: ([0-9.]+) `).FindStringSubmatch(report)
	if m == nil {
		t.Fatalf("no level in:\n%s", report)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 1.3 {
		t.Errorf("exposure %s, at most 1.3:\n%s", m[1], report)
	}
	if strings.Contains(report, "ignoring") {
		t.Errorf("a line that systemd does not understand:\n%s", report)
	}
}

// lint is what lintian finds, overridden or not.
func lint(t *testing.T, deb string) string {
	t.Helper()
	need(t, "lintian")
	// That root should not run it goes to standard error.
	cmd := exec.CommandContext(t.Context(), "lintian", "--show-overrides", "--fail-on=none", deb)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "N:") { // a note
			found.WriteString(line)
		}
	}
	return found.String()
}

// checkPackage looks at the package without installing it.
func checkPackage(t *testing.T, deb string) {
	t.Helper()
	// The one override has to be of use, or lintian has read nothing.
	if diff := cmp.Diff("O: edged: statically-linked-binary [usr/bin/edged]\n", lint(t, deb)); diff != "" {
		t.Errorf("lintian (-want +got):\n%s", diff)
	}
	root := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkSBOM(t, filepath.Join(root, "usr/bin/edged"), filepath.Join(root, "usr/share/doc/edged/edged.cdx.json"))
}

// checkSBOM compares the document with the binary.
func checkSBOM(t *testing.T, binary, document string) {
	t.Helper()
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range info.Deps {
		want = append(want, m.Path+" "+m.Version)
	}
	for _, c := range doc.Components {
		got = append(got, c.Name+" "+c.Version)
	}
	want = append(want, "std "+strings.TrimPrefix(info.GoVersion, "go"))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 10 {
		t.Errorf("modules (-binary +document):\n%s", diff)
	}
}
