package setup

import (
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config/configtest"
	"edged/internal/daemon"
	"edged/pkg/domain"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// dmz is a host with a foot in each network.
func dmz() *Host {
	return &Host{
		Name:      domain.MustParse("edge.corp.contoso.com"),
		Addresses: prefixes("203.0.113.10/28", "2001:db8::10/64", "10.0.0.5/24"),
		Route:     []netip.Addr{netip.MustParseAddr("203.0.113.10")},
		Resolvers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:53")},
		Pool:      []string{"pool.corp.contoso.com:5061"},
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func names(texts ...string) []domain.Name {
	var all []domain.Name
	for _, s := range texts {
		all = append(all, domain.MustParse(s))
	}
	return all
}

// TestFiles shows what is written for the world of the examples, without the lines of
// comment, most of which are the examples' own.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	o := &Options{Dir: dir, Domains: names("contoso.com", "branch.contoso.com"), XMPPPool: []string{"xmpp1.corp.contoso.com"}, SIP: true, XMPP: true, Partners: names("fabrikam.com")}
	if _, err := Write(o, dmz()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"edged.yaml", "policy.yaml"} {
		var settings strings.Builder
		for line := range strings.Lines(read(t, filepath.Join(dir, name))) {
			if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
				settings.WriteString(line)
			}
		}
		got := settings.String()
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(read(t, golden), got); diff != "" {
			t.Errorf("%s (-want +got), or run with -update:\n%s", name, diff)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestWhatIsWrittenPassesCheck adds nothing but certificates.
func TestWhatIsWrittenPassesCheck(t *testing.T) {
	alone := &Host{Addresses: prefixes("203.0.113.10/32"), Route: []netip.Addr{netip.MustParseAddr("203.0.113.10")}}
	contoso := names("contoso.com")
	tests := map[string]struct {
		Options
		host *Host
	}{
		"both protocols":       {Options{Domains: contoso}, dmz()},
		"SIP":                  {Options{Domains: contoso, SIP: true}, dmz()},
		"XMPP":                 {Options{Domains: contoso, XMPP: true}, dmz()},
		"XMPP, nothing known":  {Options{Domains: contoso, XMPP: true}, &Host{}},
		"three domains":        {Options{Domains: names("contoso.com", "contoso.example", "kr.contoso.com"), Partners: names("fabrikam.com", "b\u00fccher.example")}, dmz()},
		"one address":          {Options{Domains: contoso}, alone},
		"nothing known":        {Options{Domains: contoso}, &Host{}},
		"addresses given":      {Options{Domains: contoso, External: netip.MustParseAddr("2001:db8::7"), Internal: netip.MustParseAddr("fd00::7")}, &Host{}},
		"every address":        {Options{Domains: contoso, External: netip.IPv4Unspecified(), Internal: netip.MustParseAddr("10.0.0.5")}, dmz()},
		"loopback on one host": {Options{Domains: contoso, External: netip.MustParseAddr("127.0.0.2"), Internal: netip.MustParseAddr("127.0.0.3")}, &Host{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.Dir, tt.Authority = t.TempDir(), tt.speaksXMPP()
			if _, err := Write(&tt.Options, tt.host); err != nil {
				t.Fatal(err)
			}
			certificates(t, tt.Dir)
			_, warnings, err := daemon.Check(filepath.Join(tt.Dir, "edged.yaml"))
			if err != nil || len(warnings) > 0 {
				t.Errorf("check: %v, warnings %q, of\n%s", err, warnings, read(t, filepath.Join(tt.Dir, "edged.yaml")))
			}
		})
	}
}

// certificates puts into dir/tls what the operator brings.
func certificates(t *testing.T, dir string) {
	t.Helper()
	from := os.DirFS(filepath.Join(configtest.Lay(t), "tls"))
	for _, name := range []string{"edge.crt", "edge.key", "inside.crt", "inside.key", "internal-ca.crt"} {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tls", name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSides is how the addresses of a host are told apart.
func TestSides(t *testing.T) {
	tests := []struct {
		name               string
		addresses          []netip.Prefix
		route              string
		external, internal string // flags
		want               string
	}{
		{name: "public and private", addresses: prefixes("10.0.0.5/24", "203.0.113.10/28"), route: "203.0.113.10", want: "[203.0.113.10] public / 10.0.0.5 of 10.0.0.0/24"},
		{name: "both families", addresses: prefixes("fd00::5/64", "2001:db8::10/64", "203.0.113.10/28"), route: "203.0.113.10", want: "[203.0.113.10 2001:db8::10] public / fd00::5 of fd00::/64"},
		{name: "behind NAT, two legs", addresses: prefixes("10.0.0.5/24", "192.168.7.10/24"), route: "192.168.7.10", want: "[192.168.7.10] / 10.0.0.5 of 10.0.0.0/24"},
		{name: "carrier-grade NAT is private", addresses: prefixes("100.64.1.2/10"), route: "100.64.1.2", want: "[100.64.1.2] / 100.64.1.2 of 100.64.0.0/10, shared"},
		{name: "one address", addresses: prefixes("203.0.113.10/28"), route: "203.0.113.10", want: "[203.0.113.10] public / 203.0.113.10 of 203.0.113.0/28, shared"},
		{name: "none", want: "[127.0.0.1] / 127.0.0.1 of 127.0.0.0/8, shared"},
		{name: "given", addresses: prefixes("203.0.113.10/28", "10.0.0.5/24", "10.9.0.5/16"), external: "203.0.113.11", internal: "10.9.0.5", want: "[203.0.113.11] public / 10.9.0.5 of 10.9.0.0/16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, h := &Options{Domains: names("contoso.com")}, &Host{Addresses: tt.addresses}
			o.External, _ = netip.ParseAddr(tt.external)
			o.Internal, _ = netip.ParseAddr(tt.internal)
			if a, err := netip.ParseAddr(tt.route); err == nil {
				h.Route = append(h.Route, a)
			}
			v, err := plan(o, h)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(v.External)
			if len(v.Public) > 0 {
				got += " public"
			}
			got += fmt.Sprintf(" / %s of %s", v.Internal, v.Sources)
			if v.Shared {
				got += ", shared"
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWhatIsThereStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "edged")
	o := &Options{Dir: dir, Domains: names("contoso.com")}
	if _, err := Write(o, dmz()); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := read(t, filepath.Join(dir, "tls/edge.secret"))
	if err := os.Remove(filepath.Join(dir, "edged.yaml")); err != nil {
		t.Fatal(err)
	}
	o.Authority = true
	again, err := Write(o, dmz())
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"edged.yaml", "tls/authority.key", "tls/authority.crt"},
		{"policy.yaml", "tls/edge.secret"},
	}
	if diff := cmp.Diff(want, [][]string{below(dir, again.Written), below(dir, again.Kept)}); diff != "" {
		t.Errorf("written, kept (-want +got):\n%s", diff)
	}
	if read(t, mine) != "mine" || read(t, filepath.Join(dir, "tls/edge.secret")) != before {
		t.Error("a file that was there has changed")
	}
}

func below(dir string, paths []string) []string {
	var all []string
	for _, p := range paths {
		all = append(all, strings.TrimPrefix(p, dir+"/"))
	}
	return all
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "edged")
	o := &Options{Dir: dir, Domains: names("contoso.com"), Authority: true}
	if _, err := Write(o, dmz()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		".": fs.ModeDir | 0o750, "tls": fs.ModeDir | 0o750, "edged.yaml": 0o640, "policy.yaml": 0o640,
		"tls/edge.secret": 0o600, "tls/authority.key": 0o600, "tls/authority.crt": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

// TestHalfAnAuthority: a key without its certificate is somebody's mistake, and a
// new pair would hide it.
func TestHalfAnAuthority(t *testing.T) {
	for _, name := range []string{"authority.crt", "authority.key"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "tls"), 0o700); err != nil {
			t.Fatal(err)
		}
		half := filepath.Join(dir, "tls", name)
		if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Write(&Options{Dir: dir, Domains: names("contoso.com"), Authority: true}, dmz())
		if err == nil || !strings.Contains(err.Error(), "move it away") || read(t, half) != "half" {
			t.Errorf("%s: error %v", name, err)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "tls", "authority.*")); len(files) != 1 {
			t.Errorf("%s: there are %q", name, files)
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	contoso := names("contoso.com")
	for name, tt := range map[string]struct {
		Options
		want string
	}{
		"no domain":             {Options{}, "--domain contoso.com"},
		"twice":                 {Options{Domains: names("contoso.com", "Contoso.COM")}, "written twice"},
		"a partner that is we":  {Options{Domains: contoso, Partners: contoso}, "one of our own domains"},
		"a server by address":   {Options{Domains: contoso, SIPPool: []string{"10.0.0.7"}}, `--sip-pool 10.0.0.7`},
		"a server that is none": {Options{Domains: contoso, XMPPPool: []string{"chat server:5269"}}, `--xmpp-pool chat server:5269: "chat server"`},
	} {
		tt.Dir = filepath.Join(t.TempDir(), "edged")
		if _, err := Write(&tt.Options, dmz()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
		if _, err := os.Stat(tt.Dir); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestComments(t *testing.T) {
	got := comments("# the file\n\n# a\n# of two lines\na:\n  # b\n  b: 1   # no comment of its own\n  c:\n  # d\n  - d: 1\n    # e\n    e: [x]\n  - d: 2\n# f\nf: {g: 1}\n")
	want := map[string][]string{"a": {"# a", "# of two lines"}, "a.b": {"# b"}, "a.c.d": {"# d"}, "a.c.e": {"# e"}, "f": {"# f"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, err := explain("  # @a.b\n  b: 3\n", "a:\n  # it\n  # is\n  b: 1\n"); string(text) != "  # it\n  # is\n  b: 3\n" || err != nil {
		t.Errorf("explained: %q, %v", text, err)
	}
	if _, err := explain("# @none\n", "a: 1\n"); err == nil {
		t.Error("a field without a comment was explained")
	}
}
