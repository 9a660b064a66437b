package repotest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"testing"
)

// testName is a test as documents name it: `pkg/sipfed.TestLoops`.
var testName = regexp.MustCompile("`([a-z][\\w/-]*)\\.((?:Test|Fuzz)\\w+)`")

// namedTest is a test and the package it must be in.
type namedTest struct{ dir, function string }

// missingTests returns the tests that a text names and that known does not hold.
func missingTests(text string, known []namedTest) (missing []string) {
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, namedTest{m[1], m[2]}) {
			missing = append(missing, m[1]+"."+m[2])
		}
	}
	return missing
}

// testsOf returns the tests and fuzz targets of all packages.
func testsOf(t *testing.T) (all []namedTest) {
	t.Helper()
	for _, name := range ending(tracked(t), "_test.go") {
		for _, d := range parse(t, top, name).file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				all = append(all, namedTest{path.Dir(name), f.Name.Name})
			}
		}
	}
	return all
}

// TestConformanceNamesRealTests: docs/conformance.md promises nothing that is not
// tested.
func TestConformanceNamesRealTests(t *testing.T) {
	const conformance = "docs/conformance.md"
	known := testsOf(t)
	text := read(t, top, conformance)
	if n := len(testName.FindAllString(text, -1)); n < 60 {
		t.Errorf("%s names %d tests only", conformance, n)
	}
	for _, missing := range missingTests(text, known) {
		t.Errorf("%s names %s, which is not there", conformance, missing)
	}
	planted := "`internal/repotest.TestConformanceNamesRealTests`, `internal/repotest.TestNothing` and `pkg/sipfed.TestConformanceNamesRealTests`"
	if got := missingTests(planted, known); !slices.Equal(got, []string{"internal/repotest.TestNothing", "pkg/sipfed.TestConformanceNamesRealTests"}) {
		t.Errorf("planted tests: %q", got)
	}
}

// TestConformanceIsComplete: no row is lost, and each says how far it is.
func TestConformanceIsComplete(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| (\\d+) \\| [^|]+ \\| [^|]*`[^|]*` \\| (done|partial|refused)([ :][^|]*)? \\|$")
	var got []string
	for _, m := range row.FindAllStringSubmatch(read(t, top, "docs/conformance.md"), -1) {
		got = append(got, m[1])
		if m[2] != "done" && m[3] == "" {
			t.Errorf("row %s is %s, and does not say why", m[1], m[2])
		}
	}
	if len(got) != 15+39 {
		t.Errorf("%d rows, want 15 and 39: %q", len(got), got)
	}
}
