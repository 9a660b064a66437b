// Package doctest gives tests the examples of the documents, so that what a page
// tells people to write or to type is what the tests run.
//
// An example is a fenced block with a name behind its language:
//
//	```sh authority
//	edged init --xmpp --domain contoso.com --authority
//	```
package doctest

import (
	"os"
	"strings"
	"testing"
)

// Block returns the lines of the block with that name in a file.
func Block(tb testing.TB, file, name string) string {
	tb.Helper()
	for _, b := range Blocks(tb, file) {
		if b.Name == name {
			return b.Text
		}
	}
	tb.Fatalf("%s has no block %q", file, name)
	return ""
}

// Example is one fenced block.
type Example struct {
	Language, Name string // both may be empty
	Text           string // the lines within the fences, without the indentation of the first
}

// Blocks returns every fenced block of a file, in order.
func Blocks(tb testing.TB, file string) []Example {
	tb.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var all []Example
	var text *strings.Builder // of the block that is open
	indent := ""
	for line := range strings.Lines(string(page)) {
		fence, begins := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case text != nil && begins && fence == "":
			all[len(all)-1].Text, text = text.String(), nil
		case text != nil:
			text.WriteString(strings.TrimPrefix(line, indent))
		case begins:
			language, name, _ := strings.Cut(fence, " ")
			all = append(all, Example{Language: language, Name: name})
			indent, text = line[:strings.Index(line, "`")], new(strings.Builder)
		}
	}
	return all
}
