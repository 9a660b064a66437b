package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"edged/internal/daemon"
	"edged/internal/probe"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

type probeCmd struct {
	configFlag
	Domain   domain.Name   `arg:"" help:"A partner's domain, or one of ours, whose pool is walked into then."`
	Protocol string        `enum:",sip,xmpp" default:"" placeholder:"NAME" help:"sip or xmpp (default: those by which the policy lists the domain, or else both)."`
	As       domain.Name   `placeholder:"DOMAIN" help:"Whom to speak for: one of our domains; into an XMPP pool, a partner's (default: the first that fits)."`
	Timeout  time.Duration `default:"1m" help:"How long to go on (${default})."`
	JSON     bool          `help:"Print a JSON array with an object for each protocol."`
}

// Help says what is not in a line (kong.HelpProvider).
func (probeCmd) Help() string {
	return "The walk is that of the gateway: SRV records with every target, addresses (private ones are refused as " +
		"dns.allow_private says), TCP, TLS and whose certificate it is, then a SIP OPTIONS or an XMPP stream up to where " +
		"stanzas could cross. Each step is a line with its time; where the way ends, the cause and what helps follow. " +
		"No gateway has to run, except for partners that ask it by dialback about us; and the domain need not be listed: where the policy refuses it, the walk goes on as if it " +
		"did not, and the lines of policy.yaml are named that would have to change. " +
		"The exit status is 0 if messages could cross by every protocol that was tried, else 1."
}

// Validate refuses a walk that would end before it begins.
func (c *probeCmd) Validate() error {
	if c.Timeout <= 0 {
		return errors.New("--timeout is above 0, such as 30s")
	}
	return nil
}

// Run walks and prints what was found. If messages could not cross by one of the
// protocols, that is exit status 1.
func (c *probeCmd) Run(ctx context.Context) error {
	p, err := daemon.Prober(c.Config)
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var reports []*probe.Report
	var bad []string
	for _, protocol := range c.protocols(p) {
		r, err := p.Walk(ctx, protocol, c.Domain, c.As)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		if !r.Good() {
			bad = append(bad, r.Protocol)
		}
	}
	if err := c.print(reports); err != nil {
		return err
	}
	if len(bad) > 0 {
		return answerError{fmt.Errorf("no messages would cross: %s by %s", c.Domain, strings.Join(bad, ", nor by "))}
	}
	return nil
}

func (c *probeCmd) protocols(p *probe.Prober) []policy.Protocol {
	switch c.Protocol {
	case policy.SIP.String():
		return []policy.Protocol{policy.SIP}
	case policy.XMPP.String():
		return []policy.Protocol{policy.XMPP}
	}
	return p.Protocols(c.Domain)
}

func (c *probeCmd) print(reports []*probe.Report) error {
	if c.JSON {
		return writeJSON(os.Stdout, reports)
	}
	for i, r := range reports {
		if i > 0 {
			fmt.Println()
		}
		if err := r.Write(os.Stdout); err != nil {
			return err
		}
	}
	return nil
}
