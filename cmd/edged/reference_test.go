package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/reference"
)

var update = flag.Bool("update", false, "write docs/reference anew")

// TestReference: docs/reference is what the program says of itself.
func TestReference(t *testing.T) {
	parser, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := reference.Pages("../..", parser.Model)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		path := filepath.Join("../../docs/reference", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is not current; run make reference (-want +got):\n%s", path, diff)
		}
	}
}
