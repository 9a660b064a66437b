package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"edged/internal/config"
	"edged/pkg/discovery"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// explanation is what explain answers.
type explanation struct {
	Protocol  string   `json:"protocol"`
	Direction string   `json:"direction"`
	Local     string   `json:"local"`
	Remote    string   `json:"remote"`
	Allowed   bool     `json:"allowed"`
	Reason    string   `json:"reason"`
	Rule      string   `json:"rule,omitempty"`
	Help      string   `json:"help,omitempty"` // of a refusal
	Notes     []string `json:"notes,omitempty"`
	Checks    []check  `json:"checks"`
	// File is where Changes would have to be made; Left is what would be refused even
	// then.
	File    string   `json:"file"`
	Changes []change `json:"changes,omitempty"`
	Left    string   `json:"left,omitempty"`

	reason verdict.Reason
	down   bool // the pool of our user
	failed bool // the DNS
}

// check is one step of policy.Set.Explain.
type check struct {
	Check   string `json:"check"`
	Outcome string `json:"outcome"`
	Text    string `json:"text"`
	Rule    string `json:"rule,omitempty"`
}

// change is one step of policy.Cure.
type change struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// look measures what the DNS says now.
func (e *explanation) look(ctx context.Context, rc discovery.Config, set *policy.Set, q *policy.Question) error {
	r, err := discovery.New(rc)
	if err != nil {
		return err
	}
	defer r.Close()
	service := discovery.SIPFederation
	if d := set.Decide(*q); d.Partner != nil && d.Partner.Service != "" {
		service = d.Partner.Service
	}
	answer, err := r.SRV(ctx, service, q.Remote)
	if err != nil {
		e.note("%v", err)
		if e.failed = discovery.Reason(err) == verdict.DNSFailed; e.failed {
			return nil
		}
	}
	q.Facts.SRV, q.Facts.SRVKnown = answer.Names(), true
	return nil
}

// judge asks policy, and for a refusal what would have to change.
func (e *explanation) judge(l *config.Loaded, q policy.Question) {
	d, steps := l.Policy.Explain(q)
	switch {
	case e.failed && d.Reason == verdict.NeedsDNS:
		d.Reason = verdict.DNSFailed
	case unreachable(q, d):
		d.Reason = verdict.DNSNoRecord
	case d.Allow() && e.down:
		d.Reason = verdict.PoolDown
	}
	e.Protocol, e.Direction, e.Local, e.Remote = q.Protocol.String(), q.Direction.String(), q.Local.String(), q.Remote.String()
	e.Allowed, e.Reason, e.Rule, e.reason = d.Allow(), d.Reason.String(), string(d.Rule), d.Reason
	for _, s := range steps {
		e.Checks = append(e.Checks, check{s.Check, s.Outcome.String(), s.Text, string(s.Rule)})
	}
	if e.Allowed {
		return
	}
	e.Help = d.Reason.Help()
	cure := policy.Cure(l.Source, l.Config.Local(), q)
	for _, c := range cure.Changes {
		e.Changes = append(e.Changes, change(c))
	}
	if left := cure.Decision.Reason; len(cure.Changes) > 0 && !cure.Decision.Allow() {
		e.Left = left.String() + ": " + left.Help()
	}
}

// unreachable reports that policy would let a message out which then finds no
// way, because the partner is found by SRV and has no such record: the sender
// gets the reason that the gateway gives.
func unreachable(q policy.Question, d policy.Decision) bool {
	return d.Allow() && q.Protocol == policy.SIP && q.Direction == policy.Outward &&
		q.Facts.SRVKnown && len(q.Facts.SRV) == 0 && d.Partner.Proxy.IsZero()
}

// result is the exit status, and the last word on standard error.
func (e *explanation) result() error {
	switch {
	case e.Allowed:
		return nil
	case e.reason == verdict.NeedsDNS:
		return answerError{errors.New("undecided: " + e.Help)}
	default:
		return answerError{errors.New("refused: " + e.Help)}
	}
}

// write shows the verdict first, then how it came about, then what would change it.
func (e *explanation) write(to io.Writer) error {
	for _, note := range e.Notes {
		fmt.Fprintln(to, "live:", note)
	}
	fmt.Fprintf(to, "%s %s: %s", e.Protocol, e.Direction, e.Reason)
	if e.Rule != "" {
		fmt.Fprintf(to, " by %s", e.Rule)
	}
	fmt.Fprintln(to)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, c := range e.Checks {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", c.Outcome, c.Check, c.Text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return writeChanges(to, e.File, e.Changes, e.Left)
}

// writeChanges shows the edits that a refusal needs, if there are any.
func writeChanges(to io.Writer, file string, changes []change, left string) error {
	if len(changes) == 0 {
		return nil
	}
	fmt.Fprintf(to, "to allow it, change %s:\n", file)
	for _, c := range changes {
		fmt.Fprintf(to, "  %s: %s\n", c.Path, c.Text)
	}
	if left != "" {
		fmt.Fprintln(to, "and then still:", left)
	}
	return nil
}

// writeJSON prints a value for programs.
func writeJSON(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
