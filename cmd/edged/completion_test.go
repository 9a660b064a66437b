package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// shells are how a test asks a shell what it would offer behind the words of a command
// line, the last of which is being written. $1 is the file with the completion.
var shells = []struct {
	name, ask string
	write     func([]completed) string
}{
	{"bash", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _edged; printf '%s\n' "${COMPREPLY[@]}"`, bashCompletion},
	{"zsh", `file=$1; shift; compdef() { : }; source $file; words=("$@"); CURRENT=$#
		_describe() { print -l -- "${(@P)2%%:*}" }; compadd() { print -l -- "${@:2}" }; _files() { print -l -- * }; _message() { : }; _edged`, zshCompletion},
	{"fish", `source $argv[1]; complete -C (string join -- ' ' $argv[2..-1]) | string replace -r '\t.*' ''; true`, fishCompletion},
}

// TestCompletion asks every shell that is there.
func TestCompletion(t *testing.T) {
	parser, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	all := completions(parser.Model)
	for _, shell := range shells {
		t.Run(shell.name, func(t *testing.T) {
			path := lookPath(t, shell.name)
			dir := t.TempDir()
			file := filepath.Join(dir, "completion")
			if err := os.WriteFile(file, []byte(shell.write(all)), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				line          string
				offered, none []string
			}{
				{"edged ", []string{"serve", "probe", "consent", "completion"}, []string{"list", "--protocol"}},
				{"edged pro", []string{"probe"}, nil},
				{"edged consent ", []string{"list", "remove"}, []string{"serve"}},
				{"edged consent list --", []string{"--filter", "--limit", "--json", "--socket"}, []string{"--protocol"}},
				{"edged probe --", []string{"--protocol", "--as", "--config"}, []string{"--filter"}},
				{"edged probe --protocol ", []string{"sip", "xmpp"}, []string{"--as", "serve"}},
				{"edged explain --direction ", []string{"inward", "outward"}, nil},
				{"edged completion ", []string{"bash", "zsh", "fish"}, nil},
				{"edged serve -c ", []string{"completion"}, []string{"--config"}},
			} {
				got := offered(t, dir, path, shell.ask, file, tt.line)
				for _, w := range tt.offered {
					if !slices.Contains(got, w) {
						t.Errorf("%q: no %q among %q", tt.line, w, got)
					}
				}
				for _, w := range tt.none {
					if slices.Contains(got, w) {
						t.Errorf("%q: %q among %q", tt.line, w, got)
					}
				}
			}
		})
	}
}

// lookPath finds a program, or skips the test; where test/setup.sh has been it has to be
// there.
func lookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func offered(t *testing.T, dir, shell, ask, file, line string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args := []string{"-c", ask}
	if !strings.HasSuffix(shell, "fish") {
		args = append(args, "-") // $0
	}
	cmd := exec.CommandContext(ctx, shell, append(append(args, file), strings.Split(line, " ")...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.Fields(string(out))
}

// TestCompletionIsOfTheModel: hidden commands stay hidden, and no word of a help text
// ends a string.
func TestCompletionIsOfTheModel(t *testing.T) {
	var odd struct {
		Go     struct{} `cmd:"" help:"It's \"odd\": 100% $HOME ${x}."`
		Secret struct{} `cmd:"" hidden:"" help:"Nobody knows."`
	}
	parser, err := kong.New(&odd, kong.Name("edged"), kong.Vars{"x": "`y`"})
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range shells {
		t.Run(shell.name, func(t *testing.T) {
			text := shell.write(completions(parser.Model))
			if strings.Contains(text, "ecret") {
				t.Errorf("a hidden command in\n%s", text)
			}
			path := lookPath(t, shell.name)
			file := filepath.Join(t.TempDir(), "completion")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := offered(t, t.TempDir(), path, shell.ask, file, "edged "); !slices.Contains(got, "go") {
				t.Errorf("got %q", got)
			}
		})
	}
}
