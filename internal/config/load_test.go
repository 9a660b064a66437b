package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config/configtest"
)

// minimal is the configuration that every case in testdata/bad differs from.
const minimal = "testdata/good/minimal"

// in lays folders out and makes the result the working folder, so that errors
// show the paths of want.txt.
func in(t *testing.T, folders ...string) {
	t.Helper()
	t.Chdir(configtest.Lay(t, folders...))
}

// TestBad loads every broken configuration and compares what is said about it
// with want.txt. To write a new case, leave want.txt empty and read the failure.
func TestBad(t *testing.T) {
	cases, err := filepath.Glob("testdata/bad/*")
	if err != nil || len(cases) < 34 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(dir, "want.txt"))
			if err != nil {
				t.Fatal(err)
			}
			in(t, minimal, dir)
			_, err = Load("edged.yaml")
			if err == nil {
				t.Fatal("loaded")
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestGood loads what has to be accepted, without a word.
func TestGood(t *testing.T) {
	for _, dir := range []string{minimal, "testdata/good/full", "../../configs", "../../configs/minimal"} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			in(t, dir)
			l, err := Load("edged.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if l.Policy == nil || len(l.Hash) != 12 || len(l.PolicyHash) != 12 || len(l.Warnings) > 0 {
				t.Errorf("policy %v, hashes %q %q, warnings %v", l.Policy, l.Hash, l.PolicyHash, l.Warnings)
			}
		})
	}
}
