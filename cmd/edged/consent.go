package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"edged/internal/admin"
)

// consentCmd looks after who wrote to whom first, in the running gateway.
type consentCmd struct {
	List   consentListCmd   `cmd:"" help:"List who wrote to whom first, the newest first."`
	Remove consentRemoveCmd `cmd:"" help:"Forget that a user wrote to a contact: the contact is not heard until the user writes again."`
}

type consentListCmd struct {
	listFlags
	Filter string `placeholder:"TEXT" help:"Only pairs with this text in one of the addresses."`
	Limit  int    `default:"100" help:"At most so many (${default}; up to 100000)."`
}

// Run prints a line for each pair.
func (c *consentListCmd) Run(ctx context.Context) error {
	n, err := list(ctx, &c.listFlags, admin.ListConsentPath(c.Filter, c.Limit), table[admin.Consent]{
		row: func(p admin.Consent) string {
			return p.Local + "\t" + p.Remote + "\t" + p.Since.UTC().Format(time.RFC3339)
		},
	})
	if err == nil && n == c.Limit {
		fmt.Fprintf(os.Stderr, "there may be more than these %d; raise --limit or give a --filter\n", c.Limit)
	}
	return err
}

type consentRemoveCmd struct {
	runningFlags
	Local  string `arg:"" help:"Our user: user@domain, or a domain."`
	Remote string `arg:"" help:"The contact: user@domain, or a domain."`
}

// Run prints what the gateway answers. A pair that is not there is exit status 1.
func (c *consentRemoveCmd) Run(ctx context.Context) error {
	return c.do(ctx, "DELETE", admin.RemoveConsentPath(c.Local, c.Remote))
}
