package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"edged/internal/admin"
)

// watchCmd looks after the watch list of the running gateway.
type watchCmd struct {
	List    watchListCmd    `cmd:"" help:"List the partners that are watched, the longest watched first."`
	Release watchReleaseCmd `cmd:"" help:"Take a partner off the list: its budgets are full again. Listing or blocking its domain in policy.yaml does so too."`
}

type watchListCmd struct{ listFlags }

// Run prints a line for each partner.
func (c *watchListCmd) Run(ctx context.Context) error {
	_, err := list(ctx, &c.listFlags, admin.WatchPath, table[admin.Watched]{
		header: "PROTO\tPARTNER\tSINCE\tMODE\tFAILED\tUSERS\tREFUSED\tCERTIFICATE\tDOMAINS",
		empty:  "nobody is watched",
		row: func(p admin.Watched) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%d of %d\t%d\t%d\t%s\t%s", p.Proto, p.Partner, p.Since.UTC().Format(time.RFC3339),
				watchMode(&p), p.Failed, p.Requests, p.Contacts, p.Refused, watchCertificate(&p), watchDomains(&p))
		},
	})
	return err
}

// watchMode is what a watched partner is held to.
func watchMode(p *admin.Watched) string {
	switch {
	case p.Throttled && p.NoNewUsers:
		return "throttled, no new users"
	case p.Throttled:
		return "throttled"
	case p.NoNewUsers:
		return "no new users"
	}
	return "watched"
}

func watchCertificate(p *admin.Watched) string {
	if p.Serial == "" {
		return "-"
	}
	return p.Serial + " of " + p.Issuer
}

func watchDomains(p *admin.Watched) string {
	all := strings.Join(p.Domains, ", ")
	if p.MoreDomains {
		all += ", ..."
	}
	return all
}

type watchReleaseCmd struct {
	runningFlags
	Partner string `arg:"" help:"The registered domain, as the list shows it."`
	Proto   string `enum:",sip,xmpp" default:"" placeholder:"NAME" help:"Only from the list of this protocol: sip or xmpp."`
}

// Run prints what the gateway answers. A partner that is not there is exit status 1.
func (c *watchReleaseCmd) Run(ctx context.Context) error {
	return c.do(ctx, "DELETE", admin.ReleasePath(c.Proto, c.Partner))
}
