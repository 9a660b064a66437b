package records

import (
	"context"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/discovery"
)

// SelfCheck is Verify for the status page of a running gateway: what the DNS and our
// certificate files say. Nothing is dialled, since behind NAT a host often cannot reach
// its own address outside.
func SelfCheck(ctx context.Context, c *config.Config, r *discovery.Resolver) []admin.Check {
	report := Verify(ctx, Options{Config: c, Resolver: r, Now: time.Now()})
	all := make([]admin.Check, len(report.Findings))
	for i, f := range report.Findings {
		all[i] = admin.Check{State: f.State.String(), About: f.About, Text: f.Text, Cure: f.Cure}
	}
	return all
}
