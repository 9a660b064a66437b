package repotest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	metricWord = regexp.MustCompile(`\bedged_[a-z]+(?:_[a-z]+)+\b`)
	logWord    = regexp.MustCompile(`\bmsg=(?:"([^"\n]+)"|(\w+))`)
)

// strangeWords returns the metrics and log lines that a document names and that
// no literal of the program is.
func strangeWords(text string, literals map[string]bool) []string {
	var strange []string
	for _, name := range metricWord.FindAllString(text, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of histograms
			base = strings.TrimSuffix(base, suffix)
		}
		if !literals[name] && !literals[base] {
			strange = append(strange, name)
		}
	}
	for _, m := range logWord.FindAllStringSubmatch(strings.ReplaceAll(text, "\n", " "), -1) {
		if said := m[1] + m[2]; !literals[said] {
			strange = append(strange, said)
		}
	}
	return strange
}

// literals returns every string in the program.
func literals(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, top, name).file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil {
					all[text] = true
				}
			}
			return true
		})
	}
	return all
}

// TestDocumentsNameRealMetricsAndLogLines: what people are told to look for exists.
func TestDocumentsNameRealMetricsAndLogLines(t *testing.T) {
	all := literals(t)
	for _, name := range ending(tracked(t), ".md") {
		for _, word := range strangeWords(read(t, top, name), all) {
			t.Errorf("%s names %q, which nothing in the program is called", name, word)
		}
	}
	text := "`edged_a_total`, edged_b_seconds_bucket{x=\"1\"} and edged_c_total; msg=\"said\nso\" msg=never msg=\"not so\""
	got := strangeWords(text, map[string]bool{"edged_a_total": true, "edged_b_seconds": true, "said so": true})
	if want := []string{"edged_c_total", "never", "not so"}; !slices.Equal(got, want) {
		t.Errorf("planted words: %q, want %q", got, want)
	}
}
