package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// Outcome is what became of a step.
type Outcome string

// The outcomes.
const (
	OK     Outcome = "ok"
	Failed Outcome = "failed"
	Note   Outcome = "note" // neither: something to know
)

// Step is one step of a walk.
type Step struct {
	Step    string        `json:"step"` // dns, policy, address, tcp, tls, identity, options, stream, ...
	Outcome Outcome       `json:"outcome"`
	Text    string        `json:"text"`
	Took    time.Duration `json:"-"`
}

// MarshalJSON adds how long it took, in milliseconds.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	return json.Marshal(struct {
		plain
		Took float64 `json:"took_ms"`
	}{plain(s), float64(s.Took.Microseconds()) / 1000})
}

// Finding is something that keeps messages from crossing, and what helps.
type Finding struct {
	Reason string   `json:"reason"`
	Cause  string   `json:"cause"`
	Cure   []string `json:"cure"`
}

// Change is an edit of policy.yaml.
type Change struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Report is what a walk has found.
type Report struct {
	Domain   string `json:"domain"`
	Protocol string `json:"protocol"`
	As       string `json:"as"` // whom we spoke for
	// Allowed says that policy lets the domains talk, Reached that a server was found
	// that is who it should be and answers.
	Allowed  bool      `json:"allowed"`
	Reached  bool      `json:"reached"`
	Pool     bool      `json:"pool"` // the domain is ours, and the way goes inside
	Steps    []Step    `json:"steps"`
	Findings []Finding `json:"findings,omitempty"`
	// File is where Changes would let the domains talk, if Allowed is false.
	File    string   `json:"file"`
	Changes []Change `json:"changes,omitempty"`
}

// Good tells whether messages can cross.
func (r *Report) Good() bool { return r.Allowed && r.Reached }

// find notes what stands in the way, once.
func (r *Report) find(reason verdict.Reason, cause string, cure ...string) {
	cause = verdict.Printable(cause)
	for _, f := range r.Findings {
		if f.Cause == cause {
			return
		}
	}
	if len(cure) == 0 {
		cure = []string{reason.Help()}
	}
	r.Findings = append(r.Findings, Finding{Reason: reason.String(), Cause: cause, Cure: cure})
}

func (r *Report) needs(changes []policy.Change) {
	for _, c := range changes {
		r.Changes = append(r.Changes, Change(c))
	}
}

// Write prints a report for people: a line for each step, then what it comes to.
func (r *Report) Write(to io.Writer) error {
	fmt.Fprintf(to, "%s by %s, as %s\n", r.Domain, r.Protocol, r.As)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%9s\t%s\t%s\t%s\n", took(s.Took), s.Outcome, s.Step, s.Text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(to, r.conclusion())
	for _, f := range r.Findings {
		fmt.Fprintf(to, "  %s: %s\n", f.Reason, f.Cause)
		for i, cure := range f.Cure {
			fmt.Fprintf(to, "    %s %s\n", []string{"cure:", "or:  "}[min(i, 1)], cure)
		}
	}
	if len(r.Changes) == 0 {
		return nil
	}
	fmt.Fprintf(to, "to allow it, change %s:\n", r.File)
	for _, c := range r.Changes {
		fmt.Fprintf(to, "  %s: %s\n", c.Path, c.Text)
	}
	return nil
}

func (r *Report) conclusion() string {
	var text string
	switch {
	case r.Good() && r.Pool:
		text = "good: a member of the pool takes messages"
	case r.Good():
		text = "good: policy allows it, and a server takes messages"
	case r.Pool:
		text = "no member of the pool takes messages"
	case r.Reached:
		text = "refused by policy, though it could be reached"
	case r.Allowed:
		text = "allowed by policy, but it cannot be reached"
	default:
		text = "refused by policy, and it cannot be reached"
	}
	switch {
	case len(r.Findings) == 0:
		return text
	case r.Good():
		return text + "; but:"
	}
	return text + ":"
}

// took writes a duration so that columns stay columns; "" where nothing was waited for.
func took(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.1fms", float64(d.Microseconds())/1000)
}
