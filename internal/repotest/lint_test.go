package repotest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var lint = flag.Bool("lint", false, "run golangci-lint over what is planted; `make lint` does")

// TestLinterSeesPlants proves that .golangci.yml refuses exactly what the scan of
// this package refuses. It runs only when asked to, since building the linter
// takes a minute.
func TestLinterSeesPlants(t *testing.T) {
	if !*lint {
		t.Skip("give -lint to build and run golangci-lint")
	}
	tools, err := filepath.Abs(filepath.Join(top, "tools/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plants(t) {
		t.Run(p.pkg, func(t *testing.T) {
			for _, name := range []string{"go.mod", "go.sum", ".golangci.yml"} {
				write(t, filepath.Join(p.dir, name), []byte(read(t, top, name)))
			}
			// Its exit status says no more than its report, which is not empty.
			command := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+tools, "golangci-lint", "run",
				"--enable-only=depguard", "--output.json.path=stdout", "--show-stats=false", "./"+p.pkg)
			command.Dir = p.dir
			report, err := command.Output()
			if diff := cmp.Diff(p.refused, depguardLines(t, report)); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// depguardLines returns a sorted "file:line" for each finding.
func depguardLines(t *testing.T, report []byte) []string {
	t.Helper()
	var findings struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct {
				Filename string
				Line     int
			}
		}
	}
	if err := json.Unmarshal(report, &findings); err != nil {
		t.Fatalf("%v in the linter's report:\n%s", err, report)
	}
	var found []string
	for _, issue := range findings.Issues {
		if issue.FromLinter != "depguard" {
			t.Fatalf("%s: %s", issue.FromLinter, issue.Text)
		}
		found = append(found, fmt.Sprintf("%s:%d", filepath.ToSlash(issue.Pos.Filename), issue.Pos.Line))
	}
	slices.Sort(found)
	return slices.Compact(found)
}
