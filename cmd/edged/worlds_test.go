package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"edged/internal/lab"
)

// TestWorlds runs testdata/worlds: what people are told about ways that work and ways
// that do not, in the world of the lab, whose configuration is $LAB/edged.yaml. A
// further command:
//
//	told FILE    compares what was printed with the file, apart from times, ports and dates
func TestWorlds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w, err := lab.Start(ctx, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/worlds",
		Setup: func(e *testscript.Env) error {
			e.Setenv("LAB", w.Dir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"told":  func(ts *testscript.TestScript, neg bool, args []string) { told(ts, w.Dir, neg, args) },
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// varies is what differs between two runs, and what stands for it.
var varies = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`(?m)^ {0,8}\d+\.\dms`), "    #.#ms"},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d{4,5}\b`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`([a-z]\.(?:example|com|net)):\d{4,5}\b`), "$1:PORT"},
	{regexp.MustCompile(`needs port: \d+`), "needs port: PORT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`), "DATE"},
	{regexp.MustCompile(`\d+ days left`), "N days left"},
	{regexp.MustCompile(`(clock is right; it says DATE)(?:, and the kernel says [^\n]*)?`), "$1"},
}

func told(ts *testscript.TestScript, dir string, neg bool, args []string) {
	got := strings.ReplaceAll(ts.ReadFile("stdout"), dir, "LAB")
	for _, v := range varies {
		got = v.what.ReplaceAllString(got, v.as)
	}
	want := ts.ReadFile(args[0])
	switch {
	case got == want:
	case *update:
		ts.Check(rewrite(ts.Name(), args[0], got))
	default:
		ts.Fatalf("told differently (go test -run TestWorlds -update writes it down):\n%s\nwant:\n%s", got, want)
	}
	if neg {
		ts.Fatalf("told has no opposite")
	}
}

// rewrite puts a file into a script.
func rewrite(script, name, content string) error {
	path := filepath.Join("testdata/worlds", script+".txt")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		return err
	}
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = []byte(content)
		}
	}
	return os.WriteFile(path, txtar.Format(archive), 0o600)
}
