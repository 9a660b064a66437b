package records

import (
	"fmt"
	"io"
	"strings"

	"edged/pkg/verdict"
)

// State is how something was found.
type State uint8

// The states.
const (
	OK      State = iota + 1 // as it should be
	Warning                  // works, but not as well or as long as it could
	Wrong                    // partners do not find us, or do not believe us
	Unknown                  // could not be looked at
)

// String returns the word that is printed.
func (s State) String() string {
	return [...]string{"", "ok", "warning", "wrong", "unknown"}[s]
}

// MarshalText is String, for JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing that was looked at.
type Finding struct {
	State State  `json:"state"`
	About string `json:"about"`          // such as "sip.contoso.com A"
	Text  string `json:"text"`           // how it is
	Cure  string `json:"cure,omitempty"` // what to do; empty if it is OK
}

// Report is everything that was looked at.
type Report struct {
	Findings []Finding `json:"findings"`
	Warnings int       `json:"warnings"`
	// Wrong counts the findings that are Wrong or Unknown.
	Wrong int `json:"wrong"`
}

// add takes a finding in. cure is for what is not OK.
func (r *Report) add(s State, about, text, cure string) {
	r.Findings = append(r.Findings, Finding{s, about, verdict.Printable(text), cure})
	switch s {
	case Warning:
		r.Warnings++
	case Wrong, Unknown:
		r.Wrong++
	default:
	}
}

// Print prints the report for people: a line for each finding, and one for its cure.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s %s: %s\n", f.State, f.About, f.Text)
		for line := range strings.SplitSeq(f.Cure, "\n") {
			if line != "" {
				fmt.Fprintf(&b, "         -> %s\n", line)
			}
		}
	}
	fmt.Fprintf(&b, "%d looked at, %d wrong, %s\n", len(r.Findings), r.Wrong, plural(r.Warnings, "warning"))
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON prints the report for programs.
func (r *Report) JSON(w io.Writer) error { return writeJSON(w, r) }

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
