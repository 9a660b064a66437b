package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"edged/internal/admin"
	"edged/internal/doctest"
	"edged/internal/lab"
	"edged/pkg/verdict"
)

// TestWorlds runs testdata/worlds: what people are told about ways that work and ways
// that do not, in the world of the lab, whose configuration is $LAB/edged.yaml, and in
// that of newNight, $NIGHT/edged.yaml. A further command:
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
	nightDir := newNight(t)
	plain := strings.NewReplacer(w.Dir, "LAB", nightDir, "NIGHT")
	params := func(dir string) testscript.Params {
		return testscript.Params{
			Dir: dir,
			Setup: func(e *testscript.Env) error {
				e.Setenv("LAB", w.Dir)
				e.Setenv("NIGHT", nightDir)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"exits": exits,
				"told":  func(ts *testscript.TestScript, neg bool, args []string) { told(ts, plain, neg, args) },
			},
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
		}
	}
	testscript.Run(t, params("testdata/worlds"))
	if !*update {
		testscript.Run(t, params(documented(t)))
	}
}

// documented makes scripts of the examples in docs/diagnosis.md.
func documented(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, b := range doctest.Blocks(t, "../../docs/diagnosis.md") {
		how, name, ok := strings.Cut(b.Name, ": ")
		if !ok {
			continue
		}
		typed, want, _ := strings.Cut(b.Text, "\n")
		args := strings.Fields(strings.TrimPrefix(typed, "$ edged "))
		script := fmt.Sprintf("%s edged %s -c $LAB/edged.yaml %s\ntold want\n\n-- want --\n%s",
			strings.Replace(how, "exit", "exits", 1), args[0], strings.Join(args[1:], " "), want)
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTraceExample: the lines of trace in docs/diagnosis.md are what trace writes.
func TestTraceExample(t *testing.T) {
	form := regexp.MustCompile(`^(\d\d:\d\d:\d\d\.\d{3}) (\S+) +(\S+) +(?:(\d+) )?(\S+) (\S+) -> (\S+): (\S+) by (.*), to (\S+), ([\d.]+)ms \[(.*)\]$`)
	_, lines, _ := strings.Cut(doctest.Block(t, "../../docs/diagnosis.md", "trace"), "\n")
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		m := form.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no line of trace: %s", line)
		}
		at, err := time.ParseInLocation("15:04:05.000", m[1], time.Local)
		if err != nil {
			t.Fatal(err)
		}
		status, _ := strconv.Atoi(m[4]) // none is none
		took, _ := strconv.ParseFloat(m[11], 64)
		got := traceText(&admin.TraceLine{
			Time: at, Proto: m[2], Direction: m[3], Status: status, What: m[5], From: "sip:" + m[6], To: "sip:" + m[7],
			Reason: m[8], Rule: m[9], NextHop: m[10], Took: took, ID: m[12],
		})
		if got != line {
			t.Errorf("got  %s\nwant %s", got, line)
		}
	}
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
	{regexp.MustCompile(`\d+ days? left`), "N days left"},
	{regexp.MustCompile(`(clock is right; it says DATE)(?:, and the kernel says [^\n]*)?`), "$1"},
}

// normal is a text without what differs between two runs.
func normal(text string) string {
	for _, v := range varies {
		text = v.what.ReplaceAllString(text, v.as)
	}
	return text
}

func told(ts *testscript.TestScript, plain *strings.Replacer, neg bool, args []string) {
	got := normal(plain.Replace(ts.ReadFile("stdout")))
	want := normal(ts.ReadFile(args[0]))
	if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && verdict.Steers(r) }); i >= 0 {
		ts.Fatalf("what a peer sent steers the terminal: %q", got[i:])
	}
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
