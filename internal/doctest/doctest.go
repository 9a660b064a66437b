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

// Rows returns the cells of every table under a heading of a file, up to the next
// heading that is not below it, without the heads of the tables. Code is without
// its quotes.
func Rows(tb testing.TB, file, heading string) [][]string {
	tb.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	level, title, _ := strings.Cut(heading, " ")
	var rows [][]string
	inside, body := false, false
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if hashes, text, ok := strings.Cut(line, " "); ok && strings.Trim(hashes, "#") == "" {
			inside = text == title && hashes == level || inside && len(hashes) > len(level)
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			body = false
		case strings.HasPrefix(line, "|---"):
			body = true
		case inside && body:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		tb.Fatalf("%s has no table under %q", file, heading)
	}
	return rows
}
