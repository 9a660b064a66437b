package repotest

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// levels says where each package stands. An import goes to a lower level only.
// A package that is missing here fails the test: give it a level.
var levels = map[string]int{
	"pkg/domain": 0, "pkg/verdict": 0, "pkg/store": 0, "pkg/serve": 0, "pkg/sock": 0, "pkg/proxyproto": 0, "configs": 0, "internal/doctest": 0,
	"pkg/policy": 1, "pkg/tlsid": 1, "pkg/discovery": 1, "pkg/nexthop": 1, "pkg/limit": 1, "pkg/consent": 1, "pkg/posh": 1, "pkg/trace": 1,
	"pkg/sipfed/sipmsg": 1, "pkg/xmpp/xmlstream": 1, "pkg/xmpp/jid": 1,
	"pkg/sipfed": 2, "pkg/xmpp": 2,
	"internal/config": 3, "internal/config/configtest": 3, "internal/admin": 3, "internal/insidedns": 3, "internal/setup": 3, "internal/migrate": 3,
	"internal/daemon": 4, "internal/reference": 4, "internal/records": 4,
	"internal/probe":  3,
	"internal/lab/ca": 1, "internal/lab/zone": 1, "internal/lab/xmpppeer": 1, "internal/lab/sippeer": 2, "internal/lab/kit": 2, "internal/lab": 5,
	"cmd/edged":         6,
	"internal/repotest": 7, "test/interop": 7, "test/debian": 7, "test/monitoring": 7, "packaging/sbom": 7, "test/faults": 7,
	"bench/wire": 2, "bench/load": 3, "bench/relay": 3, "bench/stage": 3, "bench/sip": 4, "bench": 7,
}

// A ban keeps some imports out of some files, whatever their level.
type ban struct {
	files   string   // the start of the file's name
	imports []string // import paths; with a final slash, all that begin so
	except  []string // names of files that may, as path.Match patterns
	tests   bool     // binds tests too
	why     string
}

var bans = []ban{
	{"pkg/", []string{"edged/internal/", "edged/cmd/"}, nil, false, "pkg never imports internal"},
	{"pkg/sipfed/", []string{"edged/pkg/xmpp", "edged/pkg/xmpp/"}, nil, true, "the protocols meet in policy"},
	{"pkg/xmpp/", []string{"edged/pkg/sipfed", "edged/pkg/sipfed/"}, nil, true, "the protocols meet in policy"},
	{"internal/admin/", []string{"edged/"}, nil, false, "admin gets functions"},
	{"internal/lab/", []string{"edged/pkg/sipfed", "edged/pkg/sipfed/", "edged/pkg/xmpp", "edged/pkg/xmpp/"}, nil, false, "the lab's peers are a second opinion"},
	{"", []string{"edged/cmd/", "edged/internal/repotest"}, nil, true, "nothing imports it"},

	{"pkg/domain/", impure, nil, false, "pure"},
	{"pkg/policy/", impure, nil, false, "pure"},
	{"pkg/verdict/", impure, nil, false, "pure"},

	{"", []string{"go.yaml.in/yaml/"}, []string{"internal/config/load.go"}, false, "one importer"},
	{
		"",
		[]string{"github.com/miekg/dns"},
		[]string{"pkg/discovery/*.go", "internal/insidedns/*.go", "internal/lab/zone/*.go"},
		false, "one importer",
	},
	{"pkg/", []string{"github.com/prometheus/"}, []string{"pkg/*/metrics.go"}, false, "metrics.go counts"},
	{"", []string{"github.com/alecthomas/kong"}, []string{"cmd/edged/*.go"}, false, "one importer"},
	{"", []string{"github.com/coreos/go-systemd/"}, []string{"internal/daemon/*.go"}, false, "one importer"},
	{"", []string{"go.etcd.io/bbolt", "go.etcd.io/bbolt/"}, []string{"pkg/store/*.go"}, false, "one importer"},
	{"", []string{"github.com/emiago/sipgo", "github.com/emiago/sipgo/"}, []string{"internal/lab/*/*.go"}, false, "a second opinion only"},
}

// impure leaves time out, for its Duration: TestPureReadsNoClock judges the rest.
var impure = []string{"net", "net/http", "os", "os/", "log", "log/"}

// testLeaves are what the tests of pkg may import out of internal: peers, and pages.
var testLeaves = []string{"edged/internal/doctest", "edged/internal/lab/ca", "edged/internal/lab/zone", "edged/internal/lab/xmpppeer"}

// refusal returns why the file must not import the path, "" if it may.
func refusal(file, imported string) string {
	test := strings.HasSuffix(file, "_test.go")
	for _, b := range bans {
		if (!test || b.tests) && b.binds(file, imported) {
			return b.why
		}
	}
	ours, isOurs := strings.CutPrefix(imported, "edged/")
	if !isOurs {
		return ""
	}
	if test {
		if strings.HasPrefix(file, "pkg/") && strings.HasPrefix(ours, "internal/") && !slices.Contains(testLeaves, imported) {
			return "the tests of pkg import the leaves of the lab only"
		}
		return ""
	}
	from, known := levels[path.Dir(file)]
	to, alsoKnown := levels[ours]
	switch {
	case !known || !alsoKnown:
		return "a package without a level"
	case to >= from:
		return fmt.Sprintf("level %d imports level %d", from, to)
	}
	return ""
}

func (b ban) binds(file, imported string) bool {
	for _, pattern := range b.except {
		if ok, err := path.Match(pattern, file); ok || err != nil {
			return false
		}
	}
	return strings.HasPrefix(file, b.files) && slices.ContainsFunc(b.imports, func(p string) bool {
		return imported == p || strings.HasSuffix(p, "/") && strings.HasPrefix(imported, p)
	})
}

// refused returns a "file:line" for each import that must not be, with its reason.
func refused(t *testing.T, dir string, files []string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range files {
		s := parse(t, dir, name)
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := refusal(name, imported); why != "" {
				found[fmt.Sprintf("%s:%d", name, s.line(spec.Pos()))] = fmt.Sprintf("%s: %s", imported, why)
			}
		}
	}
	return found
}

func TestImports(t *testing.T) {
	found := refused(t, top, goFiles(t))
	for _, where := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%s imports %s", where, found[where])
	}
}

func TestEveryPackageHasALevel(t *testing.T) {
	for _, name := range goFiles(t) {
		if _, ok := levels[path.Dir(name)]; !ok {
			t.Errorf("%s: the package has no level in the table above", name)
		}
	}
}

func TestPlantedImportsAreRefused(t *testing.T) {
	for _, p := range plants(t) {
		t.Run(p.pkg, func(t *testing.T) {
			found := refused(t, p.dir, p.files)
			if diff := cmp.Diff(p.refused, slices.Sorted(maps.Keys(found))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A planted package stands in a tree of its own, since what it must not import
// may well import it.
type planted struct {
	pkg, dir string
	files    []string
	refused  []string // sorted "file:line" of the imports marked as refused
}

// plants unpacks testdata/imports.txtar, with an empty package for each of ours
// that is imported.
func plants(t *testing.T) []*planted {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/imports.txtar")
	if err != nil {
		t.Fatal(err)
	}
	ours := regexp.MustCompile(`"edged/([^"]+)"`)
	var all []*planted
	for _, f := range archive.Files {
		pkg := path.Dir(f.Name)
		i := slices.IndexFunc(all, func(p *planted) bool { return p.pkg == pkg })
		if i < 0 {
			i = len(all)
			all = append(all, &planted{pkg: pkg, dir: t.TempDir()})
		}
		p := all[i]
		p.files = append(p.files, f.Name)
		write(t, filepath.Join(p.dir, f.Name), f.Data)
		for i, line := range strings.Split(string(f.Data), "\n") {
			if strings.HasSuffix(line, "// refused") {
				p.refused = append(p.refused, fmt.Sprintf("%s:%d", f.Name, i+1))
			}
			if m := ours.FindStringSubmatch(line); m != nil && m[1] != pkg {
				text := fmt.Sprintf("package %s\n", path.Base(m[1]))
				write(t, filepath.Join(p.dir, m[1], "stub.go"), []byte(text))
			}
		}
		slices.Sort(p.refused)
	}
	return all
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// clock are the functions of time that read or wait for it.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// clockUses returns the lines where the file asks for the time.
func clockUses(s source) []int {
	var found []int
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(clock, sel.Sel.Name) {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
				found = append(found, s.line(sel.Pos()))
			}
		}
		return true
	})
	return found
}

func TestPureReadsNoClock(t *testing.T) {
	for _, name := range goFiles(t) {
		switch path.Dir(name) {
		case "pkg/domain", "pkg/verdict", "pkg/policy":
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, line := range clockUses(parse(t, top, name)) {
				t.Errorf("%s:%d asks for the time, and must be given it", name, line)
			}
		}
	}
	bad := parseText(t, "bad.go", "package bad\n\nvar hour = time.Hour\nvar start = time.Now()\n")
	if got := clockUses(bad); len(got) != 1 || got[0] != 4 {
		t.Errorf("planted clock found in lines %v, want line 4", got)
	}
}
