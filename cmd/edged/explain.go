package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"edged/internal/daemon"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

type explainCmd struct {
	configFlag
	From      party         `arg:"" help:"Who writes: user@domain, or a domain."`
	To        party         `arg:"" help:"Who is written to: user@domain, or a domain."`
	Protocol  string        `enum:"sip,xmpp" default:"sip" help:"sip or xmpp."`
	Proves    []domain.Name `placeholder:"NAME" help:"Names that the partner's certificate proves (default: the partner's domain)."`
	SignedBy  []string      `placeholder:"ENTRY" help:"Policy entries whose own roots signed it (default: tls.roots)."`
	SRV       []domain.Name `placeholder:"HOST" xor:"srv" help:"SIP: current targets of the partner's SRV record."`
	NoSRV     bool          `name:"no-srv" xor:"srv" help:"SIP: the partner publishes no SRV record."`
	Live      bool          `xor:"srv" help:"SIP: ask the DNS for the partner's SRV record."`
	Media     bool          `help:"Audio or video is offered."`
	Consent   bool          `help:"XMPP: the local user wrote to the partner's user first."`
	Exhausted bool          `help:"The partner has used up its budget."`
}

// Validate refuses the SIP record's flags for XMPP: no rule there would read them.
func (c *explainCmd) Validate() error {
	if c.Protocol == "xmpp" && (c.Live || c.NoSRV || len(c.SRV) > 0) {
		return errors.New("--srv, --no-srv and --live are about the SIP record of the partner; leave them out with --protocol xmpp")
	}
	return nil
}

// Run prints the verdict and every rule that was considered. A refusal is exit
// status 1.
func (c *explainCmd) Run(ctx context.Context) error {
	l, _, err := daemon.Check(c.Config)
	if err != nil {
		return err
	}
	q := c.question(l.Policy)
	if c.Live {
		if err := look(ctx, daemon.ResolverConfig(&l.Config), &q); err != nil {
			return err
		}
	}
	d, steps := l.Policy.Explain(q)
	if unreachable(q, d) {
		d.Reason = verdict.DNSNoRecord
	}
	print(q, d, steps)
	switch {
	case d.Allow():
		return nil
	case !d.Final():
		return errors.New("undecided: " + d.Reason.Help())
	default:
		return errors.New("refused: " + d.Reason.Help())
	}
}

// unreachable reports that policy would let a message out which then finds no
// way, because the partner is found by SRV and has no such record: the sender
// gets the reason that the gateway gives.
func unreachable(q policy.Question, d policy.Decision) bool {
	return d.Allow() && q.Protocol == policy.SIP && q.Direction == policy.Outward &&
		q.Facts.SRVKnown && len(q.Facts.SRV) == 0 && d.Partner.Proxy.IsZero()
}

// question turns the command line into what policy is asked.
func (c *explainCmd) question(set *policy.Set) policy.Question {
	q := policy.Question{Protocol: policy.SIP}
	if c.Protocol == "xmpp" {
		q.Protocol = policy.XMPP
	}
	from, to := policy.User(c.From), policy.User(c.To)
	q.Facts = policy.Facts{
		SRV: c.SRV, SRVKnown: len(c.SRV) > 0 || c.NoSRV, Media: c.Media,
		Consent: c.Consent, Exhausted: c.Exhausted,
	}
	if set.IsLocal(from.Domain, q.Protocol) {
		q.Direction, q.Local, q.Remote = policy.Outward, from, to.Domain
		return q
	}
	q.Direction, q.Local, q.Remote = policy.Inward, to, from.Domain
	q.Facts.Names, q.Facts.Anchors, q.Facts.Proven = c.Proves, c.SignedBy, true
	if len(c.Proves) == 0 {
		q.Facts.Names = []domain.Name{q.Remote}
	}
	if len(c.SignedBy) == 0 {
		q.Facts.Anchors = []string{""}
	}
	return q
}

// look measures what the DNS says now.
func look(ctx context.Context, rc discovery.Config, q *policy.Question) error {
	r, err := discovery.New(rc)
	if err != nil {
		return err
	}
	defer r.Close()
	answer, err := r.SRV(ctx, discovery.SIPFederation, q.Remote)
	var e *discovery.Error
	if err != nil && (!errors.As(err, &e) || e.Temporary()) {
		return err
	}
	if err != nil {
		fmt.Println("DNS:", err)
	}
	q.Facts.SRV, q.Facts.SRVKnown = answer.Names(), true
	return nil
}

// party is one end of a conversation: a user, or a domain as a whole.
type party policy.User

// UnmarshalText reads user@domain or a domain, with the scheme or without.
func (p *party) UnmarshalText(b []byte) error {
	s := strings.TrimPrefix(strings.TrimPrefix(string(b), "sip:"), "xmpp:")
	var user policy.User
	var err error
	if strings.Contains(s, "@") {
		user, err = policy.ParseUser(s)
	} else {
		user.Domain, err = domain.Parse(s)
	}
	*p = party(user)
	return err
}

// print shows the verdict first, then how it came about.
func print(q policy.Question, d policy.Decision, steps []policy.Step) {
	fmt.Printf("%s %s: %s", q.Protocol, q.Direction, d.Reason)
	if d.Rule != "" {
		fmt.Printf(" by %s", d.Rule)
	}
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Outcome, s.Check, s.Text)
	}
	_ = w.Flush()
}
