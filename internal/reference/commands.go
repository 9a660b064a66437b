package reference

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

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
					fmt.Fprintf(&out, "* %s: %s\n", flag(f), f.Help)
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

// flag is how a flag is written.
func flag(f *kong.Flag) string {
	text := "**`" + f.String() + "`**"
	if f.Enum != "" && !strings.Contains(f.Help, strings.Split(f.Enum, ",")[0]) {
		text += " (" + strings.ReplaceAll(strings.Trim(f.Enum, ","), ",", ", ") + ")"
	}
	return text
}
