package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says what is not in a line (kong.HelpProvider).
func (completionCmd) Help() string {
	return "For bash: edged completion bash >/usr/share/bash-completion/completions/edged. For zsh, into a file _edged in a folder " +
		"of $fpath. For fish, into /etc/fish/completions/edged.fish. The Debian package has them in place."
}

// Run prints what the shell has to read.
func (c *completionCmd) Run(k *kong.Kong) error {
	write := map[string]func([]completed) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	_, err := os.Stdout.WriteString(write[c.Shell](completions(k.Model)))
	return err
}

// completed is what can stand behind a command: subcommands, flags, and words for its
// arguments.
type completed struct {
	path   string // such as "consent list"; "" is edged itself
	words  []word
	values []value
}

// word is something that can be written, and what it is.
type word struct{ text, help string }

// value is what can stand behind a flag: one of some words, or a file if there are none.
type value struct {
	flag, short, help string
	words             []string
	file, none        bool // none: the flag stands alone
}

// completions reads the command line's model.
func completions(app *kong.Application) []completed {
	var all []completed
	var visit func(n *kong.Node, path string)
	visit = func(n *kong.Node, path string) {
		c := completed{path: path}
		for _, child := range n.Children {
			if !child.Hidden {
				c.words = append(c.words, word{child.Name, child.Help})
			}
		}
		for _, a := range n.Positional {
			for _, text := range enum(a) {
				c.words = append(c.words, word{text, a.Help})
			}
		}
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				c.words = append(c.words, word{"--" + f.Name, f.Help})
				c.values = append(c.values, flagValue(f))
			}
		}
		all = append(all, c)
		for _, child := range n.Children {
			if !child.Hidden {
				visit(child, strings.TrimSpace(path+" "+child.Name))
			}
		}
	}
	visit(app.Node, "")
	return all
}

func enum(v *kong.Value) []string {
	return strings.FieldsFunc(v.Enum, func(r rune) bool { return r == ',' })
}

func flagValue(f *kong.Flag) value {
	v := value{flag: "--" + f.Name, help: f.Help, words: enum(f.Value), none: f.IsBool() || f.Name == "help"}
	v.file = f.PlaceHolder == "FILE" || f.PlaceHolder == "PATH" || f.PlaceHolder == "DIR"
	if f.Short != 0 {
		v.short = "-" + string(f.Short)
	}
	return v
}

// paths lists the commands, each as a shell pattern that tells a step to it: the path so
// far, a colon and the next word.
func paths(all []completed) string {
	var steps []string
	for _, c := range all[1:] {
		before, last := "", c.path
		if i := strings.LastIndexByte(c.path, ' '); i >= 0 {
			before, last = c.path[:i], c.path[i+1:]
		}
		steps = append(steps, quote(before+":"+last))
	}
	return strings.Join(steps, "|")
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// flagCases are the branches of a case on "path:flag", each with what action makes of a
// value.
func flagCases(all []completed, action func(value) string) string {
	var b strings.Builder
	for _, c := range all {
		for _, v := range c.values {
			if v.none {
				continue
			}
			pattern := quote(c.path + ":" + v.flag)
			if v.short != "" {
				pattern += "|" + quote(c.path+":"+v.short)
			}
			fmt.Fprintf(&b, "    %s) %s; return ;;\n", pattern, action(v))
		}
	}
	return b.String()
}

func bashCompletion(all []completed) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# bash completion of edged
_edged() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= word words=
  if [ "$cur" = = ]; then cur=; elif [ "$prev" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at:$word" in %s) at=${at:+$at }$word ;; esac
  done
  case "$at:$prev" in
%s  esac
  case "$at" in
`, paths(all), flagCases(all, func(v value) string {
		switch {
		case len(v.words) > 0:
			return `COMPREPLY=($(compgen -W ` + quote(strings.Join(v.words, " ")) + ` -- "$cur"))`
		case v.file:
			return `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))`
		}
		return "COMPREPLY=()"
	}))
	for _, c := range all {
		var words []string
		for _, w := range c.words {
			words = append(words, w.text)
		}
		fmt.Fprintf(&b, "    %s) words=%s ;;\n", quote(c.path), quote(strings.Join(words, " ")))
	}
	b.WriteString("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _edged edged\n")
	return b.String()
}

func zshCompletion(all []completed) string {
	var b strings.Builder
	fmt.Fprintf(&b, `#compdef edged
_edged() {
  local at= word
  local -a list
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$at:$word" in (%s) at=${at:+$at }$word ;; esac
  done
  case "$at:${words[CURRENT-1]}" in
%s  esac
  case "$at" in
`, paths(all), flagCases(all, func(v value) string {
		switch {
		case len(v.words) > 0:
			return "compadd -- " + strings.Join(v.words, " ")
		case v.file:
			return "_files"
		}
		return "_message " + quote(v.help)
	}))
	for _, c := range all {
		fmt.Fprintf(&b, "    (%s) list=(", quote(c.path))
		for _, w := range c.words {
			b.WriteString(" " + quote(w.text+":"+strings.ReplaceAll(w.help, ":", `\:`)))
		}
		b.WriteString(") ;;\n")
	}
	b.WriteString("  esac\n  _describe edged list\n}\nif [ \"$funcstack[1]\" = _edged ]; then _edged \"$@\"; else compdef _edged edged; fi\n")
	return b.String()
}

func fishCompletion(all []completed) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# fish completion of edged
function __edged_at
  set -l at
  for word in (commandline -opc)[2..-1]
    switch "$at:$word"
      case %s
        set at (string trim "$at $word")
    end
  end
  test "$at" = "$argv[1]"
end
complete -c edged -f
`, strings.ReplaceAll(paths(all), "|", " "))
	for _, c := range all {
		here := "complete -c edged -n " + quote("__edged_at "+`"`+c.path+`"`)
		for _, w := range c.words {
			if !strings.HasPrefix(w.text, "-") {
				fmt.Fprintf(&b, "%s -a %s -d %s\n", here, w.text, fishQuote(w.help))
			}
		}
		for _, v := range c.values {
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", here, strings.TrimPrefix(v.flag, "--"), fishValue(v), fishQuote(v.help))
		}
	}
	return b.String()
}

// fishValue says what a flag takes.
func fishValue(v value) string {
	text := ""
	if v.short != "" {
		text = " -s " + strings.TrimPrefix(v.short, "-")
	}
	switch {
	case v.none:
		return text
	case len(v.words) > 0:
		return text + " -xa " + quote(strings.Join(v.words, " "))
	case v.file:
		return text + " -rF"
	}
	return text + " -x"
}

// fishQuote is for fish, where a backslash counts inside of quotes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
