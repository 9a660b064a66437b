package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"edged/internal/config"
	"edged/internal/daemon"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

type explainCmd struct {
	configFlag
	From      party         `arg:"" help:"Who writes: user@domain, or a domain."`
	To        party         `arg:"" help:"Who is written to: user@domain, or a domain."`
	Protocol  string        `enum:"sip,xmpp" default:"sip" help:"sip or xmpp."`
	Direction string        `enum:",inward,outward" default:"" placeholder:"WAY" help:"inward or outward (default: outward if the first address is ours)."`
	Proves    []domain.Name `placeholder:"NAME" help:"SIP: names that the partner's certificate proves (default: the partner's domain)."`
	SignedBy  []string      `placeholder:"ENTRY" help:"Policy entries whose own roots signed it, such as litware.com, provider:Name or xmpp:jabber.example (default: tls.roots)."`
	SRV       []domain.Name `placeholder:"HOST" xor:"srv" help:"SIP: current targets of the partner's SRV record."`
	NoSRV     bool          `name:"no-srv" xor:"srv" help:"SIP: the partner publishes no SRV record."`
	Live      bool          `xor:"srv" help:"Measure what can be: by SIP the partner's SRV record; and ask the running gateway about consent, the watch list and our pools."`
	Media     bool          `help:"SIP: audio or video is offered."`
	Carried   string        `enum:",discovered,allowed,direct,hosting-provider,public-provider" default:"" placeholder:"KIND" help:"SIP: what kind of partner the connection has carried before: discovered, allowed, direct, hosting-provider or public-provider."`
	Passed    bool          `help:"SIP, outward: the request has come in by this edge before (users hosted at a provider)."`
	Anonymous bool          `help:"SIP: From hides the sender (anonymous.invalid)."`
	Proven    string        `enum:",certificate,dane,posh,tls-dialback,tcp-dialback,none" default:"" placeholder:"HOW" help:"XMPP: how the partner proved its domain: certificate, dane, posh, tls-dialback, tcp-dialback, or none (default: certificate)."`
	Consent   bool          `help:"XMPP: the local user wrote to the partner's user first."`
	Answer    bool          `help:"XMPP: the stanza answers one of ours (an IQ result, or an error)."`
	Exhausted bool          `help:"The partner has used up its budget."`
	JSON      bool          `help:"Print a JSON object."`
}

// Help says what is not in a line (kong.HelpProvider).
func (explainCmd) Help() string {
	return "The question is put to the policy that the gateway asks, with what would have been measured before given by " +
		"flags. Every rule that was considered is a line; for a refusal, the lines of policy.yaml follow that would have to " +
		"change. Neither certificates and keys nor a running gateway have to be there. The exit status is 0 if the message may cross, 1 if it may not or if that hangs on what was not given."
}

// Validate refuses flags of the other protocol: no rule would read them.
func (c *explainCmd) Validate() error {
	xmpp := c.Protocol == "xmpp"
	switch {
	case xmpp && (c.NoSRV || len(c.SRV) > 0):
		return errors.New("--srv and --no-srv are about the SIP record of the partner; leave them out with --protocol xmpp")
	case xmpp && (len(c.Proves) > 0 || c.Media || c.Anonymous || c.Passed || c.Carried != ""):
		return errors.New("--proves, --media, --anonymous, --passed and --carried are for SIP; with --protocol xmpp, say by --proven how the partner's domain was proven")
	case !xmpp && (c.Proven != "" || c.Consent || c.Answer):
		return errors.New("--proven, --consent and --answer are for XMPP; write --protocol xmpp, or leave them out")
	case len(c.SignedBy) > 0 && c.Proven != "" && c.Proven != policy.ByCertificate.String():
		return errors.New("--signed-by is for --proven certificate: nothing else is proven by who signed")
	}
	return nil
}

// Run prints the verdict, every rule that was considered and what would have to
// change. A refusal is exit status 1.
func (c *explainCmd) Run(ctx context.Context) error {
	l, err := config.DraftPolicy(c.Config)
	if err != nil {
		return err
	}
	if err := c.signers(l.Policy.Anchors()); err != nil {
		return err
	}
	e := explanation{File: l.Config.Policy}
	q := c.question(l.Policy)
	if c.Live && q.Protocol == policy.SIP {
		if err := e.look(ctx, daemon.ResolverConfig(&l.Config), l.Policy, &q); err != nil {
			return err
		}
	}
	if c.Live && l.Config.Admin.Socket != "" {
		e.live(reach(ctx, l.Config.Admin.Socket), l, &q, policy.User(c.From))
	}
	e.judge(l, q)
	if c.JSON {
		err = writeJSON(os.Stdout, e)
	} else {
		err = e.write(os.Stdout)
	}
	if err != nil {
		return err
	}
	return e.result()
}

// signers refuses an entry that has no roots of its own, such as one that is misspelt.
func (c *explainCmd) signers(known map[string][]string) error {
	for _, entry := range c.SignedBy {
		if known[entry] == nil {
			return fmt.Errorf("--signed-by %q: no entry of that name has roots of its own; those that have are: %s",
				entry, orDash(strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
		}
	}
	return nil
}

// question turns the command line into what policy is asked.
func (c *explainCmd) question(set *policy.Set) policy.Question {
	q := policy.Question{Protocol: policy.SIP}
	if c.Protocol == "xmpp" {
		q.Protocol = policy.XMPP
	}
	from, to := policy.User(c.From), policy.User(c.To)
	q.Facts = policy.Facts{
		SRV: c.SRV, SRVKnown: len(c.SRV) > 0 || c.NoSRV, Media: c.Media, Anonymous: c.Anonymous,
		Consent: c.Consent, Answer: c.Answer, Exhausted: c.Exhausted,
	}
	if c.Direction == policy.Outward.String() || c.Direction == "" && set.IsLocal(from.Domain, q.Protocol) {
		q.Direction, q.Local, q.Remote = policy.Outward, from, to.Domain
		q.Facts.Passed = c.Passed
		if set.Shares(to.Domain) && !set.IsLocal(from.Domain, q.Protocol) { // to a user hosted at a provider
			q.Local, q.Facts.Foreign = to, true
		}
		return q
	}
	q.Direction, q.Local, q.Remote = policy.Inward, to, from.Domain
	c.identity(&q)
	for k := range policy.XMPPListed {
		if k.String() == c.Carried {
			q.Facts.Carried = &policy.Partner{Kind: k}
		}
	}
	return q
}

// identity turns what the partner showed into facts. Who signed matters for
// certificates alone.
func (c *explainCmd) identity(q *policy.Question) {
	f := &q.Facts
	if f.Anchors = c.SignedBy; len(c.SignedBy) == 0 {
		f.Anchors = []string{""}
	}
	switch {
	case q.Protocol == policy.XMPP:
		f.Proven = c.Proven != "none"
		if f.Proof = policy.ByCertificate; c.Proven != "" && f.Proven {
			_ = f.Proof.UnmarshalText([]byte(c.Proven)) // one of the flag's words
		}
		if f.Proof != policy.ByCertificate {
			f.Anchors = nil
		}
	case len(c.Proves) == 0:
		f.Names = []domain.Name{q.Remote}
	default:
		f.Names = c.Proves
	}
}

// party is one end of a conversation: a user, or a domain as a whole.
type party policy.User

// UnmarshalText reads user@domain or a domain, with the scheme or without.
func (p *party) UnmarshalText(b []byte) error {
	s := string(b)
	if scheme, rest, ok := strings.Cut(s, ":"); ok && slices.Contains([]string{"sip", "sips", "xmpp"}, strings.ToLower(scheme)) {
		s = rest
	}
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
