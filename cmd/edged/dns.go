package main

import (
	"context"
	"errors"
	"os"
	"time"

	"edged/internal/config"
	"edged/internal/daemon"
	"edged/internal/records"
	"edged/pkg/discovery"
)

// dnsCmd is what the DNS and our certificates have to say of us.
type dnsCmd struct {
	configFlag
	Zone      bool     `xor:"form" help:"Print the records as a zone file has them."`
	JSON      bool     `name:"json" xor:"form" help:"Print JSON."`
	Verify    bool     `help:"Compare with what the DNS says now, with our certificate files, and with what answers at our addresses."`
	Server    []string `placeholder:"ADDR" help:"With --verify: the name server to ask, address or address:port, such as a public one (default: dns.servers)."`
	NoConnect bool     `name:"no-connect" help:"With --verify: do not connect to our own addresses, which behind NAT often cannot be reached from here."`
}

// Help says what is compared (kong.HelpProvider).
func (dnsCmd) Help() string {
	return "Records and certificate names follow from the domains, listeners and addresses of edged.yaml; no other file has to be there " +
		"yet. With --verify each finding is ok, warning, wrong, or unknown where the DNS did not answer or a file may not be read, and all but the first come " +
		"with what to do. The exit status is 0 if nothing is wrong or unknown, else 1; warnings do not count."
}

// Validate refuses flags that would have no effect.
func (c *dnsCmd) Validate() error {
	switch {
	case c.Verify && c.Zone:
		return errors.New("--zone prints what to publish; leave it out with --verify")
	case !c.Verify && (len(c.Server) > 0 || c.NoConnect):
		return errors.New("--server and --no-connect are for --verify")
	case len(c.Server) == 0:
		return nil
	}
	r, err := discovery.New(discovery.Config{Servers: c.Server})
	if err == nil {
		r.Close()
	}
	return err
}

// Run prints the records, or what is wrong with them in the world. Anything wrong is
// exit status 1, warnings are not.
func (c *dnsCmd) Run(ctx context.Context) error {
	cfg, err := config.Draft(c.Config)
	if err != nil {
		return err
	}
	if c.Verify {
		return c.verify(ctx, cfg)
	}
	plan := records.New(cfg)
	switch {
	case c.Zone:
		return plan.Zone(os.Stdout)
	case c.JSON:
		return plan.JSON(os.Stdout)
	}
	return plan.Table(os.Stdout)
}

func (c *dnsCmd) verify(ctx context.Context, cfg *config.Config) error {
	rc := daemon.ResolverConfig(cfg)
	if len(c.Server) > 0 {
		rc.Servers = c.Server
	}
	r, err := discovery.New(rc)
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := untilSignal(ctx)
	defer cancel()
	report := records.Verify(ctx, records.Options{Config: cfg, Resolver: r, Now: time.Now(), Connect: !c.NoConnect})
	form := report.Print
	if c.JSON {
		form = report.JSON
	}
	if err := form(os.Stdout); err != nil {
		return err
	}
	if report.Wrong > 0 {
		return answerError{errors.New("the world does not see what " + c.Config + " says")}
	}
	return nil
}
