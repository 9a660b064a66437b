package records

import (
	"context"
	"net/netip"
	"time"

	"edged/internal/config"
	"edged/pkg/discovery"
	"edged/pkg/domain"
)

// Options are what Verify works with.
type Options struct {
	Config   *config.Config
	Resolver *discovery.Resolver
	Now      time.Time // by which certificates are judged
	Connect  bool      // dial our own listeners, where the DNS says they are
}

// Verify compares what the configuration wants published with the world: the
// records, the addresses, our certificate files, and what answers at the places that
// the DNS names.
func Verify(ctx context.Context, o Options) *Report {
	v := verifier{
		Options: o, Report: &Report{}, plan: New(o.Config),
		addresses: make(map[domain.Name][]netip.Addr),
	}
	for _, n := range v.plan.Notes {
		v.add(Wrong, "configuration", n.Text, n.Cure)
	}
	for i := range v.plan.Services {
		v.service(ctx, &v.plan.Services[i])
	}
	v.unserved(ctx)
	for i := range v.plan.Hosts {
		v.host(ctx, &v.plan.Hosts[i])
	}
	v.certificates()
	if v.Connect {
		v.listeners(ctx)
	}
	return v.Report
}

// verifier is one run of Verify.
type verifier struct {
	Options
	*Report
	plan      *Plan
	published []*Service                   // those that the DNS has as they should be
	addresses map[domain.Name][]netip.Addr // of our hosts, as the DNS has them
	keys      keys
}
