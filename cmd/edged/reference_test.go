package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
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
	pages, err := reference.Pages("../..", writeCommands(parser.Model))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		path := filepath.Join("../../docs/reference", name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
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

// writeCommands describes every command of a command line: how it is called, what it
// does, its arguments and flags.
func writeCommands(app *kong.Application) string {
	var out strings.Builder
	for _, c := range app.Leaves(true) {
		fmt.Fprintf(&out, "\n### `%s`\n\n%s\n\n", strings.TrimSuffix(c.Summary(), " [flags]"), help(c.Help, c.Detail))
		for _, a := range c.Positional {
			fmt.Fprintf(&out, "* **`%s`**: %s\n", a.Summary(), a.Help)
		}
		for _, group := range c.AllFlags(true) {
			for _, f := range group {
				if f != app.HelpFlag {
					fmt.Fprintf(&out, "* %s: %s\n", writtenFlag(f), f.Help)
				}
			}
		}
	}
	return strings.ReplaceAll(out.String(), "\n\n\n", "\n\n")
}

func help(short, detail string) string {
	if detail != "" {
		return short + "\n\n" + detail
	}
	return short
}

// writtenFlag is how a flag is written.
func writtenFlag(f *kong.Flag) string {
	text := "**`" + f.String() + "`**"
	if f.Enum != "" && !strings.Contains(f.Help, strings.Split(f.Enum, ",")[0]) {
		text += " (" + strings.ReplaceAll(strings.Trim(f.Enum, ","), ",", ", ") + ")"
	}
	return text
}

func TestCommands(t *testing.T) {
	var cli struct {
		Go struct {
			To  string `arg:"" help:"Where to."`
			How string `enum:"foot,train" default:"foot" help:"By what."`
		} `cmd:"" help:"Go there."`
		Secret struct{} `cmd:"" hidden:"" help:"Nobody knows."`
	}
	parser, err := kong.New(&cli, kong.Name("a"))
	if err != nil {
		t.Fatal(err)
	}
	want := "\n### `go <to>`\n\nGo there.\n\n* **`<to>`**: Where to.\n* **`--how=\"foot\"`** (foot, train): By what.\n"
	if got := writeCommands(parser.Model); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
