package lab

import (
	"strings"
	"testing"
	"time"

	"edged/pkg/verdict"

	"github.com/google/go-cmp/cmp"
)

func TestLinesAreAligned(t *testing.T) {
	acts := []act{{title: "Two", turns: sip([]scenario{
		message("a@a.example", "longer@b.example", "allowed").passes("list: a"),
		request("BYE", "b@b.example", "a@a.example", "blocked").refused(504, verdict.DomainBlocked, "list: b").diagnosed(1008),
	})}}
	var out strings.Builder
	p := newPrinter(&out, acts)
	p.title(acts[0].title)
	p.line(result{
		From: "a@a.example", To: "longer@b.example", Method: "MESSAGE", Kind: "allowed", Allowed: true,
		Reason: "allowed", Rule: "list: a", Wire: "200", Took: 1500 * time.Microsecond,
	})
	p.line(result{
		From: "b@b.example", To: "a@a.example", Method: "BYE", Kind: "blocked",
		Reason: "domain-blocked", Rule: "list: b", Wire: "504 (inside 1008)", Took: 12 * time.Millisecond,
		Wrong: []string{"answer: expected 403, got 504 (inside 1008)"},
	})
	p.total(1, 2*time.Second)
	want := `
Two
  1  a@a.example → longer@b.example  MESSAGE  allowed  allow   list: a         200                   1.5 ms
  2  b@b.example → a@a.example       BYE      blocked  refuse  domain-blocked  504 (inside 1008)    12.0 ms  list: b
     answer: expected 403, got 504 (inside 1008)

2 verdicts in 2.0 s, 1 not as expected.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestColourIsForTerminals(t *testing.T) {
	var out strings.Builder
	p := newPrinter(&out, nil)
	p.line(result{Wrong: []string{"wrong"}})
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("coloured without a terminal: %q", &out)
	}
	p.colour = true
	p.line(result{Wrong: []string{"wrong"}})
	for _, want := range []string{"\x1b[33mrefuse\x1b[0m", "\x1b[31mwrong\x1b[0m"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing shows %q: %q", want, &out)
		}
	}
}
