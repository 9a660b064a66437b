package main

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDescribe: every module is there, with its hash, and the document is the same
// for the same binary.
func TestDescribe(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1767225600")
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "edged"},
		Settings: []debug.BuildSetting{{Key: "CGO_ENABLED", Value: "0"}},
		Deps: []*debug.Module{
			{Path: "example.org/a", Version: "v1.0.0+incompatible", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
			{Path: "example.org/b", Version: "v1", Replace: &debug.Module{Path: "example.org/c", Version: "v2"}},
		},
	}
	doc, err := describe(info, "v0.1.0", sha256.Sum256(nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/want.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	info.Deps[0].Sum = "h1:no"
	if _, err := describe(info, "v0.1.0", sha256.Sum256(nil)); err == nil {
		t.Error("a broken sum is passed over")
	}
}

// TestRun reads a real binary: this one.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run([]string{self, "v0.1.0"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"name": "go:-compiler"`, `"purl": "pkg:golang/std@1.`, `"version": "v0.1.0"`} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%s is missing in:\n%s", part, out.String())
		}
	}
	if err := run(nil, &out); err == nil {
		t.Error("nothing to read is no error")
	}
}
